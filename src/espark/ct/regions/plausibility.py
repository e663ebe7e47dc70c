"""Numbers that describe a region, and limits for an esophagus and its tumor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from espark.ct.grid import volume_ml
from espark.ct.hounsfield import CtVolume
from espark.errors import RegionError
from espark.types import AnyArray, BoolArray, DoubleArray, Region
from espark.wording import percent

_AIR_HU = -500
_BODY_HU = -300
_EMPTY_HU = -970
_SOFT_HU = (-150, 200)
_BRIGHT_HU = 300
_SHELL_MM = 5.0
_BODY_SLICES = 9
_LUNG_HU = (-960, -600)
_CHEST_LUNG = 0.2  # share of the box around the body that is lung, in slices of the chest


_TUMOR_HU = (-50, 150)
"""Usual median of a tumor: fat is darker, and blood vessels and bone are brighter in any phase of contrast medium."""

TUMOR_SIZES = ((0.5, 300), (5, 200))
"""Usual volume in ml and length in mm of a tumor, drawn or automatic, in training and for a new patient."""


@dataclass(frozen=True)
class RegionDescription:
    """A region in numbers.

    Attributes:
        volume_ml: volume.
        length_mm: extent from head to feet.
        max_axial_diameter_mm: largest distance between the centres of two voxels in one axial slice, plus one voxel.
        mean_hu: mean Hounsfield units.
        air_share: share of the region below −500 HU.
        shell_air_share: share of the 5 mm around it below −500 HU (lung, air).
        touches_border: whether it reaches the first or last slice, row or column of the CT.
        components: number of separate parts (voxels that share a corner are one part).
        midline_offset: from the middle of the body to the centroid of the region, as a share of the body width;
            positive to the patient's left. NaN when no body is found.
        body_width_mm: width of the body at the region; NaN when no body is found.
        chest_depth: where its centroid lies from the front (0) to the back (1) of the chest; NaN where most slices of
            the region show no lungs.
        median_hu: median Hounsfield units.
        soft_share: share of the region from −150 to 200 HU.
        bright_share: share of the region above 300 HU.
        shell_lung_share: share of the 5 mm around it from −970 to −500 HU: lung, but not the air around the body.
        largest_part: share of the region in its largest part.
    """

    volume_ml: float
    length_mm: float
    max_axial_diameter_mm: float
    mean_hu: float
    air_share: float
    shell_air_share: float
    touches_border: bool
    components: int
    midline_offset: float
    body_width_mm: float
    chest_depth: float
    median_hu: float
    soft_share: float
    bright_share: float
    shell_lung_share: float
    largest_part: float


@dataclass(frozen=True)
class _Bounds:
    """Largest values that are not yet doubtful."""

    volume_ml: tuple[float, float]
    length_mm: tuple[float, float]
    max_axial_diameter_mm: float
    shell_air_share: float
    midline_offset: float


# Wide on purpose: locally advanced tumors of the esophagus are mostly 3–10 cm long and 10–80 ml large; an adult
# esophagus is 20–25 cm long, lies up to 2–3 cm left or right of the midline, and borders on the lung only in part.
_BOUNDS: dict[Region, _Bounds] = {
    "tumor": _Bounds(*TUMOR_SIZES, 90, 0.45, 0.12),
    "esophagus": _Bounds((5, 300), (60, 350), 90, 0.45, 0.12),
}


def describe_region(ct: CtVolume, mask: sitk.Image) -> RegionDescription:
    """Describe a region.

    Args:
        ct: the CT.
        mask: (0, 1) on its grid.

    Raises:
        RegionError: when the mask is empty.
    """
    upright = sitk.DICOMOrient(ct.image, "LPS")
    region = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "LPS")) > 0
    if not region.any():
        raise RegionError("the mask is empty", code="E-REGION-002")
    hu = sitk.GetArrayViewFromImage(upright)
    spacing = np.array(upright.GetSpacing())[::-1]  # z, y, x
    box = _extent(region)
    places = np.argwhere(region[box]) + [axis.start for axis in box]
    inside = hu[box][region[box]]
    shell = _shell(hu, region, places, spacing)
    parts = ndimage.label(region[box], np.ones((3, 3, 3)))[0]
    place = _place(hu, places)
    edges = (places.min(axis=0) == 0) | (places.max(axis=0) == np.array(region.shape) - 1)
    return RegionDescription(
        volume_ml=volume_ml(len(places), upright.GetSpacing()),
        length_mm=float((np.ptp(places[:, 0]) + 1) * spacing[0]),
        max_axial_diameter_mm=max(_diameter(places[places[:, 0] == z][:, 1:] * spacing[1:]) for z in set(places[:, 0]))
        + float(spacing[1:].min()),
        mean_hu=float(inside.mean()),
        air_share=float(np.mean(inside < _AIR_HU)),
        shell_air_share=float(np.mean(shell < _AIR_HU)) if len(shell) else 0.0,
        touches_border=bool(edges.any()),
        components=int(parts.max()),
        midline_offset=place.midline_offset,
        body_width_mm=place.width * float(spacing[2]),
        chest_depth=place.chest_depth,
        median_hu=float(np.median(inside)),
        soft_share=float(np.mean((inside >= _SOFT_HU[0]) & (inside <= _SOFT_HU[1]))),
        bright_share=float(np.mean(inside > _BRIGHT_HU)),
        shell_lung_share=float(np.mean((shell > _EMPTY_HU) & (shell < _AIR_HU))) if len(shell) else 0.0,
        largest_part=float(np.bincount(parts.ravel())[1:].max() / len(places)),
    )


def doubts(description: RegionDescription, scale: Region) -> tuple[str, ...]:
    """Reasons why a region does not look like an esophagus or its tumor; empty when there are none."""
    found = misfits(description, scale)
    if scale == "tumor" and not _TUMOR_HU[0] <= description.median_hu <= _TUMOR_HU[1]:
        usual = f"{_TUMOR_HU[0]} to {_TUMOR_HU[1]}"
        found = (*found, f"its median is {description.median_hu:.0f} HU (usual: {usual})")
    return (*found, "it reaches the border of the CT and may be cut off") if description.touches_border else found


def misfits(description: RegionDescription, scale: Region) -> tuple[str, ...]:
    """What is unusual in the size, surroundings and position of a region. Being cut off by the CT does not count."""
    bounds = _BOUNDS[scale]
    found = []
    for value, (low, high), what, unit in (
        (description.volume_ml, bounds.volume_ml, "volume", "ml"),
        (description.length_mm, bounds.length_mm, "length from head to feet", "mm"),
        (description.max_axial_diameter_mm, (0, bounds.max_axial_diameter_mm), "axial diameter", "mm"),
    ):
        if not low <= value <= high:
            usual = f"{low:g} to {high:g}" if low else f"up to {high:g}"
            found.append(f"{what} {value:.0f} {unit} (usual: {usual})")
    if description.shell_air_share > bounds.shell_air_share:
        found.append(f"{percent(description.shell_air_share)} of its surroundings are lung or air")
    if abs(description.midline_offset) > bounds.midline_offset:
        side = "left" if description.midline_offset > 0 else "right"
        found.append(f"it lies {percent(abs(description.midline_offset))} of the body's width to the patient's {side}")
    return tuple(found)


def _extent(region: BoolArray) -> tuple[slice, ...]:
    """The box around a region; slice by slice, because searching a whole CT for single voxels takes long."""
    slices = np.flatnonzero(np.any(region, axis=(1, 2)))
    seen: BoolArray = np.any(region[slices[0] : slices[-1] + 1], axis=0)
    found = (slices, np.flatnonzero(np.any(seen, axis=1)), np.flatnonzero(np.any(seen, axis=0)))
    return tuple(slice(int(places[0]), int(places[-1]) + 1) for places in found)


def _box(places: AnyArray, shape: tuple[int, ...], margin: AnyArray) -> tuple[slice, ...]:
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = np.minimum(places.max(axis=0) + margin + 1, shape)
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _shell(hu: AnyArray, region: BoolArray, places: AnyArray, spacing: DoubleArray) -> AnyArray:
    """Values of the voxels around a region, up to 5 mm away from its voxels ``places``."""
    box = _box(places, region.shape, np.ceil(_SHELL_MM / spacing).astype(int))
    away = ndimage.distance_transform_edt(~region[box], sampling=spacing)
    around: AnyArray = hu[box][(away > 0) & (away <= _SHELL_MM)]
    return around


def _diameter(points: DoubleArray) -> float:
    """Largest distance between two points."""
    if len(points) > 3:
        try:
            points = points[ConvexHull(points).vertices]
        except QhullError:  # all on one line
            points = points[[points.sum(axis=1).argmin(), points.sum(axis=1).argmax()]]
    return float(pdist(points).max()) if len(points) > 1 else 0.0


@dataclass(frozen=True)
class _Place:
    """Where a region lies in the body, as medians over up to nine of its slices; NaN when unknown.

    Attributes:
        midline_offset: distance of its centroid from the middle of the body, in body widths.
        width: width of the body in voxels.
        chest_depth: its centroid from the front (0) to the back (1) of the chest.
    """

    midline_offset: float
    width: float
    chest_depth: float


def _place(hu: AnyArray, places: AnyArray) -> _Place:
    offsets, widths, depths = [], [], []
    slices = np.unique(places[:, 0])
    shown = slices[np.linspace(0, len(slices) - 1, min(len(slices), _BODY_SLICES)).astype(int)]
    for z in shown:
        parts, count = ndimage.label(hu[z] > _BODY_HU)
        if not count:
            continue
        rows, columns = ndimage.find_objects(parts)[np.bincount(parts.ravel())[1:].argmax()]
        height, width = rows.stop - rows.start, columns.stop - columns.start
        y, x = places[places[:, 0] == z][:, 1:].mean(axis=0)
        offsets.append((x - (columns.start + columns.stop - 1) / 2) / width)
        widths.append(width)
        inside = hu[z][rows, columns]
        if np.mean((inside > _LUNG_HU[0]) & (inside < _LUNG_HU[1])) >= _CHEST_LUNG:
            depths.append((y - rows.start) / height)
    if not offsets:
        return _Place(float("nan"), float("nan"), float("nan"))
    in_chest = 2 * len(depths) >= len(shown)
    depth = float(np.median(depths)) if in_chest else float("nan")
    return _Place(float(np.median(offsets)), float(np.median(widths)), depth)
