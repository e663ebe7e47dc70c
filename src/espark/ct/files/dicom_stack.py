"""The slices of a series as a stack: in order, evenly spaced, of one acquisition.

The position of a slice comes only from ImageOrientationPatient and ImagePositionPatient, never from file names,
InstanceNumber, SliceLocation, SliceThickness or SpacingBetweenSlices.
"""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espark.ct.files import codecs
from espark.ct.files.dicom_headers import Slice, reading
from espark.ct.files.dicom_series import Series, slices_of
from espark.ct.files.origins import distances_vary, interleaved
from espark.errors import ImageError
from espark.intake.dicom_file import check_pixels, open_dicom
from espark.notes import Note
from espark.types import AnyArray, DoubleArray

codecs.register()

_EVEN_SHARE = 0.05  # a slice may differ from an even grid by this share of the slice distance
_TILT_PIXELS = 0.1  # slices may be shifted against each other by this share of a pixel
_COPIES = 3  # as stored, decoded, and one slice after the other as HU
_PADDING_BYTES = 64  # some programs write this many bytes after the last pixel

EXPORT_AGAIN = "Export the whole series again from the archive."


@dataclass(frozen=True)
class Stack:
    """The slices of one volume, in their order along their common normal.

    Attributes:
        series: the series of the slices.
        slices: ordered slices, at least two, evenly spaced.
        normal: unit vector from the first slice to the last, LPS.
        gap_mm: distance of neighboring slices.
        notes: what was ignored.
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
        return f"{self.series.name}, {len(self.slices)} slices, one every {self.gap_mm:.2f} mm"


def stack_of(path: Path, series: Series) -> Stack:
    """Order the slices of a series and check that they form a volume.

    Args:
        path: the path given by the user, for messages.
        series: the series.

    Raises:
        ImageError: when they do not form a volume.
    """
    notes = []
    slices = slices_of(series)
    scouts = [part for part in slices if part.localizer]
    slices = [part for part in slices if not part.localizer]
    if scouts and slices:
        notes.append(Note("N-CT-005", f"{len(scouts)} scout views of {series.name} were ignored."))
    if len(slices) < 2:
        raise ImageError(
            f"{series.name} holds {'only scout views' if scouts and not slices else 'only one slice'}",
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
        text = f"{doubles} slices of {series.name} appear twice with equal pixels; each was used once."
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
            f"{series.name} contains slices of different {' and '.join(different)}",
            where=path,
            expected="one size, spacing, orientation and rescale in all slices of a series",
            action="Take the slices that do not belong there out of the folder, or " + EXPORT_AGAIN.lower(),
            code="E-CT-019",
        )


def _check_one_acquisition(path: Path, series: Series, slices: list[Slice]) -> None:
    """Refuse slices of two acquisitions that alternate, such as two phases that are shifted by 2.5 mm."""
    several = interleaved([part.acquisition for part in slices])
    if several is not None:
        raise ImageError(
            f"{series.name} holds several acquisitions with alternating slices ({several})",
            where=path,
            expected="one acquisition in a series",
            action="Export the acquisition you mean as a separate series.",
            code="E-CT-020",
        )


def _without_doubles(path: Path, series: Series, slices: list[Slice], normal: DoubleArray) -> tuple[list[Slice], int]:
    """Drop slices that have the same position and the same pixels as an earlier slice.

    Raises:
        ImageError: when two slices with the same position differ.
    """
    kept = [slices[0]]
    for part in slices[1:]:
        if np.dot(np.subtract(part.position, kept[-1].position), normal) > 0.01:
            kept.append(part)
        elif not np.array_equal(stored_pixels(part.path)[part.frame], stored_pixels(kept[-1].path)[kept[-1].frame]):
            raise ImageError(
                f"{series.name} holds different slices with the same position (several phases or reconstructions)",
                where=path,
                expected="one slice at each position",
                action="Export the phase you mean as a separate series.",
                code="E-CT-020",
            )
    return kept, len(slices) - len(kept)


def _check_even(path: Path, series: Series, slices: list[Slice], normal: DoubleArray) -> float:
    """Check that slices lie in a row at even distances.

    Returns:
        Their distance in mm.
    """
    positions = np.array([part.position for part in slices])
    depth = (positions - positions[0]) @ normal
    if len(depth) < 2:
        raise ImageError(
            f"{series.name} holds only one slice", where=path, expected="at least two slices", code="E-CT-016"
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
            expected=f"a slice every {usual:.2f} mm",
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
            f"{series.name}: slices are shifted sideways by up to {shift:.1f} mm (gantry tilt)",
            where=path,
            expected="slices stacked at a right angle to their plane",
            action="Have the series reconstructed without tilt, or resample it to an upright grid and give that file.",
            code="E-CT-023",
        )
    return gap


def stored_pixels(path: Path) -> AnyArray:
    """Stored pixel values of a file, (frame, row, column).

    Raises:
        ImageError: when the number of pixels differs from the header, or they cannot be read.
    """
    with reading(path):
        dataset = open_dicom(path, ImageError, force=True)
        check_pixels(dataset, path, ImageError, copies=_COPIES)
        # pydicom raises an error when pixels are missing. It leaves out pixels that are not in the header.
        warnings.filterwarnings("error", "The decoded RLE segment contains non-conformant padding")
        pixels = np.asarray(dataset.pixel_array)
        if not dataset.file_meta.TransferSyntaxUID.is_compressed:
            spare = len(dataset.PixelData) - pixels.size * dataset.BitsAllocated // 8
            if spare > _PADDING_BYTES:
                raise ImageError(
                    "the file holds more pixels than its header gives", where=path, action=EXPORT_AGAIN, code="E-CT-013"
                )
        return pixels.reshape(-1, *pixels.shape[-2:])
