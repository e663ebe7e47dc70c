"""Segments of a DICOM SEG as masks on the grid of the CT."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from espark.ct.files.dicom_headers import reading
from espark.ct.files.origins import of_another_person
from espark.ct.grid import SAME_GRID_VOXELS, describe_grid, image_like, index_to_point, volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.drawn_planes import ANOTHER_PERSON, Painted, place
from espark.ct.regions.labels import Label, find_label, listed
from espark.errors import RegionError
from espark.intake.budget import require_room
from espark.intake.dicom_file import check_pixels, open_dicom
from espark.types import BoolArray, DoubleArray, IntArray

_SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and Label Map Segmentation."""

_COPIES = 3
_MOST = 0.5
_ROUNDED = 0.1


@dataclass(frozen=True, eq=False)
class _Layer:
    """The part of one segment in one frame.

    Attributes:
        number: number of the segment.
        groups: functional groups of the frame, and the shared ones.
        inside: bool (row, column).
    """

    number: int
    groups: list[Dataset]
    inside: BoolArray


def is_seg(path: Path) -> bool:
    """Whether a path is a DICOM SEG.

    Raises:
        RegionError: when it is a damaged DICOM file.
    """
    if not path.is_file():
        return False
    with path.open("rb") as handle:
        if handle.read(132)[128:] != b"DICM":
            return False
    with reading(path, RegionError):
        header = open_dicom(path, RegionError, specific_tags=["SOPClassUID"], stop_before_pixels=True)
        return str(header.get("SOPClassUID", "")) in _SEG_CLASSES


def seg_labels(path: Path) -> list[str]:
    """Labels of the segments, in the order of the file.

    Raises:
        RegionError: when the file is not a readable DICOM SEG.
    """
    with reading(path, RegionError):
        return list(_labels(open_dicom(path, RegionError)).values())


def seg_series_uid(path: Path) -> str | None:
    """SeriesInstanceUID of the CT on which the segments were drawn, if the file names exactly one.

    Raises:
        RegionError: when the file is not a readable DICOM file.
    """
    with reading(path, RegionError):
        dataset = open_dicom(path, RegionError, specific_tags=["ReferencedSeriesSequence"], stop_before_pixels=True)
        found = {str(series.SeriesInstanceUID) for series in dataset.get("ReferencedSeriesSequence") or []}
    return found.pop() if len(found) == 1 else None


def read_seg(path: Path, label: str | None, ct: CtVolume) -> Painted:
    """One segment as a mask.

    Args:
        path: DICOM SEG: binary, fractional (from one half on) or a label map.
        label: label or number of the segment; None for the only one.
        ct: the CT on which it was drawn. The frames of the segment may be stored in any order and direction, and may
            leave out slices. Their pixels must match the CT. Frames that are further apart than the slices of the CT
            fill the space between them.

    Raises:
        RegionError: when the file, the segment or its grid does not match.
    """
    with reading(path, RegionError):
        dataset = open_dicom(path, RegionError)
        frame_of_reference = str(dataset.get("FrameOfReferenceUID") or "")
        if frame_of_reference and ct.frame_of_reference and frame_of_reference != ct.frame_of_reference:
            raise RegionError(
                "the segments were drawn in a different frame of reference",
                where=path,
                expected=f"that of the CT ({ct.frame_of_reference}), not {frame_of_reference}",
                action="Give the file that belongs to this CT.",
                code="E-REGION-011",
            )
        check_pixels(dataset, path, RegionError, copies=_COPIES)
        layers = _layers(path, dataset)
        number = _segment_number(path, _segments(dataset, layers, ct), label)
        painted = _painted(path, layers, number, ct)
        if of_another_person(dataset, ct.person):
            painted = replace(painted, notes=(ANOTHER_PERSON, *painted.notes))
    if not sitk.GetArrayViewFromImage(painted.mask).any():
        raise RegionError(
            f"the segment {label or number} is empty", where=path, action="Draw the region.", code="E-REGION-002"
        )
    return painted


