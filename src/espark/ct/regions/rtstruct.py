"""Contours of a DICOM RTSTRUCT as a mask on the CT's grid."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from espark.ct.files.dicom_headers import reading
from espark.ct.grid import describe_grid, image_like, index_to_point, volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.labels import Label, find_label
from espark.ct.regions.polygons import draw_lines, fill_even_odd
from espark.errors import RegionError
from espark.types import ByteArray, DoubleArray

_log = logging.getLogger(__name__)

_RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")
_FLAT_SLICES = 0.25  # the points of one contour may differ by this share of a slice distance in depth
_SAME_PLANE_SLICES = 0.05


def rtstruct_roi_names(path: Path) -> list[str]:
    """Names of the regions that have contours, in the file's order.

    Raises:
        RegionError: when the file is not a readable RTSTRUCT.
    """
    dataset = _read(path)
    with reading(path, RegionError):
        drawn = {int(roi.ReferencedROINumber) for roi in dataset.ROIContourSequence if roi.get("ContourSequence")}
        return [str(roi.ROIName) for roi in dataset.StructureSetROISequence if int(roi.ROINumber) in drawn]


def rtstruct_series_uid(path: Path) -> str | None:
    """SeriesInstanceUID of the CT on which the contours were drawn, where the file names exactly one.

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


def read_rtstruct_roi(path: Path, roi_name: str, ct: CtVolume, *, with_line: bool = True) -> sitk.Image:
    """One region of an RTSTRUCT as a mask.

    A voxel belongs to the region when its centre lies inside an odd number of the contours of its plane, so that
    contours inside contours are holes, or when a contour runs through it: what was outlined through the centres
    or along the borders of voxels comes back voxel by voxel. A smooth outline gains about 0.4 pixels all around,
    as in the usual converters; without the line the volume is that of the polygons.

    A slice takes the nearest plane of contours that is less than half a contour distance away; contours may thus
    be drawn on every second slice, or finer than the CT.

    Args:
        path: RTSTRUCT file.
        roi_name: name of the region, as it stands in the file, or its number.
        ct: the CT on which it was drawn.
        with_line: whether voxels through which a contour runs belong to the region.

    Returns:
        uint8 mask (0, 1) on the CT's grid.

    Raises:
        RegionError: when the file, the region or its place does not fit.
    """
    dataset = _read(path)
    with reading(path, RegionError):
        number, frame = _find_roi(path, dataset, roi_name, ct)
        _check_frame_of_reference(path, frame, ct)
        polygons = _closed_contours(dataset, number)
    where = f"{path}, region {roi_name}"
    if not polygons:
        raise RegionError(
            "the region has no closed contours",
            where=where,
            expected=f"one of: {', '.join(rtstruct_roi_names(path))}",
            action="Name another region, or draw this one.",
        )
    planes = _planes(where, _in_voxels(polygons, ct))
    mask = _filled(planes, ct, with_line=with_line)
    _check_inside(where, mask, planes, ct)
    return image_like(mask, ct.image)


def _read(path: Path) -> Dataset:
    if not path.is_file():
        raise RegionError("the file is missing", where=path, action="Check the path.")
    with reading(path, RegionError):
        dataset = pydicom.dcmread(path)
        kind = str(dataset.get("SOPClassUID", ""))
    if kind != _RTSTRUCT_CLASS or "StructureSetROISequence" not in dataset or "ROIContourSequence" not in dataset:
        raise RegionError(
            "the file holds no contours", where=path, expected="a DICOM RTSTRUCT", action="Check the path."
        )
    return dataset


def _find_roi(path: Path, dataset: Dataset, name: str, ct: CtVolume) -> tuple[int, str]:
    """Number and frame of reference of the region of this name or number."""
    rois = list(dataset.StructureSetROISequence)
    labels = [Label(int(roi.ROINumber), str(roi.ROIName)) for roi in rois]
    try:
        found = rois[find_label(labels, name, where=path)]
    except RegionError:  # measuring takes a moment, so it is done only for whoever has to choose
        measured = [replace(label, volume_ml=_volume_ml(dataset, label.number, ct)) for label in labels]
        found = rois[find_label(measured, name, where=path)]
    return int(found.ROINumber), str(found.get("ReferencedFrameOfReferenceUID") or "")


