"""The windpipe and the level at which it divides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from espark.ct.landmarks.spine import Spine
from espark.types import BoolArray, FloatArray, IntArray

_AIR_HU = (-750, -900)  # the second parts a windpipe from the lung that touches it
_AREA_MM2 = (36.0, 1000.0)
_USUAL_MM2 = 250.0
_BESIDE_MM = 40.0
_BEFORE_MM = (-6.0, 100.0)
_LEAST_FILL = 0.5
_LONGEST = 3.2
_STEP_MM = 7.0
_AREA_RATIO = 2.9
_ABOVE_MM = 45.0
_SHORTEST_MM, _REACH_MM = 30.0, 45.0
_CARINA_MM = 55.0
"""The carina lies at least so far below the top of the lungs: 63 to 111 mm in eight chests."""

_BRONCHUS_MM2 = 45.0
_BRONCHUS_INSIDE = 0.25
_APART_MM = 15.0


@dataclass(frozen=True)
class AirSection:
    """A round piece of air in one slice.

    Attributes:
        row: of its centre.
        column: of its centre.
        area_mm2: its area.
        level: index of the threshold by which it was found.
        label: its number among the pieces of air of the slice at that threshold.
    """

    row: float
    column: float
    area_mm2: float
    level: int
    label: int


@dataclass(frozen=True, eq=False)
class Airway:
    """The windpipe on the working grid.

    Attributes:
        sections: its section by slice.
        carina: slice in which it divides; None when the CT ends above it.
    """

    sections: Mapping[int, AirSection]
    carina: int | None


def find_airway(hu: FloatArray, body: BoolArray, spine: Spine, lung_top: int, spacing_mm: float) -> Airway | None:
    """The best chain of round pieces of air in front of the spine, past the top of the lungs.

    None when there is no chain of 30 mm that begins below the top of the lungs and reaches to within 45 mm of it, as
    in a CT of the abdomen.

    Args:
        hu: (z, y, x) Hounsfield units, cubic voxels, z upwards, y to the back.
        body: the same shape, the body with its lungs.
        spine: the spine on the same grid.
        lung_top: highest slice with lung; far above it is no windpipe.
        spacing_mm: side of a voxel.
    """
    used = slice(0, lung_top + round(_ABOVE_MM / spacing_mm))
    labels = [
        [ndimage.label((part < air) & inside)[0] for air in _AIR_HU]
        for part, inside in zip(hu[used], body[used], strict=True)
    ]
    places = zip(spine.front[used].tolist(), spine.columns[used].tolist(), strict=True)
    pieces = [
        [piece for level, part in enumerate(levels) for piece in _pieces(part, level, *place, spacing_mm)]
        for levels, place in zip(labels, places, strict=True)
    ]
    sections = _best_chain(pieces, spine, spacing_mm)
    if not sections:
        return None
    lowest = min(sections)
    divides = _division(sections, labels, pieces, spacing_mm)
    if divides is None and lowest > 0:  # below, the bronchi lie too flat to be round
        divides = lowest
    deep = divides is not None and (lung_top - divides) * spacing_mm >= _CARINA_MM
    return Airway(sections, divides if deep else None)


def _pieces(labels: IntArray, level: int, front: float, middle: float, spacing_mm: float) -> list[AirSection]:
    """The pieces of air of a slice that may be the windpipe by size, shape and place."""
    found = []
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        piece = labels[box] == label
        area = float(piece.sum()) * spacing_mm**2
        height, width = piece.shape
        if not _AREA_MM2[0] <= area <= _AREA_MM2[1] or piece.mean() < _LEAST_FILL:
            continue
        row, column = np.argwhere(piece).mean(axis=0) + np.array([box[0].start, box[1].start])
        before = (front - row) * spacing_mm
        in_place = abs(column - middle) * spacing_mm <= _BESIDE_MM and _BEFORE_MM[0] < before < _BEFORE_MM[1]
        if in_place and max(height, width) <= _LONGEST * min(height, width):
            found.append(AirSection(float(row), float(column), area, level, label))
    return found


def _best_chain(pieces: list[list[AirSection]], spine: Spine, spacing_mm: float) -> dict[int, AirSection]:
    """The chain with the largest gain, from slice to slice or over one slice without a piece."""
    gains: list[list[float]] = []
    before: list[list[tuple[int, int] | None]] = []
    for z, parts in enumerate(pieces):
        gains.append([])
        before.append([])
        for part in parts:
            away = abs(part.column - float(spine.columns[z])) * spacing_mm
            own = 1 - 0.3 * abs(np.log(part.area_mm2 / _USUAL_MM2)) - away / 60
            best: tuple[float, tuple[int, int] | None] = (own, None)
            for back in (1, 2):
                for index, other in enumerate(pieces[z - back] if z >= back else ()):
                    moved = np.hypot(part.row - other.row, part.column - other.column) * spacing_mm
                    ratio = max(part.area_mm2, other.area_mm2) / min(part.area_mm2, other.area_mm2)
                    if moved <= _STEP_MM * back and ratio < _AREA_RATIO:
                        gain = gains[z - back][index] + own - moved / 15 - (back - 1)
                        best = max(best, (gain, (z - back, index)), key=lambda pair: pair[0])
            gains[-1].append(float(best[0]))
            before[-1].append(best[1])
    ends = [(gain, (z, index)) for z, part in enumerate(gains) for index, gain in enumerate(part)]
    at = max(ends, default=(0.0, None), key=lambda pair: pair[0])[1]
    chain = {}
    while at is not None:
        chain[at[0]] = pieces[at[0]][at[1]]
        at = before[at[0]][at[1]]
    return chain


def _division(
    sections: Mapping[int, AirSection],
    labels: list[list[IntArray]],
    pieces: list[list[AirSection]],
    spacing_mm: float,
) -> int | None:
    """The lowest slice of the windpipe under which two pieces of air lie, side by side; None when there is none."""
    for z in sorted(sections):
        if z == 0:
            continue
        own = sections[z]
        above = ndimage.binary_dilation(labels[z][own.level] == own.label)
        below = [
            part.column
            for part in pieces[z - 1]
            if part.level == own.level
            and part.area_mm2 >= _BRONCHUS_MM2
            and above[labels[z - 1][part.level] == part.label].mean() > _BRONCHUS_INSIDE
        ]
        if len(below) > 1 and (max(below) - min(below)) * spacing_mm >= _APART_MM:
            return z
    return None
