"""The part of an automatic esophagus that fits the landmarks of the CT; the rest is cut off."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from espark.ct.landmarks.airway import Airway
from espark.ct.landmarks.landmarks import Landmarks
from espark.types import BoolArray, DoubleArray

LARYNX_MM = 30.0
"""The cricoid lies on average so far above the lungs: 29 ± 11 mm in 25 CTs of OpenKBP with a contour of the larynx."""

_BEHIND_MM = (0.0, 45.0)
_BESIDE_WINDPIPE_MM = 25.0
_BEHIND_FRONT_MM = 9.0
_BEFORE_FRONT_MM = 75.0
_BESIDE_SPINE_MM = 45.0
_AORTA_SHARE = 0.2
_CLEAR_AORTA = 0.3
_BEYOND_MM = 45.0
_BRIDGED_MM = 9.0

ABOVE, AWAY_FROM_WINDPIPE, IN_AORTA, AWAY_FROM_SPINE, UNSTEADY = (
    "lies above the larynx",
    "lies away from the windpipe",
    "lies in the aorta",
    "lies away from the spine",
    "changes if the CT is mirrored",
)


@dataclass(frozen=True, eq=False)
class SurePart:
    """What of an esophagus can be relied on.

    Attributes:
        slices: bool (z,), the slices that are kept; none when the region is left out.
        cut_mm: length that was cut off at the upper and at the lower end.
        reasons: why slices were cut off, the most frequent reason first; empty when nothing was.
    """

    slices: BoolArray
    cut_mm: tuple[float, float]
    reasons: tuple[str, ...]


def sure_part(esophagus: BoolArray, landmarks: Landmarks, steady: BoolArray | None = None) -> SurePart:
    """The longest run of slices in which nothing speaks against an esophagus.

    Args:
        esophagus: bool (z, y, x) on the grid of the landmarks, not empty.
        landmarks: of the same CT.
        steady: bool (z,), where the segmenter agrees with itself; None when this is unknown.
    """
    held = np.flatnonzero(esophagus.any(axis=(1, 2)))
    reasons = {int(z): objection(esophagus[z], int(z), landmarks, steady) for z in held}
    good = np.zeros(len(esophagus), bool)
    good[[z for z, reason in reasons.items() if reason is None]] = True
    kept = _longest_run(good, round(_BRIDGED_MM / landmarks.spacing_mm))
    inside = np.flatnonzero(kept)
    above = held[-1] - inside[-1] if len(inside) else len(held)
    below = inside[0] - held[0] if len(inside) else 0
    counted = Counter(reason for z, reason in reasons.items() if reason and not kept[z])
    cut = (float(above * landmarks.spacing_mm), float(below * landmarks.spacing_mm))
    return SurePart(kept, cut, tuple(reason for reason, _ in counted.most_common()))


def objection(section: BoolArray, z: int, landmarks: Landmarks, steady: BoolArray | None = None) -> str | None:
    """Why a section (y, x) in slice ``z`` is no esophagus, or cannot be known to be one; None when it may be one."""
    mm = landmarks.spacing_mm
    row, column = np.argwhere(section).mean(axis=0)
    if landmarks.lung_top is None or landmarks.airway is None:
        return "has no windpipe or lung above it"
    if (z - landmarks.lung_top) * mm > LARYNX_MM:
        return ABOVE
    before = (landmarks.spine.front[z] - row) * mm
    beside = abs(column - landmarks.spine.columns[z]) * mm
    if not -_BEHIND_FRONT_MM <= before <= _BEFORE_FRONT_MM or beside > _BESIDE_SPINE_MM:
        return AWAY_FROM_SPINE
    if landmarks.carina is None or z >= landmarks.carina:
        return None if _behind_windpipe(row, column, z, landmarks.airway, mm) else AWAY_FROM_WINDPIPE
    if _aorta_share(section, z, landmarks) > _AORTA_SHARE:
        return IN_AORTA
    return UNSTEADY if steady is not None and not steady[z] else None


def _behind_windpipe(row: float, column: float, z: int, airway: Airway, mm: float) -> bool:
    """Whether a point lies behind the windpipe, whose course is continued for 45 mm beyond its ends."""
    known = np.array(sorted(airway.sections))
    if not known[0] - _BEYOND_MM / mm <= z <= known[-1] + _BEYOND_MM / mm:
        return False
    places: DoubleArray = np.array([(airway.sections[i].row, airway.sections[i].column) for i in known])
    behind = (row - np.interp(z, known, places[:, 0])) * mm
    beside = abs(column - np.interp(z, known, places[:, 1])) * mm
    return bool(_BEHIND_MM[0] <= behind <= _BEHIND_MM[1] and beside <= _BESIDE_WINDPIPE_MM)


def _aorta_share(section: BoolArray, z: int, landmarks: Landmarks) -> float:
    """Share of a section inside the descending aorta; 0 where the aorta is not clear."""
    aorta = landmarks.aorta
    if aorta is None or z >= len(aorta.rows) or aorta.scores[z] < _CLEAR_AORTA:
        return 0.0
    away = np.hypot(*(np.argwhere(section) - (aorta.rows[z], aorta.columns[z])).T) * landmarks.spacing_mm
    return float(np.mean(away <= aorta.radii_mm[z]))


def _longest_run(good: BoolArray, gap: int) -> BoolArray:
    """The longest run, over gaps of up to so many slices; the gaps belong to it."""
    closed = ndimage.binary_closing(np.pad(good, gap), np.ones(gap + 1))[gap : gap + len(good)] | good
    parts, count = ndimage.label(closed)
    if not count:
        return np.zeros(len(good), bool)
    return np.asarray(parts == 1 + np.bincount(parts)[1:].argmax())
