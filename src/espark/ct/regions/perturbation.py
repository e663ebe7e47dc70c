"""Small changes of a contour, to measure how much features and answers depend on the exact contour.

Source: Zwanenburg et al., Assessing robustness of radiomic features by image perturbation, Sci Rep 9 (2019) 614.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from espark.ct.grid import image_like
from espark.types import AnyArray, DoubleArray

_ROUNDING_MM = 1e-6


def perturb_contour(
    mask: sitk.Image, *, generator: np.random.Generator, sd_mm: float = 1.0, smooth_mm: float = 8.0
) -> sitk.Image:
    """A region with its surface moved in and out by a smooth random field.

    Args:
        mask: (0, 1), not empty.
        generator: random generator.
        sd_mm: standard deviation of the surface's displacement.
        smooth_mm: distance over which neighboring points move together.

    Returns:
        uint8 mask (0, 1) on the same grid; the original region if nothing would remain of it.
    """

    def moved(inside: AnyArray, spacing: DoubleArray) -> AnyArray:
        field = ndimage.gaussian_filter(generator.standard_normal(inside.shape), smooth_mm / 2 / spacing)
        field *= sd_mm / max(float(field.std()), np.finfo(np.float64).tiny)
        nearby: AnyArray = _signed_distance(inside, spacing) + field < 0
        return nearby

    return _in_its_surroundings(mask, 4 * sd_mm, moved)


def move_contour(mask: sitk.Image, mm: float) -> sitk.Image:
    """A region with its whole surface moved outwards, or inwards where ``mm`` is negative.

    Args:
        mask: (0, 1), not empty.
        mm: how far; voxels are not divided, so that a surface moves by whole voxels, or not at all where they are
            larger than twice this distance (see `smallest_step_mm`).

    Returns:
        uint8 mask (0, 1) on the same grid; the original region if nothing would remain of it.
    """

    def moved(inside: AnyArray, spacing: DoubleArray) -> AnyArray:
        distance = _signed_distance(inside, spacing)
        nearby: AnyArray = distance <= mm + _ROUNDING_MM if mm > 0 else distance < mm - _ROUNDING_MM
        return nearby

    return _in_its_surroundings(mask, abs(mm), moved)


def smallest_step_mm(mask: sitk.Image, wanted_mm: float) -> float:
    """The distance nearest to the wanted one by which :func:`move_contour` moves a surface within a slice."""
    spacing: tuple[float, ...] = mask.GetSpacing()
    return max(wanted_mm, max(spacing[:2]) - min(spacing) / 2)


def _in_its_surroundings(
    mask: sitk.Image, reach_mm: float, moved: Callable[[AnyArray, DoubleArray], AnyArray]
) -> sitk.Image:
    """The mask after ``moved``, which gets the region with what is around it, and the spacing, both (z, y, x)."""
    inside = sitk.GetArrayFromImage(mask) > 0
    spacing = np.array(mask.GetSpacing())[::-1]
    places = np.argwhere(inside)
    reach = np.ceil(reach_mm / spacing).astype(int) + 1
    low = np.maximum(places.min(axis=0) - reach, 0)
    high = np.minimum(places.max(axis=0) + reach + 1, inside.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    found = np.zeros_like(inside)
    found[box] = moved(inside[box], spacing)
    return image_like((found if found.any() else inside).astype(np.uint8), mask)


def _signed_distance(inside: AnyArray, spacing: DoubleArray) -> DoubleArray:
    """Distance to the surface in mm, negative inside; voxels on either side of the surface are half a voxel away."""
    padded = np.pad(inside, 1, mode="edge")
    out = ndimage.distance_transform_edt(~padded, sampling=spacing)
    within = ndimage.distance_transform_edt(padded, sampling=spacing)
    half = float(spacing.min()) / 2
    distance: DoubleArray = np.where(padded, half - within, out - half)
    return distance[1:-1, 1:-1, 1:-1]