def _segment_number(path: Path, segments: dict[int, Label], label: str | None) -> int:
    if label is not None:
        return list(segments)[find_label(list(segments.values()), label, where=path)]
    if len(segments) == 1:
        return next(iter(segments))
    raise RegionError(
        "there are several segments",
        where=path,
        expected=f"the label or number of one of: {listed(list(segments.values()))}",
        action="Name the segment.",
        code="E-REGION-006",
    )


def _layers(path: Path, dataset: Dataset) -> list[_Layer]:
    """Every segment of every frame. A frame of a label map holds all segments. Any other frame holds one."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    pixels = np.asarray(dataset.pixel_array)
    frames = pixels.reshape(-1, *pixels.shape[-2:])
    full = int(dataset.get("MaximumFractionalValue") or 1)
    found: list[_Layer] = []
    for group, stored in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        groups, frame = [group, *shared], stored.astype(np.int64)
        if str(dataset.get("SegmentationType") or "") == "LABELMAP":
            numbers = np.unique(frame[frame > 0])
            require_room((len(found) + len(numbers)) * frame.size, where=path, error=RegionError)
            found += [_Layer(int(number), groups, frame == number) for number in numbers]
        else:
            found.append(_Layer(_number(groups), groups, 2 * frame >= full))
    return found


def _segments(dataset: Dataset, layers: list[_Layer], ct: CtVolume) -> dict[int, Label]:
    """Segments with their volumes, by number."""
    voxels: Counter[int] = Counter()
    for layer in layers:
        voxels[layer.number] += int(layer.inside.sum())
    labels = _labels(dataset).items()
    return {number: Label(number, label, volume_ml(voxels[number], ct.spacing_mm)) for number, label in labels}


def _labels(dataset: Dataset) -> dict[int, str]:
    """Labels of the segments by number, in the order of the file; number 0 is the background of a label map."""
    every = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in dataset.SegmentSequence}
    return {number: label for number, label in every.items() if number}


def _number(groups: list[Dataset]) -> int:
    return int(_first(groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _first(groups: list[Dataset], sequence: str) -> Dataset:
    """The item of a functional group, of the frame or shared.

    Raises:
        KeyError: when there is no such item.
    """
    for group in groups:
        if group.get(sequence):
            return group[sequence].value[0]  # type: ignore[no-any-return]
    raise KeyError(sequence)


@dataclass(frozen=True, eq=False)
class _Frame:
    """A frame of one segment among the voxels of the CT.

    Attributes:
        number: number of the segment.
        normal: axis of the CT (0 = x, 1 = y, 2 = z) along which the frames are stacked.
        depth: position of the frame on this axis, in voxels.
        voxels: (n, 3) indices (x, y, z) of the marked voxels; the index along the normal is set later.
    """

    number: int
    normal: int
    depth: float
    voxels: IntArray


def _placed(path: Path, layer: _Layer, ct: CtVolume) -> _Frame:
    """Find the position of a frame in the CT. Its pixels must match the CT, but it may lie between two slices."""
    position = np.array(_first(layer.groups, "PlanePositionSequence").ImagePositionPatient, dtype=np.float64)
    axes = np.array(_first(layer.groups, "PlaneOrientationSequence").ImageOrientationPatient, dtype=np.float64)
    between_rows, between_columns = (float(mm) for mm in _first(layer.groups, "PixelMeasuresSequence").PixelSpacing)
    to_index = np.linalg.inv(index_to_point(ct.image))
    origin = to_index[:3, :3] @ position + to_index[:3, 3]
    along_row = to_index[:3, :3] @ axes[:3] * between_columns
    along_column = to_index[:3, :3] @ axes[3:] * between_rows
    step_row, step_column, start = (np.rint(vector) for vector in (along_row, along_column, origin))
    used = np.abs(step_row) + np.abs(step_column)
    normal = int(used.argmin())
    start[normal] = origin[normal]
    rows, columns = np.array(layer.inside.shape) - 1
    corners: list[DoubleArray] = [
        (origin + r * along_column + c * along_row) - (start + r * step_column + c * step_row)
        for r in (0, rows)
        for c in (0, columns)
    ]
    if np.abs(corners).max() > SAME_GRID_VOXELS or sorted(used) != [0, 1, 1]:
        raise _another_grid(path, ct)
    row, column = np.nonzero(layer.inside)
    start[normal] = 0
    voxels: IntArray = (start + row[:, None] * step_column + column[:, None] * step_row).astype(np.int64)
    return _Frame(layer.number, normal, round(float(origin[normal]), 2), voxels)


def _another_grid(path: Path, ct: CtVolume) -> RegionError:
    return RegionError(
        "the segments have a different grid from the CT",
        where=path,
        expected=f"the CT's grid: {describe_grid(ct.image)}",
        action="Give the CT on which they were drawn, or export the segment as a mask on the CT's grid.",
        code="E-REGION-005",
    )


def _painted(path: Path, layers: list[_Layer], number: int, ct: CtVolume) -> Painted:
    """A segment on the grid of the CT. Frames that are further apart than its slices fill the space between them."""
    every = [_placed(path, layer, ct) for layer in layers]
    frames = [frame for frame in every if frame.number == number and len(frame.voxels)]
    mask = np.zeros(ct.size[::-1], dtype=np.uint8)
    if not frames:
        return Painted(image_like(mask, ct.image))
    normal = frames[0].normal
    stated = _first(layers[0].groups, "PixelMeasuresSequence").get("SpacingBetweenSlices")
    distance = _distance(every, None if not stated else float(stated) / ct.spacing_mm[normal])
    _check_place(path, frames, distance, ct)
    depths = sorted({frame.depth for frame in frames})
    planes = [np.concatenate([frame.voxels for frame in frames if frame.depth == depth]) for depth in depths]
    placement = place(
        np.array(depths),
        ct.size[normal],
        meet=lambda one, other: not set(map(tuple, planes[one])).isdisjoint(map(tuple, planes[other])),
        distance=distance,
    )
    for index, plane in placement.plane_of.items():
        voxels = planes[plane].copy()
        voxels[:, normal] = index
        mask[tuple(voxels.T[::-1])] = 1
    notes = placement.notes("frames of the segmentation", ct.spacing_mm[normal]) if distance > 1 else ()
    return Painted(image_like(mask, ct.image), notes)


def _distance(frames: list[_Frame], stated: float | None) -> float:
    """Distance of the frames in voxels of the CT: from the file, otherwise that of most neighbors; at least 1."""
    gaps = np.diff(np.unique([frame.depth for frame in frames]))
    found = stated
    gaps = gaps[gaps > _ROUNDED]
    if found is not None and len(gaps):
        found = min(found, float(gaps.min()))
    elif len(gaps):
        usual = gaps.min()
        found = float(usual) if np.mean(np.isclose(gaps, usual, atol=SAME_GRID_VOXELS)) > _MOST else 1.0
    return found if found is not None and found > 1 + SAME_GRID_VOXELS else 1.0


def _check_place(path: Path, frames: list[_Frame], distance: float, ct: CtVolume) -> None:
    """Frames must lie inside the CT and, unless they are coarser than its slices, on its slices."""
    normal = frames[0].normal
    depths = np.array([frame.depth for frame in frames])
    if any(frame.normal != normal for frame in frames) or (
        distance == 1 and np.abs(depths - np.rint(depths)).max() > SAME_GRID_VOXELS
    ):
        raise _another_grid(path, ct)
    voxels = np.concatenate([frame.voxels for frame in frames])
    outside = (depths < -0.5).any() or (depths > ct.size[normal] - 0.5).any()
    if outside or voxels.min() < 0 or (voxels >= np.array(ct.size)).any():
        raise RegionError(
            "the segment reaches beyond the CT",
            where=path,
            expected=f"the CT's grid: {describe_grid(ct.image)}",
            action="Give the CT on which it was drawn.",
            code="E-REGION-016",
        )
