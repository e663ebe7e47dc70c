"""Checks whether the regions of a user look like an esophagus and its tumor.

An impossible region is an error: a region of a few voxels, as large as the body, in air or lung, or with every second
slice empty. An unusual region gives a doubt in words and is used. The limits are wide on purpose: contours for
radiotherapy often show only a part of the esophagus, or include the air of its lumen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.plausibility import TUMOR_SIZES, RegionDescription, describe_region
from espark.ct.regions.regions import LABELS, Regions
from espark.errors import RegionError
from espark.notes import Note
from espark.types import REGIONS, BoolArray, Region
from espark.wording import percent

_FEWEST_VOXELS = 10
_LARGEST_ML = 1000
_IN_AIR = 0.9
_MOST_AIR = 0.5
_LEAST_SOFT = 0.15
_MOST_BRIGHT = 0.25
_DARKEST_TUMOR_HU = -50
_MOST_LUNG_AROUND = 0.45
_OFF_MIDLINE = 0.12
_CHEST_DEPTH = (0.4, 0.75)  # of the esophagus, from the front of the chest to the back; the heart lies before it
_LEAST_BODY_MM = 150.0  # a narrower body was cut out or masked
_LEAST_INSIDE = 0.5
_NEAR_MM = 5.0
_COARSE_MM, _APART_MM = 10.0, 30.0
_TOUCHING = np.ones((3, 3, 3))
_LARGEST_PART: dict[Region, float] = {"tumor": 0.7, "esophagus": 0.5}
_COMB_GAPS, _COMB_SHARE = 3, 0.25

_SIZES: dict[Region, tuple[tuple[float, float], tuple[float, float]]] = {
    "tumor": TUMOR_SIZES,
    "esophagus": ((2, 400), (20, 400)),
}
"""Limits of volume in ml and length in mm. A value within them is not doubtful."""
_WIDEST_MM = 90.0


def judge(ct: CtVolume, regions: Regions) -> tuple[Note, ...]:
    """Doubts about the regions of a user.

    Args:
        ct: the CT.
        regions: the regions outlined on it.

    Raises:
        RegionError: when a region cannot be an esophagus or a tumor.
    """
    found: list[Note] = []
    upright = CtVolume(sitk.DICOMOrient(ct.image, "LPS"), ct.source)
    regions = replace(regions, labels=sitk.DICOMOrient(regions.labels, "LPS"), ring=None)
    for region in REGIONS:
        if region not in regions.scales:
            continue
        mask = regions.mask(region)
        _check_possible(region, sitk.GetArrayViewFromImage(mask) > 0, regions.volume_ml(region))
        whole = describe_region(upright, mask)
        found += [*_doubts_of_size(region, whole), *_doubts_of_parts(region, mask)]
        own = describe_region(upright, _without_tumor(regions)) if region == "esophagus" else whole
        _check_tissue(region, own)
        found += _doubts_of_tissue(region, own)
    return (*found, *_doubts_of_both(regions))


def _without_tumor(regions: Regions) -> sitk.Image:
    """The esophagus beside the tumor, so that a tumor outside of it hides nothing; all of it where little is left."""
    mask = regions.labels == LABELS["esophagus"]
    few = int(sitk.GetArrayViewFromImage(mask).sum()) < _FEWEST_VOXELS
    return regions.mask("esophagus") if few else mask


def _check_possible(region: Region, inside: BoolArray, volume_ml: float) -> None:
    """Refuse a region by its voxels, without the CT."""
    voxels = int(inside.sum())
    if voxels < _FEWEST_VOXELS:
        raise RegionError(
            f"the {region} has {voxels} voxel{'s' if voxels > 1 else ''}",
            expected=f"at least {_FEWEST_VOXELS} voxels, so that features can be computed",
            action="Draw the region again, or leave it out.",
            code="E-REGION-021",
        )
    if volume_ml > _LARGEST_ML:
        faces = np.concatenate([np.take(inside, [0, -1], axis=axis).ravel() for axis in range(3)])
        inverted = faces.mean() > _MOST_AIR
        hint = "The mask seems to be inverted: it holds the border of the image. " if inverted else ""
        raise RegionError(
            f"the {region} has a volume of {volume_ml / 1000:.1f} l",
            expected=f"less than {_LARGEST_ML / 1000:g} l",
            action=f"{hint}Check that the mask is 0 outside the {region}, and the size of a voxel.",
            code="E-REGION-019",
        )
    filled = np.flatnonzero(inside.any(axis=(1, 2)))
    gaps = np.diff(filled) > 1
    empty = int(filled[-1] - filled[0] + 1 - len(filled))
    if gaps.sum() >= _COMB_GAPS and empty > _COMB_SHARE * (len(filled) + empty):
        raise RegionError(
            f"{empty} of the {len(filled) + empty} slices between the ends of the {region} are empty",
            expected="a region that is drawn on every slice",
            action="Fill the region between the slices on which it was drawn (3D Slicer: Fill between slices).",
            code="E-REGION-022",
        )


def _check_tissue(region: Region, description: RegionDescription) -> None:
    if description.air_share >= _IN_AIR:
        raise RegionError(
            f"{percent(description.air_share)} of the {region} is air or lung",
            expected="soft tissue",
            action="Check that the region belongs to this CT and was not flipped, and that it is not the windpipe.",
            code="E-REGION-020",
        )


def _doubts_of_size(region: Region, found: RegionDescription) -> Iterator[Note]:
    """Doubts about how large a region is, how many parts it has, and whether all of it is seen."""
    volume, length = _SIZES[region]
    for value, (low, high), what, unit in (
        (found.volume_ml, volume, "volume", "ml"),
        (found.length_mm, length, "length from head to feet", "mm"),
        (found.max_axial_diameter_mm, (0, _WIDEST_MM), "axial diameter", "mm"),
    ):
        if not low <= value <= high:
            usual = f"{low:g} to {high:g}" if low else f"up to {high:g}"
            yield Note("D-REGION-005", f"The {what} of the {region} is {value:.3g} {unit} (usual: {usual}).")
    if found.largest_part < _LARGEST_PART[region]:
        text = f"The {region} consists of {found.components} separate parts; the largest holds "
        yield Note("D-REGION-011", f"{text}{percent(found.largest_part)} of it.")
    if region == "tumor" and found.touches_border:
        yield Note("N-REGION-005", "The tumor reaches the border of the CT and may be cut off.")


def _doubts_of_parts(region: Region, mask: sitk.Image) -> Iterator[Note]:
    """Doubts about strokes far away from the rest, such as a stray click."""
    places = np.argwhere(sitk.GetArrayViewFromImage(mask)) * np.array(mask.GetSpacing())[::-1]
    coarse = np.floor((places - places.min(axis=0)) / _COARSE_MM).astype(np.int64) + 1
    grid = np.zeros(coarse.max(axis=0) + 2, dtype=np.bool_)
    grid[tuple(coarse.T)] = True
    parts, count = ndimage.label(ndimage.binary_dilation(grid, _TOUCHING), _TOUCHING)
    if count > 1:
        sizes = np.bincount(parts[tuple(coarse.T)])
        share = percent(1 - sizes.max() / len(places))
        yield Note("D-REGION-012", f"{share} of the {region} lies more than {_APART_MM:g} mm from the rest.")


def _doubts_of_tissue(region: Region, found: RegionDescription) -> Iterator[Note]:
    """Doubts about what a region is made of, and where it lies."""
    if found.air_share > _MOST_AIR:
        yield Note("D-REGION-006", f"{percent(found.air_share)} of the {region} is air or lung.")
    elif found.soft_share < _LEAST_SOFT:
        yield Note("D-REGION-006", f"Only {percent(found.soft_share)} of the {region} is soft tissue.")
    if region == "tumor" and found.median_hu < _DARKEST_TUMOR_HU:
        yield Note("D-REGION-006", f"The tumor is as dark as fat (median {found.median_hu:.0f} HU).")
    if found.bright_share > _MOST_BRIGHT:
        text = f"{percent(found.bright_share)} of the {region} is as bright as bone, metal or contrast medium."
        yield Note("D-REGION-006", text)
    if found.shell_lung_share > _MOST_LUNG_AROUND:
        text = f"{percent(found.shell_lung_share)} of the tissue around the {region} is lung."
        yield Note("D-REGION-007", text)
    if abs(found.midline_offset) > _OFF_MIDLINE and found.body_width_mm >= _LEAST_BODY_MM:
        side = "left" if found.midline_offset > 0 else "right"
        text = f"{percent(abs(found.midline_offset))} of the body's width to the patient's {side} of the midline"
        yield Note("D-REGION-008", f"The {region} lies {text}.")
    if not _CHEST_DEPTH[0] <= found.chest_depth <= _CHEST_DEPTH[1] and np.isfinite(found.chest_depth):
        where = "front" if found.chest_depth < _CHEST_DEPTH[0] else "back"
        text = f"{percent(found.chest_depth)} of the way from the front of the chest to the back"
        yield Note("D-REGION-008", f"The {region} lies too far to the {where} ({text}).")


def _doubts_of_both(regions: Regions) -> Iterator[Note]:
    """Doubts about the positions of tumor and esophagus relative to each other."""
    if regions.tumor_inside is None:
        return
    labels = sitk.GetArrayViewFromImage(regions.labels)
    tumor, beside = labels == LABELS["tumor"], labels == LABELS["esophagus"]
    if beside.sum() == 0:
        text = "The esophagus lies wholly inside the tumor; the two may have been swapped."
        yield Note("D-REGION-010", text)
    elif regions.tumor_inside < _LEAST_INSIDE and not _drawn_around(tumor, beside, regions.labels.GetSpacing()):
        text = f"{percent(1 - regions.tumor_inside)} of the tumor lies outside the esophagus."
        yield Note("D-REGION-009", text)


def _drawn_around(tumor: BoolArray, beside: BoolArray, spacing: tuple[float, ...]) -> bool:
    """Whether the esophagus excludes the tumor, and continues above or below it."""
    slices = np.flatnonzero(tumor.any(axis=(1, 2)))
    without = ~beside[slices].any(axis=(1, 2))
    away = ndimage.distance_transform_edt(~tumor, sampling=spacing[::-1])
    return bool(without.mean() > _LEAST_INSIDE and away[beside].min() <= _NEAR_MM)
