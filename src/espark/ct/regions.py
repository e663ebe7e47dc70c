"""The regions of a patient on the CT's grid: tumor and whole esophagus, and perhaps the ring around the tumor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import describe_grid, image_like, onto_grid
from espark.ct.hounsfield import CtVolume
from espark.ct.nifti import header_texts, read_image_file, write_image_file
from espark.ct.rtstruct import read_rtstruct_roi, rtstruct_roi_names
from espark.ct.seg import is_seg, read_seg, seg_labels
from espark.errors import RegionError
from espark.files import atomic_path
from espark.types import REGIONS, AnyArray, BoolArray, Region, Scale

_LABEL: dict[Region, int] = {"esophagus": 1, "tumor": 2}
_NOTE = "espark regions: "
_MANY_LABELS = 12


@dataclass(frozen=True, eq=False)
class Regions:
    """Which voxels are esophagus and tumor.

    Attributes:
        labels: uint8 on the CT's own grid: 1 = esophagus, 2 = tumor (which wins where both are).
        scales: which of the two are known, and ``peritumoral`` with a ring. The esophagus, when known, is 1 ∪ 2.
        ring: uint8 (0, 1) on the same grid: the ring around the tumor (`espark.ct.ring`); None without.
    """

    labels: sitk.Image
    scales: tuple[Scale, ...]
    ring: sitk.Image | None = None

    def mask(self, scale: Scale) -> sitk.Image:
        """uint8 mask (0, 1) of a scale.

        Raises:
            RegionError: when the scale is not known.
        """
        if scale not in self.scales:
            raise RegionError(
                f"the {scale} is not known", expected=f"one of: {', '.join(self.scales)}", action="Give its mask."
            )
        if scale == "peritumoral" and self.ring is not None:
            return self.ring
        labels = sitk.GetArrayViewFromImage(self.labels)
        chosen = labels == _LABEL["tumor"] if scale == "tumor" else labels > 0
        return image_like(chosen.astype(np.uint8), self.labels)

    def volume_ml(self, scale: Scale) -> float:
        """Volume of a scale in ml.

        Raises:
            RegionError: when the scale is not known.
        """
        voxels = int(sitk.GetArrayFromImage(self.mask(scale)).sum())
        return voxels * float(np.prod(self.labels.GetSpacing())) / 1000


def read_regions(
    ct: CtVolume,
    *,
    esophagus_mask: Path | None = None,
    tumor_mask: Path | None = None,
    rtstruct: Path | None = None,
    tumor_roi: str | None = None,
    esophagus_roi: str | None = None,
) -> Regions:
    """The regions that a user hands in.

    A mask file is NIfTI or NRRD on the CT's grid; its axes may be stored in another order. It holds 0 and one other
    value. A file that :func:`write_regions` wrote may be given for both. A DICOM SEG may stand in for a mask file
    (when it has one segment) or for the RTSTRUCT (its labels are then the region names).

    Args:
        ct: the CT.
        esophagus_mask: mask file of the whole esophagus.
        tumor_mask: mask file of the tumor.
        rtstruct: DICOM RTSTRUCT with contours of either.
        tumor_roi: name of the tumor in the RTSTRUCT.
        esophagus_roi: name of the esophagus in the RTSTRUCT.

    Raises:
        RegionError: when nothing is given, or something given cannot be used.
    """
    files: dict[Region, Path | None] = {"tumor": tumor_mask, "esophagus": esophagus_mask}
    names: dict[Region, str | None] = {"tumor": tumor_roi or None, "esophagus": esophagus_roi or None}
    _check_given(files, names, rtstruct)
    masks: dict[Region, BoolArray] = {}
    for scale in REGIONS:
        file, name = files[scale], names[scale]
        if file is not None:
            masks[scale] = _mask_file(file, scale, ct)
        elif name is not None and rtstruct is not None:
            masks[scale] = sitk.GetArrayFromImage(_named_region(rtstruct, name, ct)).astype(np.bool_)
    return regions_from_masks(ct, **masks)


def region_names(path: Path) -> list[str]:
    """Names of the regions of an RTSTRUCT, or labels of the segments of a DICOM SEG.

    Raises:
        RegionError: when the file is neither.
    """
    return seg_labels(path) if path.is_file() and is_seg(path) else rtstruct_roi_names(path)


def regions_from_masks(ct: CtVolume, *, tumor: BoolArray | None = None, esophagus: BoolArray | None = None) -> Regions:
    """Regions from arrays (z, y, x) on the CT's grid; None where a region is not known.

    Raises:
        RegionError: when both are None, or one is empty or of another shape.
    """
    labels = np.zeros(ct.size[::-1], dtype=np.uint8)
    given: dict[Region, BoolArray | None] = {"esophagus": esophagus, "tumor": tumor}
    for scale, mask in given.items():
        if mask is None:
            continue
        if mask.shape != labels.shape:
            raise RegionError(f"the {scale} mask is {mask.shape} voxels", expected=f"{labels.shape}, as the CT")
        if not mask.any():
            raise RegionError(f"the {scale} mask is empty", action="Draw the region, or leave the mask out.")
        labels[mask] = _LABEL[scale]
    scales = tuple(scale for scale in REGIONS if given[scale] is not None)
    if not scales:
        raise RegionError("neither tumor nor esophagus is given")
    return Regions(labels=image_like(labels, ct.image), scales=scales)


def write_regions(path: Path, regions: Regions) -> None:
    """Write regions as NIfTI (1 = esophagus, 2 = tumor), atomically; equal regions give equal bytes.

    Args:
        path: target, ``regions.nii.gz``.
        regions: what to write. Which of the two are known is noted in the header. The ring goes to a file of its own.
    """
    known = [region for region in REGIONS if region in regions.scales]
    with atomic_path(path) as temporary:
        write_image_file(temporary, regions.labels, note=_NOTE + " ".join(known))


def write_mask(path: Path, mask: sitk.Image) -> None:
    """Write a mask (0, 1) as NIfTI, atomically; equal masks give equal bytes."""
    with atomic_path(path) as temporary:
        write_image_file(temporary, mask)


def load_regions(path: Path, ct: CtVolume | None = None) -> Regions:
    """Read a file of :func:`write_regions`, or any label map with 1 = esophagus and 2 = tumor.

    In a label map without espark's note, a scale is known when its label is there, and the esophagus when label 1 is.

    Args:
        path: the file.
        ct: the CT on whose grid it must be; None to take it as it is.

    Raises:
        RegionError: when the file cannot be read, holds other labels, or is on another grid.
    """
    image = read_image_file(path, RegionError)
    noted = _noted_scales(image)
    labels = sitk.GetArrayFromImage(image) if ct is None else _on_ct(path, image, ct)
    values = set(np.unique(labels).tolist())
    if not values <= {0, 1, 2} or values == {0}:
        raise RegionError(
            f"the labels are {_listed(values)}", where=path, expected="0, 1 (esophagus) and 2 (tumor), not all 0"
        )
    found = tuple(scale for scale in REGIONS if _LABEL[scale] in values)
    geometry = image if ct is None else ct.image
    return Regions(labels=image_like(labels.astype(np.uint8), geometry), scales=noted or found)


def _check_given(files: dict[Region, Path | None], names: dict[Region, str | None], rtstruct: Path | None) -> None:
    for scale in REGIONS:
        if files[scale] is not None and names[scale] is not None:
            raise RegionError(
                f"the {scale} is given twice, as a mask and as a region of the RTSTRUCT",
                where=files[scale],
                action=f"Leave out {scale}_mask or {scale}_roi.",
            )
    named = [name for name in names.values() if name is not None]
    if named and rtstruct is None:
        raise RegionError(
            f"the region {named[0]} is named, but no RTSTRUCT is given", action="Give rtstruct, or leave the name out."
        )
    if rtstruct is not None and not named:
        raise RegionError(
            "an RTSTRUCT is given, but none of its regions is named",
            where=rtstruct,
            expected=f"tumor_roi or esophagus_roi, one of: {', '.join(region_names(rtstruct)) or 'none'}",
            action="Name the region that is the tumor or the esophagus.",
        )
    if not named and all(file is None for file in files.values()):
        raise RegionError(
            "neither tumor nor esophagus is given",
            expected="at least one of tumor_mask, esophagus_mask (NIfTI or NRRD), or rtstruct with tumor_roi or "
            "esophagus_roi",
            action="Give the region that is known; the other scale is then treated as missing.",
        )


def _named_region(path: Path, name: str, ct: CtVolume) -> sitk.Image:
    """A region of an RTSTRUCT or a segment of a DICOM SEG."""
    if path.is_file() and is_seg(path):
        return read_seg(path, name, ct)
    return read_rtstruct_roi(path, name, ct)


def _mask_file(path: Path, scale: Region, ct: CtVolume) -> BoolArray:
    """One scale of a mask file, on the CT's grid."""
    if path.is_file() and is_seg(path):
        return sitk.GetArrayFromImage(read_seg(path, None, ct)).astype(np.bool_)
    image = read_image_file(path, RegionError)
    if _noted_scales(image):
        return sitk.GetArrayFromImage(load_regions(path, ct).mask(scale)).astype(np.bool_)
    voxels = _on_ct(path, image, ct)
    values = np.unique(voxels)
    values = values[values != 0]
    if not len(values):
        raise RegionError(
            f"the {scale} mask is empty",
            where=path,
            expected="at least one voxel that is not 0",
            action="Draw the region, or leave the mask out: the scale is then treated as missing.",
        )
    if len(values) > 1 or not np.isfinite(values).all():
        whole = np.array_equal(values, np.rint(values))
        raise RegionError(
            f"the {scale} mask holds several {'labels' if whole else 'fractions'} ({_listed(set(values.tolist()))})",
            where=path,
            expected="0 outside and one other value inside",
            action=f"Save the label of the {scale} in a file of its own."
            if whole
            else "Save it with nearest-neighbor interpolation, or cut it at one half.",
        )
    inside: BoolArray = voxels != 0
    return inside


def _on_ct(path: Path, image: sitk.Image, ct: CtVolume) -> AnyArray:
    """Voxels (z, y, x) of a mask in the CT's storage order."""
    fitted = onto_grid(image, ct.image)
    if fitted is None:
        raise RegionError(
            f"the mask lies on another grid than the CT: {describe_grid(image)}",
            where=path,
            expected=f"the CT's grid: {describe_grid(ct.image)}",
            action="Give the CT on which the mask was drawn, or resample the mask onto the CT with nearest-neighbor "
            "interpolation (3D Slicer: Resample Image (BRAINS), reference image = CT).",
        )
    return sitk.GetArrayFromImage(fitted)


def _noted_scales(image: sitk.Image) -> tuple[Region, ...]:
    """Scales that :func:`write_regions` noted in the header; empty for other files."""
    for text in header_texts(image):
        if text.startswith(_NOTE):
            words = text.removeprefix(_NOTE).split()
            return tuple(scale for scale in REGIONS if scale in words)
    return ()


def _listed(values: set[float]) -> str:
    shown = ", ".join(f"{value:g}" for value in sorted(values)[:_MANY_LABELS])
    return shown + (" …" if len(values) > _MANY_LABELS else "")
