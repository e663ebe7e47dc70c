"""Planes in which a region was drawn, and the slices of the CT that they fill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from espark.notes import Note
from espark.types import DoubleArray

_MOST_MISSING = 2
_WIDE = 1.5  # in a gap wider than this many usual distances, a plane is missing
_ROUNDING = 1e-6


ANOTHER_PERSON = Note("D-REGION-004", "The file carries another PatientID than the CT.")
"""Of contours or segments that may belong to another patient."""


@dataclass(frozen=True, eq=False)
class Painted:
    """A region on the grid of the CT.

    Attributes:
        mask: uint8 (0, 1).
        notes: decisions made while the mask was filled.
    """

    mask: sitk.Image
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Placement:
    """Which plane fills which slice.

    Attributes:
        plane_of: index of the plane, by slice.
        distance: usual distance of the planes in slices.
        bridged: number of missing planes in narrow gaps, which the neighboring planes fill.
        open_gaps: wider gaps between planes with overlapping regions, as (slice before, slice after); they stay empty.
        outside: number of planes outside the CT.
        unused: number of planes inside the CT that no slice uses.
    """

    plane_of: dict[int, int]
    distance: float
    bridged: int
    open_gaps: tuple[tuple[float, float], ...]
    outside: int
    unused: int

    def notes(self, what: str, slice_mm: float) -> tuple[Note, ...]:
        """Notes for the reader.

        Args:
            what: the name of the planes in messages, such as ``contours``.
            slice_mm: distance of the CT's slices.
        """
        found = []
        if self.distance > _WIDE:
            text = f"The {what} are {self.distance * slice_mm:.1f} mm apart, the slices of the CT {slice_mm:.1f} mm; "
            found.append(Note("N-REGION-013", text + "each plane fills the slices that are nearest to it."))
        if self.bridged:
            text = f"{self.bridged} planes of {what} are missing inside the region; the nearest planes fill the gaps."
            found.append(Note("N-REGION-012", text))
        if self.unused:
            text = f"{self.unused} planes of {what} lie between the slices of the CT and were not needed."
            found.append(Note("N-REGION-014", text))
        if self.outside:
            text = f"{self.outside} planes of {what} lie outside the CT and were left out."
            found.append(Note("D-REGION-002", text))
        if self.open_gaps:
            widths = ", ".join(f"{(high - low) * slice_mm:.0f} mm" for low, high in self.open_gaps)
            text = f"The {what} leave gaps ({widths}) that stay empty; the parts count as separate."
            found.append(Note("D-REGION-003", text))
        return tuple(found)


def place(
    depths: DoubleArray, slices: int, *, meet: Callable[[int, int], bool], distance: float | None = None
) -> Placement:
    """For each slice the nearest plane that is less than half a usual distance away.

    If one or two planes are missing and the regions on both sides overlap, the gap is filled too.

    Args:
        depths: ascending depths of the planes, in slices.
        slices: number of slices of the CT.
        meet: whether the regions in two planes, given by index, overlap along the normal.
        distance: usual distance of the planes in slices; None for the median.
    """
    gaps = np.diff(depths)
    usual = distance or (float(np.median(gaps)) if len(gaps) else 1.0)
    reach = np.full((len(depths), 2), max(usual, 1.0) / 2)  # towards the slices before and after
    bridged, open_gaps = 0, []
    for index in np.flatnonzero(gaps > _WIDE * max(usual, 1.0)):
        missing = round(float(gaps[index]) / max(usual, 1.0)) - 1
        if not meet(int(index), int(index) + 1):
            continue
        if missing <= _MOST_MISSING:
            reach[index, 1] = reach[index + 1, 0] = gaps[index] / 2
            bridged += missing
        else:
            open_gaps.append((float(depths[index]), float(depths[index + 1])))
    plane_of = _nearest(depths, reach, slices)
    inside = (depths >= -0.5) & (depths <= slices - 0.5)
    unused = int(inside.sum()) - len({plane for plane in plane_of.values() if inside[plane]})
    return Placement(plane_of, usual, bridged, tuple(open_gaps), int((~inside).sum()), unused)


def _nearest(depths: DoubleArray, reach: DoubleArray, slices: int) -> dict[int, int]:
    found = {}
    for index in range(slices):
        away = index - depths
        near = np.flatnonzero((away >= -reach[:, 0] - _ROUNDING) & (away < reach[:, 1] - _ROUNDING))
        if len(near):
            found[index] = int(near[np.abs(away[near]).argmin()])
    return found
