"""The slices of a series as a stack: one behind the other, evenly spaced, of one acquisition.

Where a slice lies is taken from ImageOrientationPatient and ImagePositionPatient alone: never from file names,
InstanceNumber, SliceLocation, SliceThickness or SpacingBetweenSlices.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from espark.ct.files import codecs
from espark.ct.files.dicom_headers import Slice, reading
from espark.ct.files.dicom_series import Series, slices_of
from espark.ct.files.origins import distances_vary, interleaved
from espark.errors import ImageError
from espark.notes import Note
from espark.types import AnyArray, DoubleArray

codecs.register()

_EVEN_SHARE = 0.05  # a slice may lie this share of a slice distance off its place on an even grid
_TILT_PIXELS = 0.1  # slices may be shifted against each other by this share of a pixel
_PADDING_BYTES = 64  # what some writers leave behind the last pixel

EXPORT_AGAIN = "Export the whole series again from the archive."


@dataclass(frozen=True)
class Stack:
    """The slices of one volume, in the order in which they lie along their common normal.

    Attributes:
        series: where they come from.
        slices: ordered slices, at least two, evenly spaced.
        normal: unit vector from the first slice to the last, LPS.
        gap_mm: distance of neighbouring slices.
        notes: what was left aside.
    """

    series: Series
    slices: tuple[Slice, ...]
    normal: DoubleArray
    gap_mm: float
    notes: tuple[Note, ...]

    @property
    def length_mm(self) -> float:
        """Extent along the normal."""
        return self.gap_mm * len(self.slices)

    @property
    def text(self) -> str:
        """The stack in a few words."""
        return f"{self.series.name}, {len(self.slices)} slices, one each {self.gap_mm:.2f} mm"


def stack_of(path: Path, series: Series) -> Stack:
    """Order the slices of a series and check that they form a volume.

    Args:
        path: what the user named, for messages.
        series: the series.

    Raises:
        ImageError: when they do not.
    """
    notes = []
    slices = slices_of(series)
    scouts = [part for part in slices if part.localizer]
    slices = [part for part in slices if not part.localizer]
    if scouts and slices:
        notes.append(Note("N-CT-005", f"{len(scouts)} scout views of {series.name} were left aside."))
    if len(slices) < 2:
        raise ImageError(
            f"{series.name} holds {'only scout views' if scouts and not slices else 'a single slice'}",
            where=path,
            expected="a volume of at least two slices",
            action="Give the folder that holds all slices of the series.",
            code="E-CT-016",
        )
    _check_same_geometry(path, series, slices)
    normal = np.cross(slices[0].row_axis, slices[0].column_axis)
    slices.sort(key=lambda part: float(np.dot(part.position, normal)))
    slices, doubles = _without_doubles(path, series, slices, normal)
    if doubles:
        text = f"{doubles} slices of {series.name} are there twice with equal pixels; each was used once."
        notes.append(Note("N-CT-006", text))
    _check_one_acquisition(path, series, slices)
    gap = _check_even(path, series, slices, normal)
    return Stack(series=series, slices=tuple(slices), normal=normal, gap_mm=gap, notes=tuple(notes))


def _check_same_geometry(path: Path, series: Series, slices: list[Slice]) -> None:
    """All slices must have the size, pixel spacing, orientation and rescale of the first."""
    first = slices[0]
    different = Counter[str]()
    for part in slices:
        if (part.rows, part.columns) != (first.rows, first.columns):
            different["image sizes"] += 1
        if not np.allclose(part.pixel_mm, first.pixel_mm, rtol=1e-4):
            different["pixel spacings"] += 1
        if not np.allclose((part.row_axis, part.column_axis), (first.row_axis, first.column_axis), atol=1e-3):
            different["orientations"] += 1
        if (part.slope, part.intercept) != (first.slope, first.intercept):
            different["rescale slopes or intercepts"] += 1
    if different:
        raise ImageError(
            f"{series.name} mixes slices of different {' and '.join(different)}",
            where=path,
            expected="one size, spacing, orientation and rescale in all slices of a series",
            action="Take the slices that do not belong there out of the folder, or " + EXPORT_AGAIN.lower(),
            code="E-CT-019",
        )


def _check_one_acquisition(path: Path, series: Series, slices: list[Slice]) -> None:
    """Slices of two acquisitions must not lie between each other, as of two phases 2.5 mm apart."""
    several = interleaved([part.acquisition for part in slices])
    if several is not None:
        raise ImageError(
            f"{series.name} holds several acquisitions whose slices lie between each other ({several})",
            where=path,
            expected="one acquisition in a series",
            action="Export the acquisition you mean as a series of its own.",
            code="E-CT-020",
        )


def _without_doubles(path: Path, series: Series, slices: list[Slice], normal: DoubleArray) -> tuple[list[Slice], int]:
    """Drop slices that lie on one already there and have the same pixels.

    Raises:
        ImageError: when two slices in the same place differ.
    """
    kept = [slices[0]]
    for part in slices[1:]:
        if np.dot(np.subtract(part.position, kept[-1].position), normal) > 0.01:
            kept.append(part)
        elif not np.array_equal(stored_pixels(part.path)[part.frame], stored_pixels(kept[-1].path)[kept[-1].frame]):
            raise ImageError(
                f"{series.name} holds different slices in the same place (several phases or reconstructions)",
                where=path,
                expected="one slice in each place",
                action="Export the phase you mean as a series of its own.",
                code="E-CT-020",
            )
    return kept, len(slices) - len(kept)


def _check_even(path: Path, series: Series, slices: list[Slice], normal: DoubleArray) -> float:
    """Check that slices lie one behind the other at even distances.

    Returns:
        Their distance in mm.
    """
    positions = np.array([part.position for part in slices])
    depth = (positions - positions[0]) @ normal
    if len(depth) < 2:
        raise ImageError(
            f"{series.name} holds a single slice", where=path, expected="at least two slices", code="E-CT-016"
        )
    gaps = np.diff(depth)
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > 1.5 * usual)
    if len(wide) and not distances_vary(gaps):
        count = int(np.rint(gaps[wide] / usual - 1).sum())
        place = depth[wide[0]] + positions[0] @ normal
        raise ImageError(
            f"{series.name}: about {count} slices are missing, the first after {place:.1f} mm along the slice axis",
            where=path,
            expected=f"a slice each {usual:.2f} mm",
            action=EXPORT_AGAIN,
            code="E-CT-021",
        )
    gap = float(depth[-1] / (len(depth) - 1))
    off = float(np.abs(depth - gap * np.arange(len(depth))).max())
    if off > _EVEN_SHARE * gap + 0.01:
        raise ImageError(
            f"{series.name}: the slice distance changes ({gaps.min():.2f} to {gaps.max():.2f} mm)",
            where=path,
            expected="evenly spaced slices",
            action="Export a reconstruction with one slice distance, or resample the series and give it as NIfTI.",
            code="E-CT-022",
        )
    shift = float(np.linalg.norm((positions - positions[0]) - depth[:, None] * normal, axis=1).max())
    if shift > _TILT_PIXELS * min(slices[0].pixel_mm):
        raise ImageError(
            f"{series.name}: slices are shifted against each other by up to {shift:.1f} mm (gantry tilt)",
            where=path,
            expected="slices stacked at a right angle to their plane",
            action="Have the series reconstructed without tilt, or resample it to an upright grid and give that file.",
            code="E-CT-023",
        )
    return gap


def stored_pixels(path: Path) -> AnyArray:
    """Stored pixel values of a file, (frame, row, column).

    Raises:
        ImageError: when there are more or fewer pixels than the header says, or they cannot be read.
    """
    with reading(path):
        dataset = pydicom.dcmread(path, force=True)
        # pydicom raises when pixels are missing; when there are more than the header says, it leaves them out.
        warnings.filterwarnings("error", "The decoded RLE segment contains non-conformant padding")
        pixels = np.asarray(dataset.pixel_array)
        if not dataset.file_meta.TransferSyntaxUID.is_compressed:
            spare = len(dataset.PixelData) - pixels.size * dataset.BitsAllocated // 8
            if spare > _PADDING_BYTES:
                raise ImageError(
                    "the file holds more pixels than its header says", where=path, action=EXPORT_AGAIN, code="E-CT-013"
                )
        return pixels.reshape(-1, *pixels.shape[-2:])
