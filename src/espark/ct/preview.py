"""Three planes through a region, as a radiologist sees them. This module only computes; it does not draw."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import index_to_point
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.types import BoolArray, DoubleArray, FloatArray, Scale

PlaneName = Literal["axial", "coronal", "sagittal"]
Point = tuple[float, float, float]

_AIR_HU = -1024.0
_AXES: dict[PlaneName, tuple[Point, Point]] = {
    # direction of the columns (to the right on the screen) and of the rows (downwards), LPS
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
}
_LETTERS: dict[Point, tuple[str, str]] = {(1, 0, 0): ("R", "L"), (0, 1, 0): ("A", "P"), (0, 0, -1): ("H", "F")}


@dataclass(frozen=True, eq=False)
class Plane:
    """One plane through a CT, with square pixels.

    Attributes:
        name: axial, coronal or sagittal.
        hu: (rows, columns) Hounsfield units; −1024 outside the CT.
        masks: for each known scale, its region as (rows, columns).
        pixel_mm: side of a pixel.
        centre_px: (row, column) of the point through which the planes go.
        centre_mm: that point, LPS.
        sides: letters (left, right, top, bottom) of the edges: Right, Left, Anterior, Posterior, Head, Feet.
    """

    name: PlaneName
    hu: FloatArray
    masks: dict[Scale, BoolArray]
    pixel_mm: float
    centre_px: tuple[int, int]
    centre_mm: Point
    sides: tuple[str, str, str, str]


def three_planes(
    ct: CtVolume,
    regions: Regions | None,
    *,
    centre: Point | None = None,
    width_mm: float | None = None,
) -> list[Plane]:
    """Axial, coronal and sagittal plane through a point, in radiological orientation.

    Axial: patient's right on the left, front on top. Coronal: right on the left, head on top. Sagittal: front on the
    left, head on top. The point is moved to the nearest voxel centre, so that an axial plane shows an original slice.

    Args:
        ct: the CT.
        regions: tumor and esophagus on the grid of the CT; None shows only the CT.
        centre: point in mm (LPS); None for the middle of the tumor, otherwise of the esophagus, otherwise of the CT.
        width_mm: side of the square around the point that is shown; None shows the whole CT.
    """
    point = _snapped(ct, _middle(ct, regions) if centre is None else np.array(centre, dtype=np.float64))
    pixel = min(ct.spacing_mm)
    masks = {} if regions is None else {scale: regions.mask(scale) for scale in regions.scales}
    return [_plane(name, ct, masks, point, pixel, width_mm) for name in _AXES]


def axial_levels(ct: CtVolume, regions: Regions, *, step_mm: float, width_mm: float) -> list[Plane]:
    """Axial planes through all levels of the regions, from head to feet, around the middle of the body of the regions.

    Args:
        ct: the CT.
        regions: tumor, esophagus or both on its grid.
        step_mm: distance from plane to plane.
        width_mm: side of the square that is shown.
    """
    masks = {scale: regions.mask(scale) for scale in regions.scales}
    whole = sitk.DICOMOrient(masks[regions.scales[-1]], "LPS")
    places = np.argwhere(sitk.GetArrayFromImage(whole))[:, ::-1]
    middle = places.mean(axis=0)
    step = max(1, round(step_mm / whole.GetSpacing()[2]))
    pixel = min(ct.spacing_mm)
    planes = []
    for z in range(int(places[:, 2].max()), int(places[:, 2].min()) - 1, -step):
        here = places[places[:, 2] == z]
        x, y, _ = here.mean(axis=0) if len(here) else middle
        point = whole.TransformContinuousIndexToPhysicalPoint((float(x), float(y), float(z)))
        planes.append(_plane("axial", ct, masks, _snapped(ct, np.array(point)), pixel, width_mm))
    return planes


def _plane(
    name: PlaneName,
    ct: CtVolume,
    masks: dict[Scale, sitk.Image],
    point: DoubleArray,
    pixel: float,
    width_mm: float | None,
) -> Plane:
    right, down = (np.array(axis) for axis in _AXES[name])
    before, after = zip(*(_reach(ct, axis, point, pixel, width_mm) for axis in (right, down)), strict=True)
    size = (before[0] + after[0] + 1, before[1] + after[1] + 1)
    resampler = _plane_resampler(name, point, (before[0], before[1]), size, pixel)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    shown = {scale: sitk.GetArrayFromImage(resampler.Execute(mask))[0] > 0 for scale, mask in masks.items()}
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    resampler.SetDefaultPixelValue(_AIR_HU)
    letters = [_LETTERS[axis] for axis in _AXES[name]]
    return Plane(
        name=name,
        hu=sitk.GetArrayFromImage(resampler.Execute(ct.image))[0],
        masks=shown,
        pixel_mm=pixel,
        centre_px=(before[1], before[0]),
        centre_mm=(float(point[0]), float(point[1]), float(point[2])),
        sides=(letters[0][0], letters[0][1], letters[1][0], letters[1][1]),
    )


def values_on_plane(image: sitk.Image, plane: Plane) -> DoubleArray:
    """(rows, columns) of the nearest voxel of an image at each pixel of a plane; NaN outside the image.

    Args:
        image: 3-D image in the space of the CT, on any grid.
        plane: one of :func:`three_planes`.
    """
    rows, columns = plane.hu.shape
    before = (plane.centre_px[1], plane.centre_px[0])
    resampler = _plane_resampler(plane.name, np.array(plane.centre_mm), before, (columns, rows), plane.pixel_mm)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor)
    resampler.SetOutputPixelType(sitk.sitkFloat64)
    resampler.SetDefaultPixelValue(float("nan"))
    return np.asarray(sitk.GetArrayFromImage(resampler.Execute(image))[0], dtype=np.float64)


def _plane_resampler(
    name: PlaneName, point: DoubleArray, before: tuple[int, int], size: tuple[int, int], pixel: float
) -> sitk.ResampleImageFilter:
    """Resampler onto a plane through a point, with the given pixels (columns, rows) before the point and in total."""
    right, down = (np.array(axis) for axis in _AXES[name])
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize((*size, 1))
    resampler.SetOutputSpacing((pixel, pixel, pixel))
    resampler.SetOutputDirection(np.column_stack((right, down, np.cross(right, down))).ravel().tolist())
    resampler.SetOutputOrigin((point - pixel * (before[0] * right + before[1] * down)).tolist())
    return resampler


def _reach(
    ct: CtVolume, axis: DoubleArray, point: DoubleArray, pixel: float, width_mm: float | None
) -> tuple[int, int]:
    """Number of pixels before and after the point along an axis."""
    if width_mm is not None:
        half = int(width_mm / pixel / 2)
        return half, half
    corners = np.array(list(itertools.product(*((-0.5, n - 0.5) for n in ct.size))))
    to_point = index_to_point(ct.image)
    along = (corners @ to_point[:3, :3].T + to_point[:3, 3] - point) @ axis
    before, after = np.floor(np.array((-along.min(), along.max())) / pixel - 0.5 + 1e-6)
    return int(before), int(after)


def _middle(ct: CtVolume, regions: Regions | None) -> DoubleArray:
    """A point in mm in the middle of the tumor, otherwise of the esophagus, otherwise of the CT."""
    index = (np.array(ct.size) - 1) / 2
    if regions is not None:
        places = np.argwhere(sitk.GetArrayFromImage(regions.mask(regions.scales[0])))[:, ::-1]
        away = (places - places.mean(axis=0)) * np.array(ct.spacing_mm)
        index = places[np.square(away).sum(axis=1).argmin()].astype(
            np.float64
        )  # a bent region may not hold its centroid
    return np.array(ct.image.TransformContinuousIndexToPhysicalPoint(index.tolist()))


def _snapped(ct: CtVolume, point: DoubleArray) -> DoubleArray:
    """Centre of the voxel nearest to a point."""
    index = np.rint(ct.image.TransformPhysicalPointToContinuousIndex(point.tolist()))
    index = np.clip(index, 0, np.array(ct.size) - 1).astype(int)
    return np.array(ct.image.TransformIndexToPhysicalPoint(index.tolist()))
