"""The regions of a patient on the grid of the CT: tumor, whole esophagus, and optionally the ring around the tumor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from espark.ct.files.nifti import header_texts, read_image_file, write_image_file
from espark.ct.grid import image_like, volume_ml
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.label_map import on_grid_of, read_label_map
from espark.ct.regions.labels import Label, find_label
from espark.ct.regions.rtstruct import read_rtstruct_roi, rtstruct_roi_names
from espark.ct.regions.seg import is_seg, read_seg, seg_labels
from espark.errors import RegionError
from espark.files import atomic_path
from espark.notes import Note
from espark.types import REGIONS, AnyArray, BoolArray, Outline, Region, Scale

LABELS: dict[Region, int] = {"esophagus": 1, "tumor": 2}
"""Values of `Regions.labels`."""

_NOTE = "espark regions: "
_MANY_LABELS = 12


@dataclass(frozen=True, eq=False)
class Regions:
    """The voxels of esophagus and tumor.

    Attributes:
        labels: uint8 on the grid of the CT: 1 = esophagus, 2 = tumor (used where both are).
        scales: which of the two are known, and ``peritumoral`` with a ring. The esophagus, when known, is 1 ∪ 2.
        ring: uint8 (0, 1) on the same grid: the ring around the tumor (`espark.ct.regions.ring`); None without a ring.
        tumor_inside: share of the tumor inside the esophagus as given; None if one of them is unknown.
        notes: decisions made while contours and segments were converted to masks.
    """

    labels: sitk.Image
    scales: tuple[Scale, ...]
    ring: sitk.Image | None = None
    tumor_inside: float | None = None
    notes: tuple[Note, ...] = ()

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
        chosen = labels == LABELS["tumor"] if scale == "tumor" else labels > 0
        return image_like(chosen.astype(np.uint8), self.labels)

    def volume_ml(self, scale: Scale) -> float:
        """Volume of a scale in ml.

        Raises:
            RegionError: when the scale is not known.
        """
        voxels = int(sitk.GetArrayFromImage(self.mask(scale)).sum())
        return volume_ml(voxels, self.labels.GetSpacing())


def read_regions(
    ct: CtVolume,
    *,
    esophagus_mask: Path | None = None,
    tumor_mask: Path | None = None,
    rtstruct: Path | None = None,
    tumor_roi: str | None = None,
    esophagus_roi: str | None = None,
    outline: Outline = "polygon",
) -> Regions:
    """The regions given by a user.

    A mask file is NIfTI or NRRD on the grid of the CT; its axes may be stored in a different order. It holds 0 and one
    other value, or several regions with one of them named (`espark.ct.regions.label_map`). A file of
    :func:`write_regions` may be given for both. A DICOM SEG may replace a mask file or the RTSTRUCT.

    If a region has a mask file, its name means a label of this file; otherwise it means a region of the RTSTRUCT. It
    may be a name or a number. A region with exactly this name comes first.

    Args:
        ct: the CT.
        esophagus_mask: mask file of the whole esophagus.
        tumor_mask: mask file of the tumor.
        rtstruct: DICOM RTSTRUCT with contours of either.
        tumor_roi: name or number of the tumor in its mask file or the RTSTRUCT.
        esophagus_roi: name or number of the esophagus in its mask file or the RTSTRUCT.
        outline: which voxels belong to a contour of the RTSTRUCT.

    Raises:
        RegionError: when nothing is given, or an input cannot be used.
    """
    files: dict[Region, Path | None] = {"tumor": tumor_mask, "esophagus": esophagus_mask}
    names: dict[Region, str | None] = {"tumor": tumor_roi or None, "esophagus": esophagus_roi or None}
    _check_given(files, names, rtstruct)
    masks: dict[Region, BoolArray] = {}
    notes: list[Note] = []
    for scale in REGIONS:
        file, name = files[scale], names[scale]
        drawn = file or (rtstruct if name is not None else None)
        if drawn is None:
            continue
        if file is not None and not is_seg(file):
            masks[scale] = _mask_file(file, scale, name, ct)
        else:
            seg = is_seg(drawn)
            painted = read_seg(drawn, name, ct) if seg else read_rtstruct_roi(drawn, name or "", ct, outline=outline)
            masks[scale] = sitk.GetArrayFromImage(painted.mask).astype(np.bool_)
            notes += [replace(note, text=f"{scale.capitalize()}: {note.text}") for note in painted.notes]
    return replace(regions_from_masks(ct, **masks), notes=tuple(notes))


def region_names(path: Path) -> list[str]:
    """Names of the regions of an RTSTRUCT, or labels of the segments of a DICOM SEG.

    Raises:
        RegionError: when the file is neither.
    """
    return seg_labels(path) if is_seg(path) else rtstruct_roi_names(path)


def regions_from_masks(ct: CtVolume, *, tumor: BoolArray | None = None, esophagus: BoolArray | None = None) -> Regions:
    """Regions from arrays (z, y, x) on the grid of the CT; None for an unknown region.

    Raises:
        RegionError: when both are None, or one is empty or has a different shape.
    """
    labels = np.zeros(ct.size[::-1], dtype=np.uint8)
    given: dict[Region, BoolArray | None] = {"esophagus": esophagus, "tumor": tumor}
    for scale, mask in given.items():
        if mask is None:
            continue
        if mask.shape != labels.shape:
            raise RegionError(
                f"the {scale} mask is {mask.shape} voxels", expected=f"{labels.shape}, as the CT", code="E-REGION-005"
            )
        if not mask.any():
            raise RegionError(
                f"the {scale} mask is empty", action="Draw the region, or leave the mask out.", code="E-REGION-002"
            )
        labels[mask] = LABELS[scale]
    scales = tuple(scale for scale in REGIONS if given[scale] is not None)
    if not scales:
        raise RegionError("neither tumor nor esophagus is given", code="E-REGION-001")
    shared = None if tumor is None or esophagus is None else float(np.mean(esophagus[tumor]))
    return Regions(labels=image_like(labels, ct.image), scales=scales, tumor_inside=shared)


def write_regions(path: Path, regions: Regions) -> None:
    """Write regions as NIfTI (1 = esophagus, 2 = tumor), atomically; equal regions give equal bytes.

    Args:
        path: target, ``regions.nii.gz``.
        regions: regions to write. The header lists which of the two are known. The ring goes to a separate file.
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

    In a label map without the note of espark, a scale is known if its label appears, the esophagus if label 1 does.

    Args:
        path: the file.
        ct: the CT that gives the grid; None to accept any grid.

    Raises:
        RegionError: when the file cannot be read, holds other labels, or has a different grid.
    """
    image = read_image_file(path, RegionError)
    noted = _noted_scales(image)
    labels = sitk.GetArrayFromImage(image) if ct is None else on_grid_of(ct, image, path)
    values = _values(labels)
    if not values <= {0, 1, 2} or values == {0}:
        raise RegionError(
            f"the labels are {_listed(values)}",
            where=path,
            expected="0, 1 (esophagus) and 2 (tumor), not all 0",
            code="E-REGION-009",
        )
    found = tuple(scale for scale in REGIONS if LABELS[scale] in values)
    geometry = image if ct is None else ct.image
    return Regions(labels=image_like(labels.astype(np.uint8), geometry), scales=noted or found)


def _check_given(files: dict[Region, Path | None], names: dict[Region, str | None], rtstruct: Path | None) -> None:
    of_contours = [scale for scale in REGIONS if names[scale] is not None and files[scale] is None]
    if of_contours and rtstruct is None:
        scale = of_contours[0]
        raise RegionError(
            f"the region {names[scale]} is named, but neither a mask of the {scale} nor an RTSTRUCT is given",
            action=f"Give {scale}_mask or rtstruct, or leave the name out.",
            code="E-REGION-004",
        )
    if rtstruct is not None and not of_contours:
        raise RegionError(
            "an RTSTRUCT is given, but none of its regions is named",
            where=rtstruct,
            expected=f"tumor_roi or esophagus_roi, one of: {', '.join(region_names(rtstruct)) or 'none'}",
            action="Name the region that is the tumor or the esophagus. If a region has a mask file, the name means "
            "a label in that file.",
            code="E-REGION-004",
        )
    if not of_contours and all(file is None for file in files.values()):
        raise RegionError(
            "neither tumor nor esophagus is given",
            expected="at least one of tumor_mask, esophagus_mask (NIfTI or NRRD), or rtstruct with tumor_roi or "
            "esophagus_roi",
            action="Give the region that you have. The other scale is then treated as missing.",
            code="E-REGION-001",
        )


def _mask_file(path: Path, scale: Region, name: str | None, ct: CtVolume) -> BoolArray:
    """One scale of a mask file, on the grid of the CT."""
    image = read_image_file(path, RegionError, layered=True)
    if _noted_scales(image):
        return sitk.GetArrayFromImage(_own_region(load_regions(path, ct), scale, name, path)).astype(np.bool_)
    labels = read_label_map(path, image, ct)
    return labels.only(scale) if name is None else labels.region(name)


def _own_region(regions: Regions, scale: Region, name: str | None, path: Path) -> sitk.Image:
    """A scale of a file of :func:`write_regions`, by its name if one is given."""
    if name is None:
        return regions.mask(scale)
    known = [known for known in REGIONS if known in regions.scales]
    labels = [Label(LABELS[known], known, regions.volume_ml(known)) for known in known]
    return regions.mask(known[find_label(labels, name, where=path)])


def _values(labels: AnyArray) -> set[float]:
    """The values of a label map. With few labels, looking for each takes a twentieth of the time of sorting all."""
    if labels.dtype == np.uint8 and labels.max() < _MANY_LABELS:
        return {value for value in range(int(labels.max()) + 1) if (labels == value).any()}
    return set(np.unique(labels).tolist())


def _noted_scales(image: sitk.Image) -> tuple[Region, ...]:
    """Scales that :func:`write_regions` wrote into the header; empty for other files."""
    for text in header_texts(image):
        if text.startswith(_NOTE):
            words = text.removeprefix(_NOTE).split()
            return tuple(scale for scale in REGIONS if scale in words)
    return ()


def _listed(values: set[float]) -> str:
    shown = ", ".join(f"{value:g}" for value in sorted(values)[:_MANY_LABELS])
    return shown + (" …" if len(values) > _MANY_LABELS else "")
