"""Small random changes of a contour, to measure how much features depend on the exact contour.

Source: Zwanenburg et al., Assessing robustness of radiomic features by image perturbation, Sci Rep 9 (2019) 614.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from espark.ct.grid import image_like
from espark.types import AnyArray, DoubleArray


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
    inside = sitk.GetArrayFromImage(mask) > 0
    spacing = np.array(mask.GetSpacing())[::-1]
    places = np.argwhere(inside)
    reach = np.ceil(4 * sd_mm / spacing).astype(int) + 1
    low = np.maximum(places.min(axis=0) - reach, 0)
    high = np.minimum(places.max(axis=0) + reach + 1, inside.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    field = ndimage.gaussian_filter(generator.standard_normal(inside[box].shape), smooth_mm / 2 / spacing)
    field *= sd_mm / max(float(field.std()), np.finfo(np.float64).tiny)
    moved = np.zeros_like(inside)
    moved[box] = _signed_distance(inside[box], spacing) + field < 0
    return image_like((moved if moved.any() else inside).astype(np.uint8), mask)


def _signed_distance(inside: AnyArray, spacing: DoubleArray) -> DoubleArray:
    """Distance to the surface in mm, negative inside; voxels on either side of the surface are half a voxel away."""
    padded = np.pad(inside, 1, mode="edge")
    out = ndimage.distance_transform_edt(~padded, sampling=spacing)
    within = ndimage.distance_transform_edt(padded, sampling=spacing)
    half = float(spacing.min()) / 2
    distance: DoubleArray = np.where(padded, half - within, out - half)
    return distance[1:-1, 1:-1, 1:-1]
