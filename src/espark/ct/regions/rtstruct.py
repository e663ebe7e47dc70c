"""Contours of a DICOM RTSTRUCT as a mask on the grid of the CT."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset

from espark.ct.files.dicom_headers import reading
from espark.ct.files.origins import of_another_person
from espark.ct.grid import describe_grid, image_like, index_to_point, volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.contours import Remarks, enclosed
from espark.ct.regions.drawn_planes import ANOTHER_PERSON, Painted, place
from espark.ct.regions.labels import Label, find_label
from espark.errors import RegionError
from espark.intake.dicom_file import open_dicom
from espark.notes import Note
from espark.types import DoubleArray, Outline

_RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_EXCLUSIVE = ("CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
_CLOSED = ("CLOSED_PLANAR", *_EXCLUSIVE)
_FLAT_SLICES = 0.25  # the points of one contour may differ by this share of a slice distance in depth
_ROUNDED_SLICES = 0.05  # smaller differences of depth come from rounding
_SAME_PLANE_SLICES = 0.25  # closer planes are one plane, unless all planes are closer than half a slice
_FINER_SLICES = 0.5
_MOST_CONTOURS = 400  # each is compared with all others of its slice
_MEASURED = 20  # of the regions that an error lists


@dataclass(frozen=True, eq=False)
class _Drawn:
    """The contours of a region in the file.

    Attributes:
        contours: (n, 3) points in mm, LPS, of every closed contour.
        exclusive: whether the file requires an exclusive or of all contours of a plane.
        left_out: number of points, open lines, and contours of fewer than three points.
    """

    contours: tuple[DoubleArray, ...]
    exclusive: bool
    left_out: int


def rtstruct_roi_names(path: Path) -> list[str]:
    """Names of the regions that have contours, in the order of the file.

    Raises:
        RegionError: when the file is not a readable RTSTRUCT.
    """
    dataset = _read(path)
    with reading(path, RegionError):
        drawn = {int(roi.ReferencedROINumber) for roi in dataset.ROIContourSequence if roi.get("ContourSequence")}
        return [str(roi.ROIName) for roi in dataset.StructureSetROISequence if int(roi.ROINumber) in drawn]


def rtstruct_series_uid(path: Path) -> str | None:
    """SeriesInstanceUID of the CT on which the contours were drawn, if the file names exactly one.

    Raises:
        RegionError: when the file is not a readable RTSTRUCT.
    """
    dataset = _read(path)
    with reading(path, RegionError):
        found = {
            str(series.SeriesInstanceUID)
            for frame in dataset.get("ReferencedFrameOfReferenceSequence") or []
            for study in frame.get("RTReferencedStudySequence") or []
            for series in study.get("RTReferencedSeriesSequence") or []
        }
    return found.pop() if len(found) == 1 else None


def read_rtstruct_roi(path: Path, roi_name: str, ct: CtVolume, *, outline: Outline = "polygon") -> Painted:
    """One region of an RTSTRUCT as a mask.

    A voxel belongs to the region when its centre lies inside the contours of its plane
    (`espark.ct.regions.contours`), or on a contour that was traced along the centres of voxels. So an outline through
    the centres or along the borders of voxels gives back exactly these voxels, and the volume of a smooth outline is
    that of its polygons. With the line, every
    voxel belongs to the region through which a contour runs: a smooth outline then grows by about 0.4 pixels.

    A slice uses the nearest plane of contours that is less than half a contour distance away. So contours may be
    drawn on every second slice, or finer than the CT. Neighboring planes fill one or two missing planes.

    Args:
        path: RTSTRUCT file.
        roi_name: name of the region, as in the file, or its number.
        ct: the CT on which it was drawn.
        outline: whether voxels through which a contour runs belong to the region.

    Raises:
        RegionError: when the file, the region or its position does not match.
    """
    dataset = _read(path)
    with reading(path, RegionError):
        number, frame = _find_roi(path, dataset, roi_name, ct)
        _check_frame_of_reference(path, frame, ct)
        drawn = _closed_contours(dataset, number)
    where = f"{path}, region {roi_name}"
    if not drawn.contours:
        raise RegionError(
            "the region has no closed contours",
            where=where,
            expected=f"one of: {', '.join(rtstruct_roi_names(path))}",
            action="Name a different region, or draw this one.",
            code="E-REGION-013",
        )
    painted = _painted(where, drawn, ct, outline)
    if of_another_person(dataset, ct.person):
        painted = replace(painted, notes=(ANOTHER_PERSON, *painted.notes))
    if not sitk.GetArrayViewFromImage(painted.mask).any():
        raise RegionError(
            "the contours enclose no voxel of the CT",
            where=where,
            expected=f"contours inside the CT ({describe_grid(ct.image)})",
            action="Give the RTSTRUCT that belongs to this CT.",
            code="E-REGION-014",
        )
    return painted


def _read(path: Path) -> Dataset:
    if path.is_dir():
        raise RegionError(
            "this is a folder",
            where=path,
            expected="a DICOM RTSTRUCT",
            action="Name the file in it.",
            code="E-REGION-012",
        )
    if not path.is_file():
        raise RegionError("the file is missing", where=path, action="Check the path.", code="E-REGION-012")
    with reading(path, RegionError):
        dataset = open_dicom(path, RegionError)
        kind = str(dataset.get("SOPClassUID", ""))
    if kind != _RTSTRUCT_CLASS or "StructureSetROISequence" not in dataset or "ROIContourSequence" not in dataset:
        raise RegionError(
            "the file holds no contours",
            where=path,
            expected="a DICOM RTSTRUCT",
            action="Check the path.",
            code="E-REGION-012",
        )
    return dataset


def _find_roi(path: Path, dataset: Dataset, name: str, ct: CtVolume) -> tuple[int, str]:
    """Number and frame of reference of the region with this name or number."""
    rois = list(dataset.StructureSetROISequence)
    labels = [Label(int(roi.ROINumber), str(roi.ROIName)) for roi in rois]
    try:
        found = rois[find_label(labels, name, where=path)]
    except RegionError:  # volumes take time, so they are measured only for the list of choices
        measured = [replace(label, volume_ml=_volume_ml(dataset, label.number, ct)) for label in labels[:_MEASURED]]
        measured += labels[_MEASURED:]
        found = rois[find_label(measured, name, where=path)]
    return int(found.ROINumber), str(found.get("ReferencedFrameOfReferenceUID") or "")


def _volume_ml(dataset: Dataset, number: int | None, ct: CtVolume) -> float | None:
    """Volume of a region on the CT's grid; 0 without closed contours, None if they do not match the CT."""
    if number is None or not (drawn := _closed_contours(dataset, number)).contours:
        return 0.0
    try:
        mask = _painted("", drawn, ct, "polygon").mask
    except RegionError:
        return None
    return volume_ml(int(sitk.GetArrayViewFromImage(mask).sum()), ct.spacing_mm) or None


