"""A CT volume from DICOM files.

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
import SimpleITK as sitk

from espark.ct.files import codecs
from espark.ct.files.dicom_headers import Series, Slice, find_series, reading, slices_of
from espark.ct.hounsfield import CtVolume, as_hu, check_hu
from espark.errors import ImageError
from espark.notes import Note
from espark.types import AnyArray, DoubleArray

codecs.register()

_EVEN_SHARE = 0.05  # a slice may lie this share of a slice distance off its place on an even grid
_TILT_PIXELS = 0.1  # slices may be shifted against each other by this share of a pixel
_LARGEST = 2**31 - 1
_PADDING_BYTES = 64  # what some writers leave behind the last pixel
_EXPORT_AGAIN = "Export the whole series again from the archive."


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


def read_dicom(path: Path, *, series_uid: str | None = None) -> CtVolume:
    """Read the CT of a folder of DICOM files, or of one multi-frame file.

    With several series and none named, scout views and series of one slice are left aside; then original before
    derived images, axial before other planes, longer before shorter coverage (in cm), more before fewer slices.

    Args:
        path: folder, searched at any depth, or file.
        series_uid: SeriesInstanceUID of the series to read, or its number or description where only one has it.

    Raises:
        ImageError: when there is no usable CT series: none at all, or each has slices that are missing, doubled,
            unevenly spaced, tilted or of mixed geometry, or lacks Hounsfield units, or is damaged.
    """
    found, remarks = find_series(path)
    if series_uid is not None:
        named = _named(path, found, series_uid)
        if len(found) > 1:
            text = f"Of {len(found)} CT series, {_label(named, found)} was read, as named."
            remarks = (*remarks, Note("N-CT-002", text))
        found = [named]
    stacks: list[Stack] = []
    failures: list[tuple[Series, ImageError]] = []
    for series in found:
        try:
            stacks.append(stack_of(path, series))
        except ImageError as error:
            failures.append((series, error))
    if not stacks:
        raise max(failures, key=lambda failure: failure[0].n_images)[1]
    chosen = max(stacks, key=_preference)
    _refuse_if_larger_is_broken(path, chosen, failures)
    voxels = _hounsfield(chosen)
    check_hu(voxels, path)
    notes = [*remarks, *chosen.notes, *_choice_notes(chosen, stacks, found)]
    if chosen.series.lossy:
        text = "The pixels were compressed with loss, which changes Hounsfield units slightly."
        notes.append(Note("N-CT-004", text))
    return CtVolume(
        image=_image(voxels, chosen),
        source="dicom",
        frame_of_reference=chosen.series.frame_of_reference,
        series_uid=chosen.series.uid,
        simulated=chosen.series.simulated,
        notes=tuple(notes),
    )


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
        )
    _check_same_geometry(path, series, slices)
    normal = np.cross(slices[0].row_axis, slices[0].column_axis)
    slices.sort(key=lambda part: float(np.dot(part.position, normal)))
    slices, doubles = _without_doubles(path, series, slices, normal)
    if doubles:
        text = f"{doubles} slices of {series.name} are there twice with equal pixels; each was used once."
        notes.append(Note("N-CT-006", text))
    gap = _check_even(path, series, slices, normal)
    return Stack(series=series, slices=tuple(slices), normal=normal, gap_mm=gap, notes=tuple(notes))


def _named(path: Path, found: list[Series], name: str) -> Series:
    """The series with a SeriesInstanceUID, or else the one with this number or description."""
    wanted = name.strip().lower()
    matches = [series for series in found if series.uid == name.strip()]
    matches = matches or [series for series in found if wanted in (series.number, series.description.lower())]
    if len(matches) == 1:
        return matches[0]
    # A description may hold anything, names too: messages show numbers and UIDs alone.
    listed = "; ".join(series.name for series in matches or found)
    raise ImageError(
        f"{len(matches)} CT series are called {name}" if matches else f"there is no CT series {name}",
        where=path,
        expected=f"one of: {listed}",
        action="Name the series by its SeriesInstanceUID." if matches else "Correct the name of the series.",
    )


def _preference(stack: Stack) -> tuple[bool, bool, int, int, str]:
    axial = abs(stack.normal[2]) > 0.8
    original = all(part.original for part in stack.slices)
    return original, axial, round(stack.length_mm / 10), len(stack.slices), stack.series.uid


def _refuse_if_larger_is_broken(path: Path, chosen: Stack, failures: list[tuple[Series, ImageError]]) -> None:
    """A broken series much larger than the best whole one is probably the one that was meant."""
    for series, error in failures:
        if series.n_images > 2 * len(chosen.slices):
            raise ImageError(
                f"the largest series cannot be used: {error.found}",
                where=path,
                expected=error.expected,
                action=f"Repair it, or name another series by its UID, such as {chosen.text}.",
            )


def _choice_notes(chosen: Stack, stacks: list[Stack], found: list[Series]) -> list[Note]:
    if len(found) == 1:
        return []
    unusable = len(found) - len(stacks)
    text = f"Of {len(found)} CT series, {_label(chosen.series, found)} was read ({len(chosen.slices)} slices)"
    if len(stacks) > 1:
        text += "; original goes before derived, axial before other planes, then the longest and that of most slices"
    return [Note("N-CT-003", text + (f"; {unusable} without a usable volume." if unusable else "."))]


def _label(series: Series, found: list[Series]) -> str:
    """What a reader calls a series: its number, where only one has it, else its UID."""
    alone = series.number and [other.number for other in found].count(series.number) == 1
    return f"series {series.number}" if alone else f"series {series.uid}"


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
            action="Take the slices that do not belong there out of the folder, or " + _EXPORT_AGAIN.lower(),
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
        elif not np.array_equal(_stored(part.path)[part.frame], _stored(kept[-1].path)[kept[-1].frame]):
            raise ImageError(
                f"{series.name} holds different slices in the same place (several phases or reconstructions)",
                where=path,
                expected="one slice in each place",
                action="Export the phase you mean as a series of its own.",
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
        raise ImageError(f"{series.name} holds a single slice", where=path, expected="at least two slices")
    gaps = np.diff(depth)
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > 1.5 * usual)
    if len(wide):
        count = int(np.rint(gaps[wide] / usual - 1).sum())
        place = depth[wide[0]] + positions[0] @ normal
        raise ImageError(
            f"{series.name}: about {count} slices are missing, the first after {place:.1f} mm along the slice axis",
            where=path,
            expected=f"a slice each {usual:.2f} mm",
            action=_EXPORT_AGAIN,
        )
    gap = float(depth[-1] / (len(depth) - 1))
    off = float(np.abs(depth - gap * np.arange(len(depth))).max())
    if off > _EVEN_SHARE * gap + 0.01:
        raise ImageError(
            f"{series.name}: the slice distance changes ({gaps.min():.2f} to {gaps.max():.2f} mm)",
            where=path,
            expected="evenly spaced slices",
            action="Export a reconstruction with one slice distance.",
        )
    shift = float(np.linalg.norm((positions - positions[0]) - depth[:, None] * normal, axis=1).max())
    if shift > _TILT_PIXELS * min(slices[0].pixel_mm):
        raise ImageError(
            f"{series.name}: slices are shifted against each other by up to {shift:.1f} mm (gantry tilt)",
            where=path,
            expected="slices stacked at a right angle to their plane",
            action="Have the series reconstructed without tilt, or resample it to an upright grid and give that file.",
        )
    return gap


def _stored(path: Path) -> AnyArray:
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
                raise ImageError("the file holds more pixels than its header says", where=path, action=_EXPORT_AGAIN)
        return pixels.reshape(-1, *pixels.shape[-2:])


def _hounsfield(stack: Stack) -> AnyArray:
    """HU of a stack, (z, y, x)."""
    first = stack.slices[0]
    whole = first.slope.is_integer() and first.intercept.is_integer()
    voxels = np.empty((len(stack.slices), first.rows, first.columns), dtype=np.int32 if whole else np.float32)
    by_file: dict[Path, list[int]] = {}
    for place, part in enumerate(stack.slices):
        by_file.setdefault(part.path, []).append(place)
    for path, places in by_file.items():
        stored = _stored(path)
        for place in places:
            frame = stack.slices[place].frame
            if frame >= len(stored) or stored.shape[1:] != voxels.shape[1:]:
                raise ImageError("the pixel data do not fit the header", where=path, action=_EXPORT_AGAIN)
            hu = stored[frame].astype(np.float64) * first.slope + first.intercept  # exact: well below 2^53
            voxels[place] = np.clip(hu, -_LARGEST, _LARGEST)
    return as_hu(voxels)


def _image(voxels: AnyArray, stack: Stack) -> sitk.Image:
    first = stack.slices[0]
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((first.pixel_mm[1], first.pixel_mm[0], stack.gap_mm))
    image.SetOrigin(first.position)
    image.SetDirection(np.column_stack((first.row_axis, first.column_axis, stack.normal)).ravel().tolist())
    return image
