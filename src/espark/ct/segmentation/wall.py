"""The thick-walled part of a known esophagus: a proposal for the tumor."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from espark.ct.hounsfield import CtVolume
from espark.types import BoolArray, DoubleArray

THICK_MM = 5.0
"""A wall of the distended esophagus thicker than 3 mm is abnormal on CT, a collapsed one from 5 mm."""

_AIR_HU = -200
_ABOVE_MEDIAN = 1.7
_SMOOTH_MM = 6.0
_GAP_MM = 9.0
_SHORTEST_MM = 15.0


def wall_thickness(ct: CtVolume, esophagus: BoolArray) -> DoubleArray:
    """Mean thickness of the wall in each slice, in mm, shape (z,); 0 where there is no esophagus.

    Half the difference of the diameters of two discs, one as large as the cross-section and one as large as the air
    in it.

    Args:
        ct: the CT.
        esophagus: bool (z, y, x) on its grid; z runs along the body.
    """
    x, y, _ = ct.spacing_mm
    air = esophagus & (sitk.GetArrayViewFromImage(ct.image) < _AIR_HU)
    outer, inner = (np.sqrt(part.sum(axis=(1, 2)) * x * y / np.pi) for part in (esophagus, air))
    return np.asarray(outer - inner, dtype=np.float64)


def thick_part(ct: CtVolume, esophagus: BoolArray) -> BoolArray | None:
    """The longest part of the esophagus with a thick wall.

    Thick is more than 5 mm and 1.7 times the median of this esophagus, over slices smoothed by 6 mm; gaps of up to
    9 mm are bridged, and a part must be 15 mm long.

    Args:
        ct: the CT, its slices across the body.
        esophagus: bool (z, y, x) on its grid.

    Returns:
        bool (z, y, x); None when no part is thick.
    """
    slice_mm = ct.spacing_mm[2]
    held = esophagus.any(axis=(1, 2))
    if not held.any():
        return None
    first, last = np.flatnonzero(held)[[0, -1]]
    wall = wall_thickness(ct, esophagus)[first : last + 1]
    smooth = ndimage.gaussian_filter1d(wall, _SMOOTH_MM / 2 / slice_mm, mode="nearest")
    thick = smooth > max(THICK_MM, _ABOVE_MEDIAN * float(np.median(wall)))
    bridged = ndimage.binary_closing(np.pad(thick, len(thick)), np.ones(1 + round(_GAP_MM / slice_mm)))
    parts, count = ndimage.label(bridged[len(thick) : 2 * len(thick)])
    if not count:
        return None
    longest = int(np.bincount(parts)[1:].argmax()) + 1
    slices = np.zeros(len(esophagus), bool)
    slices[first : last + 1] = parts == longest
    if slices.sum() * slice_mm < _SHORTEST_MM:
        return None
    return np.asarray(esophagus & slices[:, None, None])
