"""A region of a file by its name or number, or an error that lists the regions of the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from espark.errors import RegionError, nearest

_MANY = 12


@dataclass(frozen=True)
class Label:
    """A region of a mask file, an RTSTRUCT or a DICOM SEG.

    Attributes:
        number: number of the label, the segment or the contour; None for a union of several labels.
        name: its name; empty if the file gives none.
        volume_ml: its volume in ml; None if it was not measured.
    """

    number: int | None
    name: str = ""
    volume_ml: float | None = None

    def __str__(self) -> str:
        called = " ".join(part for part in ("" if self.number is None else str(self.number), self.name) if part)
        if self.volume_ml is None:
            return called
        return f"{called} ({self.volume_ml:{'.0f' if self.volume_ml >= 100 else '.3g'}} ml)"


def find_label(labels: Sequence[Label], wanted: str, *, where: object) -> int:
    """Index of the requested label: the label with exactly this name, otherwise with this number.

    Args:
        labels: labels in the file.
        wanted: name or number.
        where: the file, for the error.

    Raises:
        RegionError: when no label or several labels match. The error lists the labels and the nearest name.
    """
    found = [index for index, label in enumerate(labels) if label.name == wanted]
    if not found and wanted.isdecimal():
        found = [index for index, label in enumerate(labels) if label.number == int(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise RegionError(
            f"{len(found)} regions have the name {wanted}",
            where=where,
            expected=f"one of: {listed(labels)}",
            action="Use a name or number that only this region has.",
            code="E-REGION-008",
        )
    guess = _nearest_name(wanted, labels)
    raise RegionError(
        f"there is no region {wanted}",
        where=where,
        expected=f"one of: {listed(labels)}",
        action=(f"Did you mean {guess}? " if guess else "") + "Correct the region's name, or give its number.",
        code="E-REGION-008",
    )


def listed(labels: Sequence[Label]) -> str:
    """Number, name and volume of the labels. Labels that are known to have no voxel are left out."""
    there = [label for label in labels if label.volume_ml is None or label.volume_ml > 0]
    more = f" and {len(there) - _MANY} more" if len(there) > _MANY else ""
    return (", ".join(map(str, there[:_MANY])) or "no region is drawn") + more


def _nearest_name(wanted: str, labels: Sequence[Label]) -> str | None:
    names = {label.name.lower(): label.name for label in reversed(labels) if label.name}
    guess = nearest(wanted.lower(), names)
    return names[guess] if guess else None