def _volume_ml(dataset: Dataset, number: int | None, ct: CtVolume) -> float | None:
    """Volume of a region on the CT's grid; 0 without closed contours, None where they do not fit the CT."""
    polygons = [] if number is None else _closed_contours(dataset, number)
    if not polygons:
        return 0.0
    try:
        planes = _planes("", _in_voxels(polygons, ct))
    except RegionError:
        return None
    voxels = int(_filled(planes, ct, with_line=True).sum())
    return volume_ml(voxels, ct.spacing_mm) or None


def _in_voxels(polygons: list[DoubleArray], ct: CtVolume) -> list[DoubleArray]:
    to_index = np.linalg.inv(index_to_point(ct.image))
    return [points @ to_index[:3, :3].T + to_index[:3, 3] for points in polygons]


def _filled(planes: dict[float, list[DoubleArray]], ct: CtVolume, *, with_line: bool) -> ByteArray:
    """Mask (z, y, x) of the voxels inside the contours."""
    columns, rows, slices = ct.size
    mask = np.zeros((slices, rows, columns), dtype=np.uint8)
    for index, depth in _nearest_planes(np.array(list(planes)), slices).items():
        mask[index] = fill_even_odd(planes[depth], (rows, columns))
        if with_line:
            mask[index] |= draw_lines(planes[depth], (rows, columns))
    return mask


def _check_frame_of_reference(path: Path, frame: str, ct: CtVolume) -> None:
    if frame and ct.frame_of_reference and frame != ct.frame_of_reference:
        raise RegionError(
            f"the contours were drawn in another frame of reference ({frame})",
            where=path,
            expected=f"that of the CT ({ct.frame_of_reference})",
            action="Give the RTSTRUCT that belongs to this CT, or the CT on which it was drawn.",
        )


def _closed_contours(dataset: Dataset, number: int) -> list[DoubleArray]:
    """(n, 3) points in mm, LPS, of every closed contour of a region."""
    found = []
    for roi in dataset.ROIContourSequence:
        if int(roi.ReferencedROINumber) != number:
            continue
        for contour in roi.get("ContourSequence") or []:
            points = np.array(contour.ContourData or [], dtype=np.float64).reshape(-1, 3)
            if str(contour.ContourGeometricType) in _CLOSED and len(points) >= 3:
                found.append(points)
    return found


def _planes(where: str, contours: list[DoubleArray]) -> dict[float, list[DoubleArray]]:
    """Polygons (x, y) by the depth of their plane, all in voxels, from the caudal plane (or the first) on."""
    planes: dict[float, list[DoubleArray]] = {}
    contours = sorted(contours, key=lambda points: float(points[:, 2].mean()))
    depth = -np.inf
    for points in contours:
        if not np.isfinite(points).all() or np.ptp(points[:, 2]) > _FLAT_SLICES:
            raise RegionError(
                "a contour does not lie in the plane of the CT's slices",
                where=where,
                expected="contours drawn on the slices of this CT",
                action="Export the region as a mask on the CT's grid instead.",
            )
        here = float(points[:, 2].mean())
        if here - depth > _SAME_PLANE_SLICES:
            depth = here
        planes.setdefault(depth, []).append(points[:, :2])
    return planes


def _nearest_planes(depths: DoubleArray, slices: int) -> dict[int, float]:
    """For each slice within half a contour distance of a plane: the depth of the nearest.

    Args:
        depths: ascending depths of the planes, in slices.
        slices: number of slices of the CT.
    """
    distance = float(np.median(np.diff(depths))) if len(depths) > 1 else 1.0
    reach = max(distance, 1.0) / 2
    found = {}
    for index in range(slices):
        away = index - depths
        candidates = np.flatnonzero((away >= -reach - 1e-6) & (away < reach - 1e-6))
        if len(candidates):
            found[index] = float(depths[candidates[np.abs(away[candidates]).argmin()]])
    return found


def _check_inside(
    where: str, mask: np.typing.NDArray[np.uint8], planes: dict[float, list[DoubleArray]], ct: CtVolume
) -> None:
    slices = ct.size[2]
    outside = sum(1 for depth in planes if not -0.5 <= depth <= slices - 0.5)
    if not mask.any():
        lowest, highest = min(planes), max(planes)
        raise RegionError(
            f"the contours (slices {lowest:.1f} to {highest:.1f} of the CT's grid) enclose no voxel of the CT",
            where=where,
            expected=f"contours inside the CT ({describe_grid(ct.image)})",
            action="Give the RTSTRUCT that belongs to this CT.",
        )
    if outside:
        _log.warning("%s: %d of %d planes of contours lie outside the CT", where, outside, len(planes))
