"""The body and its lungs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.ct.landmarks.spine import Spine
from espark.types import BoolArray, FloatArray

_BODY_HU = -300
_AIR_HU = -500
_OPENING = 2
_LUNG_ML = 20.0
_BESIDE_MM = (15.0, 110.0)
_APEX_MM2 = 300.0


def body_mask(hu: FloatArray) -> BoolArray:
    """The largest object of each slice with all that it encloses: bool (z, y, x)."""
    found = np.zeros(hu.shape, bool)
    for z, tissue in enumerate(hu > _BODY_HU):
        parts, count = ndimage.label(ndimage.binary_opening(tissue, iterations=_OPENING))
        if count:
            found[z] = ndimage.binary_fill_holes(parts == 1 + np.bincount(parts.ravel())[1:].argmax())
    return found


def lung_top(hu: FloatArray, body: BoolArray, spine: Spine, spacing_mm: float) -> int | None:
    """The highest slice in which at least 3 cm² of lung lie beside the spine; None when no lung is seen."""
    air = ndimage.binary_opening((hu < _AIR_HU) & body, np.ones((1, 3, 3)))
    parts, count = ndimage.label(air)
    if not count:
        return None
    volume_ml = np.bincount(parts.ravel()) * spacing_mm**3 / 1000
    volume_ml[0] = 0
    away = np.abs(np.arange(hu.shape[2])[None, :] - spine.columns[:, None]) * spacing_mm
    beside = (away > _BESIDE_MM[0]) & (away < _BESIDE_MM[1])
    area = ((volume_ml > _LUNG_ML)[parts] & beside[:, None, :]).sum(axis=(1, 2)) * spacing_mm**2
    slices = np.flatnonzero(area > _APEX_MM2)
    return int(slices[-1]) if len(slices) else None
