"""A region and its surroundings on the grid on which features are computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import image_like
from espark.types import AnyArray

_SPLINE_MARGIN = 8  # voxels beyond the window that still affect a cubic spline
_HALF = 0.5 - 1e-6


@dataclass(frozen=True)
class Window:
    """A box of a target grid.

    Attributes:
        start: index of its first voxel (x, y, z) in the target grid.
        size: number of voxels (x, y, z).
        spacing: mm (x, y, z).
        origin: continuous index, in the source grid, of the target grid's first voxel.
    """

    start: tuple[int, ...]
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]


def crop_and_resample(
    image: sitk.Image,
    mask: sitk.Image,
    *,
    spacing_mm: tuple[float, float, float] | None,
    padding_mm: float,
    clip: tuple[float, float] | None = None,
    linear: bool = False,
) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask around the region, resampled.

    The target grid spans the whole image and shares its centre, as IBSI recommends, so that regions of the same CT
    have the same grid. Only the window around the region is computed. Grey values are interpolated by cubic
    splines (or linearly) and rounded to whole numbers. A voxel belongs to the region if at least half of it is covered.

    Args:
        image: grey values.
        mask: (0, 1) on the same grid, not empty.
        spacing_mm: target spacing (x, y, z); None keeps the spacing of the image.
        padding_mm: surroundings kept on each side.
        clip: range to which grey values are clipped before they are interpolated.
        linear: interpolate grey values linearly.

    Returns:
        float64 image and uint8 mask on the same grid; the mask may be empty when the region is thinner than a voxel.
    """
    voxels = sitk.GetArrayViewFromImage(mask)
    window = _window(image, voxels, spacing_mm, padding_mm)
    if spacing_mm is None or np.allclose(spacing_mm, image.GetSpacing(), rtol=1e-4):
        return _clipped(_crop(image, window), clip), sitk.Cast(_crop(mask, window), sitk.sitkUInt8)
    near = _source_box(image, window)
    grey = _clipped(_crop(image, near), clip)
    filled = sitk.Cast(_crop(mask, near), sitk.sitkFloat64)
    resampler = _resampler(image, window)
    resampler.SetInterpolator(sitk.sitkLinear)
    region = sitk.GetArrayFromImage(resampler.Execute(filled)) >= _HALF
    if not linear:
        resampler.SetInterpolator(sitk.sitkBSpline)
    resampler.SetDefaultPixelValue(float(sitk.GetArrayViewFromImage(grey).min()))
    resampled = resampler.Execute(grey)
    rounded = np.rint(sitk.GetArrayFromImage(resampled))
    return image_like(rounded, resampled), image_like(region.astype(np.uint8), resampled)


def _window(
    image: sitk.Image, mask: AnyArray, spacing_mm: tuple[float, float, float] | None, padding_mm: float
) -> Window:
    """The part of the target grid that holds the region and its surroundings."""
    old = np.array(image.GetSpacing())
    new = old if spacing_mm is None else np.array(spacing_mm)
    size = np.array(image.GetSize())
    grid = size if spacing_mm is None else np.ceil(size * old / new - 1e-6)
    origin = (size - 1) / 2 - (grid - 1) / 2 * new / old
    found = [np.flatnonzero(mask.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
    low = np.array([where[0] for where in found]) - 0.5
    high = np.array([where[-1] for where in found]) + 0.5
    padding = np.ceil(padding_mm / new)
    first = np.clip(np.ceil((low - origin) * old / new - 1e-6) - padding, 0, grid - 1).astype(int)
    last = np.clip(np.floor((high - origin) * old / new + 1e-6) + padding, first, grid - 1).astype(int)
    return Window(tuple(first), tuple(last - first + 1), tuple(new), tuple(origin))


def _source_box(image: sitk.Image, window: Window) -> Window:
    """The part of the source grid from which the voxels of the window are interpolated."""
    old, new = np.array(image.GetSpacing()), np.array(window.spacing)
    size = np.array(image.GetSize())
    low = np.array(window.origin) + np.array(window.start) * new / old
    high = low + (np.array(window.size) - 1) * new / old
    first = np.clip(np.floor(low) - _SPLINE_MARGIN, 0, size - 1).astype(int)
    last = np.clip(np.ceil(high) + _SPLINE_MARGIN, 0, size - 1).astype(int)
    return Window(tuple(first), tuple(last - first + 1), tuple(old), (0.0, 0.0, 0.0))


def _clipped(image: sitk.Image, clip: tuple[float, float] | None) -> sitk.Image:
    """The image as float64, clipped."""
    low, high = clip or (-np.inf, np.inf)
    clipped: sitk.Image = sitk.Clamp(image, sitk.sitkFloat64, low, high)
    return clipped


def _crop(image: sitk.Image, box: Window) -> sitk.Image:
    cropped: sitk.Image = sitk.RegionOfInterest(image, [int(n) for n in box.size], [int(n) for n in box.start])
    return cropped


def _resampler(image: sitk.Image, window: Window) -> sitk.ResampleImageFilter:
    old, new = np.array(image.GetSpacing()), np.array(window.spacing)
    first = np.array(window.origin) + np.array(window.start) * new / old
    resampler = sitk.ResampleImageFilter()
    resampler.SetOutputOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    resampler.SetOutputSpacing(new.tolist())
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetSize([int(n) for n in window.size])
    return resampler
