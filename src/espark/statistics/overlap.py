"""How well two masks of the same region agree: volume (Dice), surface (Dice at a tolerance), and the worst of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import t as student

from espark.statistics.estimate import NO_PATIENTS, Estimate
from espark.types import BoolArray, DoubleArray

SURFACE_TOLERANCE_MM = 3.0


@dataclass(frozen=True)
class Overlap:
    """Agreement of two masks.

    Attributes:
        dice: twice the shared volume over the sum of both, 0 to 1.
        surface_dice: share of both surfaces that lie within the tolerance of the other, 0 to 1.
        hd95_mm: 95th percentile of the distances between the surfaces, the larger of both directions; NaN when one
            mask is empty.
    """

    dice: float
    surface_dice: float
    hd95_mm: float


def overlap(
    found: BoolArray,
    truth: BoolArray,
    spacing: tuple[float, float, float],
    *,
    tolerance_mm: float = SURFACE_TOLERANCE_MM,
) -> Overlap:
    """Compare two masks.

    A surface is the set of the region's voxels that have a neighbour outside (through a face); distances are those of
    voxel centres.

    Args:
        found: (z, y, x).
        truth: (z, y, x), on the same grid; not empty.
        spacing: mm (z, y, x).
        tolerance_mm: of the surface Dice.

    Raises:
        ValueError: when the shapes differ or the truth is empty.

    Example:
        >>> cube = np.pad(np.ones((4, 4, 4), bool), 2)
        >>> overlap(cube, np.roll(cube, 1, axis=0), (1, 1, 1)).dice
        0.75
    """
    if found.shape != truth.shape:
        raise ValueError(f"the masks are {found.shape} and {truth.shape} voxels")
    if not truth.any():
        raise ValueError("the truth is empty")
    if not found.any():
        return Overlap(0.0, 0.0, math.nan)
    box = ndimage.find_objects((found | truth).astype(np.uint8))[0]
    found, truth = np.pad(found[box], 1), np.pad(truth[box], 1)
    dice = 2 * float((found & truth).sum()) / float(found.sum() + truth.sum())
    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (found, truth)]
    to_other = [
        ndimage.distance_transform_edt(~other, sampling=spacing)[own] for own, other in (surfaces, surfaces[::-1])
    ]
    near = sum(int((away <= tolerance_mm).sum()) for away in to_other)
    farthest = max(float(np.percentile(away, 95)) for away in to_other)
    return Overlap(dice, near / sum(len(away) for away in to_other), farthest)


def mean_estimate(values: npt.ArrayLike) -> Estimate:
    """Mean over patients with its 95 % interval by Student's t; values that are NaN are left out."""
    known: DoubleArray = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return Estimate.missing(NO_PATIENTS, 0)
    mean = float(known.mean())
    if len(known) == 1:
        return Estimate(mean, math.nan, math.nan, "one patient: no interval", 1)
    half = float(student.ppf(0.975, len(known) - 1) * known.std(ddof=1) / math.sqrt(len(known)))
    return Estimate(mean, mean - half, mean + half, "Student's t", len(known))