def _painted(where: str, drawn: _Drawn, ct: CtVolume, outline: Outline) -> Painted:
    """The region on the grid of the CT, which may have no voxel."""
    columns, rows, slices = ct.size
    to_index = np.linalg.inv(index_to_point(ct.image))
    planes, joined = _planes(where, [points @ to_index[:3, :3].T + to_index[:3, 3] for points in drawn.contours])
    fills, remarks = [], Remarks()
    for contours in planes.values():
        if len(contours) > _MOST_CONTOURS:
            raise RegionError(
                f"a slice holds {len(contours)} contours of the region",
                where=where,
                expected=f"at most {_MOST_CONTOURS}",
                action="Export the region as a mask on the CT's grid instead.",
                code="E-FILE-002",
            )
        fill, found = enclosed(contours, (rows, columns), exclusive=drawn.exclusive, outline=outline)
        fills.append(fill)
        remarks += found
    placement = place(np.array(list(planes)), slices, meet=lambda one, other: bool((fills[one] & fills[other]).any()))
    mask = np.zeros((slices, rows, columns), dtype=np.uint8)
    for index, plane in placement.plane_of.items():
        mask[index] = fills[plane]
    notes = (*_notes(drawn, remarks, joined), *placement.notes("contours", ct.spacing_mm[2]))
    return Painted(image_like(mask, ct.image), notes)


