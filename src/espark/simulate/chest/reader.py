"""Masks as a human reader would draw them: the true region with a wavering boundary and uncertain ends."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.simulate.chest.dicom_writer import Geometry
from espark.types import AnyArray, BoolArray, ByteArray, FloatArray

_MARGIN = 4
_CAUTION_MM = -0.25
"""Readers rather stay inside than take in fat or air."""

_BIAS_MM = 0.4
_WAVER_MM = 1.2
_WAVE_LENGTH_MM = 9.0
_END_MM = 5.0


def draw_masks(regions: AnyArray, geometry: Geometry, rng: np.random.Generator) -> tuple[ByteArray, ByteArray]:
    """A reader's masks of the whole esophagus and of the tumor.

    Args:
        regions: truth, shape (z, y, x), 1 = esophagus, 2 = tumor.
        geometry: its grid.
        rng: the reader's own random stream.

    Returns:
        Two masks (0 or 1) on the same grid: the esophagus with its tumor, and the tumor.
    """
    esophagus = _waver(regions > 0, geometry, rng, end_mm=0.0)
    tumor = _waver(regions == 2, geometry, rng, end_mm=_END_MM)
    return (esophagus | tumor).astype(np.uint8), tumor.astype(np.uint8)


def _waver(mask: BoolArray, geometry: Geometry, rng: np.random.Generator, end_mm: float) -> BoolArray:
    box = _padded_box(mask)
    spacing = geometry.spacing[::-1]
    inside = mask[box]
    distance = ndimage.distance_transform_edt(inside, spacing) - ndimage.distance_transform_edt(~inside, spacing)
    offset = rng.normal(_CAUTION_MM, _BIAS_MM) + _WAVER_MM * _smooth_field(inside.shape, spacing, rng)
    drawn = np.zeros_like(mask)
    drawn[box] = distance + offset > 0
    lower, upper = rng.uniform(0.0, end_mm, size=2) / geometry.spacing[2]
    levels = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(levels) > 6:
        drawn[: levels[0] + int(lower + 0.3)] = False
        drawn[levels[-1] + 1 - int(upper + 0.3) :] = False
    return drawn


def _padded_box(mask: BoolArray) -> tuple[slice, slice, slice]:
    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    sizes = zip(found, mask.shape, strict=True)
    z, y, x = (slice(max(part.start - _MARGIN, 0), min(part.stop + _MARGIN, size)) for part, size in sizes)
    return z, y, x


def _smooth_field(shape: tuple[int, ...], spacing: tuple[float, ...], rng: np.random.Generator) -> FloatArray:
    sigma = [_WAVE_LENGTH_MM / 2.0 / step for step in spacing]
    field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), sigma, mode="wrap")
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)
