"""Segments of a DICOM SEG as masks on the CT's grid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from espark.ct.files.dicom_headers import reading
from espark.ct.grid import SAME_GRID_VOXELS, describe_grid, image_like, index_to_point, volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.labels import Label, find_label, listed
from espark.errors import RegionError
from espark.types import AnyArray, BoolArray, DoubleArray, IntArray

_SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation and Label Map Segmentation."""


@dataclass(frozen=True, eq=False)
class _Layer:
    """What one frame holds of one segment.

    Attributes:
        number: of the segment.
        groups: functional groups of the frame, and the shared ones.
        inside: bool (row, column).
    """

    number: int
    groups: list[Dataset]
    inside: BoolArray


def is_seg(path: Path) -> bool:
    """Whether a file is a DICOM SEG.

    Raises:
        RegionError: when it is a damaged DICOM file.
    """
    with path.open("rb") as handle:
        if handle.read(132)[128:] != b"DICM":
            return False
    with reading(path, RegionError):
        header = pydicom.dcmread(path, specific_tags=["SOPClassUID"], stop_before_pixels=True)
        return str(header.get("SOPClassUID", "")) in _SEG_CLASSES


def seg_labels(path: Path) -> list[str]:
    """Labels of the segments, in the file's order.

    Raises:
        RegionError: when the file is not a readable DICOM SEG.
    """
    with reading(path, RegionError):
        return list(_labels(pydicom.dcmread(path)).values())


def read_seg(path: Path, label: str | None, ct: CtVolume) -> sitk.Image:
    """One segment as a mask.

    Args:
        path: DICOM SEG: binary, fractional (from one half on) or a label map.
        label: label or number of the segment; None for the only one.
        ct: the CT on which it was drawn. The segment's frames may be stored in any order and direction, and leave
            out slices, but their voxels must be the CT's.

    Returns:
        uint8 mask (0, 1) on the CT's grid.

    Raises:
        RegionError: when the file, the segment or its grid does not fit.
    """
    with reading(path, RegionError):
        dataset = pydicom.dcmread(path)
        frame_of_reference = str(dataset.get("FrameOfReferenceUID") or "")
        if frame_of_reference and ct.frame_of_reference and frame_of_reference != ct.frame_of_reference:
            raise RegionError(
                f"the segments were drawn in another frame of reference ({frame_of_reference})",
                where=path,
                expected=f"that of the CT ({ct.frame_of_reference})",
                action="Give the file that belongs to this CT.",
            )
        layers = _layers(dataset)
        number = _segment_number(path, _segments(dataset, layers, ct), label)
        mask = np.zeros(ct.size[::-1], dtype=np.uint8)
        for layer in layers:
            if layer.number == number:
                _paint(path, mask, layer.inside, layer.groups, ct)
    if not mask.any():
        raise RegionError(f"the segment {label or number} is empty", where=path, action="Draw the region.")
    return image_like(mask, ct.image)


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
    )


def _layers(dataset: Dataset) -> list[_Layer]:
    """Every segment of every frame. A frame of a label map holds all segments, any other frame a single one."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    pixels = np.asarray(dataset.pixel_array)
    frames = pixels.reshape(-1, *pixels.shape[-2:]).astype(np.int64)
    full = int(dataset.get("MaximumFractionalValue") or 1)
    found = []
    for group, frame in zip(dataset.PerFrameFunctionalGroupsSequence, frames, strict=True):
        groups = [group, *shared]
        if str(dataset.get("SegmentationType") or "") == "LABELMAP":
            found += [_Layer(int(number), groups, frame == number) for number in np.unique(frame[frame > 0])]
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
    """Labels of the segments by number, in the file's order; number 0 is the background of a label map."""
    every = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in dataset.SegmentSequence}
    return {number: label for number, label in every.items() if number}


def _number(groups: list[Dataset]) -> int:
    return int(_first(groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _first(groups: list[Dataset], sequence: str) -> Dataset:
    """The item of a functional group, of the frame or shared.

    Raises:
        KeyError: when there is none.
    """
    for group in groups:
        if group.get(sequence):
            return group[sequence].value[0]  # type: ignore[no-any-return]
    raise KeyError(sequence)


def _paint(path: Path, mask: AnyArray, frame: AnyArray, groups: list[Dataset], ct: CtVolume) -> None:
    """Set the voxels (z, y, x) of ``mask`` that a frame (row, column) marks."""
    position = np.array(_first(groups, "PlanePositionSequence").ImagePositionPatient, dtype=np.float64)
    axes = np.array(_first(groups, "PlaneOrientationSequence").ImageOrientationPatient, dtype=np.float64)
    between_rows, between_columns = (float(mm) for mm in _first(groups, "PixelMeasuresSequence").PixelSpacing)
    to_index = np.linalg.inv(index_to_point(ct.image))
    origin = to_index[:3, :3] @ position + to_index[:3, 3]
    along_row = to_index[:3, :3] @ axes[:3] * between_columns
    along_column = to_index[:3, :3] @ axes[3:] * between_rows
    step_row, step_column, start = (np.rint(vector) for vector in (along_row, along_column, origin))
    rows, columns = np.array(frame.shape) - 1
    corners: list[DoubleArray] = [
        (origin + r * along_column + c * along_row) - (start + r * step_column + c * step_row)
        for r in (0, rows)
        for c in (0, columns)
    ]
    if np.abs(corners).max() > SAME_GRID_VOXELS or np.abs([step_row, step_column]).sum() != 2:
        raise RegionError(
            "the segments lie on another grid than the CT",
            where=path,
            expected=f"the CT's grid: {describe_grid(ct.image)}",
            action="Give the CT on which they were drawn, or export the segment as a mask on the CT's grid.",
        )
    row, column = np.nonzero(frame)
    index: IntArray = (start + row[:, None] * step_column + column[:, None] * step_row).astype(np.int64)
    if len(index) and (index.min() < 0 or (index >= np.array(ct.size)).any()):
        raise RegionError(
            "the segment reaches beyond the CT",
            where=path,
            expected=f"the CT's grid: {describe_grid(ct.image)}",
            action="Give the CT on which it was drawn.",
        )
    mask[tuple(index.T[::-1])] = 1