def _notes(drawn: _Drawn, remarks: Remarks, joined: int) -> list[Note]:
    """Notes about decisions on the contours."""
    found = []
    if drawn.left_out:
        text = f"{drawn.left_out} points, open lines or contours of fewer than three points were left out."
        found.append(Note("N-REGION-015", text))
    if joined:
        text = f"{joined} planes of contours are very close to another plane and were joined with it."
        found.append(Note("N-REGION-016", text))
    if remarks["beyond"]:
        text = f"{remarks['beyond']} contours reach beyond the edge of the CT's slices; only the part inside was used."
        found.append(Note("D-REGION-002", text))
    if remarks["twice"]:
        found.append(Note("N-REGION-010", f"{remarks['twice']} contours are stored twice; each was used once."))
    if remarks["crossing"]:
        text = f"{remarks['crossing']} contours cross or touch another one; they were joined, without a hole."
        found.append(Note("N-REGION-011", text))
    if remarks["holes"]:
        found.append(
            Note("N-REGION-017", f"{remarks['holes']} contours lie inside another one and were used as holes.")
        )
    return found


def _check_frame_of_reference(path: Path, frame: str, ct: CtVolume) -> None:
    if frame and ct.frame_of_reference and frame != ct.frame_of_reference:
        raise RegionError(
            "the contours were drawn in a different frame of reference",
            where=path,
            expected=f"that of the CT ({ct.frame_of_reference}), not {frame}",
            action="Give the RTSTRUCT that belongs to this CT, or the CT on which it was drawn.",
            code="E-REGION-011",
        )


def _closed_contours(dataset: Dataset, number: int) -> _Drawn:
    """Every closed contour of a region."""
    found, left_out, exclusive = [], 0, False
    for roi in dataset.ROIContourSequence:
        if int(roi.ReferencedROINumber) != number:
            continue
        for contour in roi.get("ContourSequence") or []:
            points = np.array(contour.ContourData or [], dtype=np.float64).reshape(-1, 3)
            kind = str(contour.ContourGeometricType)
            if kind in _CLOSED and len(points) >= 3:
                found.append(points)
                exclusive |= kind in _EXCLUSIVE
            else:
                left_out += 1
    return _Drawn(tuple(found), exclusive, left_out)


def _planes(where: str, contours: list[DoubleArray]) -> tuple[dict[float, list[DoubleArray]], int]:
    """Polygons (x, y) by the depth of their plane, in voxels, from the caudal (or first) plane on; and the number of
    planes that were joined with a very close one."""
    contours = sorted(contours, key=lambda points: float(points[:, 2].mean()))
    for points in contours:
        if not np.isfinite(points).all() or np.ptp(points[:, 2]) > _FLAT_SLICES:
            raise RegionError(
                "a contour does not lie in the plane of the CT's slices",
                where=where,
                expected="contours drawn on the slices of this CT",
                action="Export the region as a mask on the CT's grid instead.",
                code="E-REGION-015",
            )
    depths = np.array([points[:, 2].mean() for points in contours])
    gaps = np.diff(depths)
    finer = len(gaps) > 0 and gaps.max() < _FINER_SLICES
    tolerance = _ROUNDED_SLICES if finer else _SAME_PLANE_SLICES
    planes: dict[float, list[DoubleArray]] = {}
    start, before, joined = -np.inf, -np.inf, 0
    for here, points in zip(depths.tolist(), contours, strict=True):
        if here - start > tolerance:
            start = here
        elif here - before > _ROUNDED_SLICES:
            joined += 1
        planes.setdefault(start, []).append(points[:, :2])
        before = here
    return planes, joined
