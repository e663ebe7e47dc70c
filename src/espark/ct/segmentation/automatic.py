"""Regions without masks of a user: found by a segmenter, completed, and checked before use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import image_like, orientation_code
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.plausibility import describe_region, misfits
from espark.ct.regions.regions import Regions, regions_from_masks
from espark.ct.segmentation.segmenter import Segmenter
from espark.ct.segmentation.sure.landmark_cut import cut_to_landmarks
from espark.ct.segmentation.wall import THICK_MM, thick_part
from espark.errors import RegionError
from espark.notes import Note
from espark.types import BoolArray, Region


@dataclass(frozen=True, eq=False)
class AutomaticRegions:
    """Regions found by a segmenter.

    Attributes:
        regions: the regions without doubts.
        segmenter: name of the segmenter.
        notes: what a reader of the results must know.
    """

    regions: Regions
    segmenter: str
    notes: tuple[Note, ...]


def find_regions(ct: CtVolume, segmenter: Segmenter) -> AutomaticRegions:
    """Segment a CT.

    The esophagus is cut to the part that fits the landmarks of the CT. If the segmenter does not look for a tumor, the
    part of the esophagus with a thick wall is proposed. A region with doubtful length, volume or position is left out,
    and the notes give the reason. A region that the segmenter itself doubts is left out too. Without an esophagus
    there is no tumor, nor outside it.

    Args:
        ct: the CT.
        segmenter: the segmenter.

    Raises:
        RegionError: when no region is found, or all regions are doubtful.
    """
    found = segmenter.segment(ct)
    said = f"The regions are automatic ({segmenter.name}); no person has checked them."
    notes = [Note("N-REGION-001", said), *(Note("N-REGION-002", _sentence(remark)) for remark in found.notes)]
    found, cut = cut_to_landmarks(ct, found)
    notes.extend(cut)
    masks: dict[Region, BoolArray | None] = {"esophagus": found.esophagus, "tumor": found.tumor}
    if found.esophagus is not None and found.tumor is None and not segmenter.finds_tumor:
        masks["tumor"], note = _proposed(ct, found.esophagus)
        notes.append(note)
    kept = dict(masks)
    for scale, mask in masks.items():
        if mask is None:
            continue
        description = describe_region(ct, image_like(mask.astype(np.uint8), ct.image))
        if reasons := (*found.doubts.get(scale, ()), *misfits(description, scale)):
            kept[scale] = None
            text = f"The automatic {scale} is doubtful and was left out: {'; '.join(reasons)}."
            notes.append(Note("D-REGION-001", text))
        elif description.touches_border:
            text = f"The automatic {scale} reaches the border of the CT and may be cut off."
            notes.append(Note("N-REGION-005", text))
    if masks["esophagus"] is not None and kept["esophagus"] is None and kept["tumor"] is not None:
        kept["tumor"] = None
        notes.append(Note("N-REGION-006", "The automatic tumor was left out with the esophagus around it."))
    if kept["esophagus"] is None and kept["tumor"] is None:
        raise RegionError(
            "the automatic segmentation gives no reliable region: " + " ".join(note.text for note in notes[1:]),
            action="Outline tumor, esophagus or both, and give the masks.",
            code="E-REGION-017",
        )
    regions = regions_from_masks(ct, esophagus=kept["esophagus"], tumor=kept["tumor"])
    return AutomaticRegions(regions, segmenter.name, tuple(notes))


def with_proposed_tumor(ct: CtVolume, regions: Regions) -> tuple[Regions, tuple[Note, ...]]:
    """Regions of a user, with a proposed tumor if only the esophagus is given.

    Args:
        ct: the CT.
        regions: the regions given by the user.

    Returns:
        The regions with the thick-walled part of the esophagus as tumor, if it is plausible, and notes about it. The
        unchanged regions without notes, if the tumor is given or the esophagus is unknown.
    """
    if "tumor" in regions.scales or "esophagus" not in regions.scales:
        return regions, ()
    esophagus = np.asarray(sitk.GetArrayFromImage(regions.mask("esophagus")) > 0)
    tumor, note = _proposed(ct, esophagus)
    if tumor is None:
        return regions, (note,)
    if reasons := misfits(describe_region(ct, image_like(tumor.astype(np.uint8), ct.image)), "tumor"):
        text = f"The part of the esophagus with a thick wall is unlikely to be a tumor: {'; '.join(reasons)}."
        return regions, (Note("N-REGION-004", text),)
    unchecked = Note("N-REGION-003", "No person has checked the proposed tumor.")
    completed = regions_from_masks(ct, esophagus=esophagus, tumor=tumor)
    return replace(completed, notes=regions.notes), (note, unchecked)


def _proposed(ct: CtVolume, esophagus: BoolArray) -> tuple[BoolArray | None, Note]:
    """The thick part of an esophagus, for any storage order of the axes, and a note about it."""
    upright = CtVolume(sitk.DICOMOrient(ct.image, "LPS"), ct.source)
    mask = sitk.GetArrayFromImage(sitk.DICOMOrient(image_like(esophagus.astype(np.uint8), ct.image), "LPS")) > 0
    thick = thick_part(upright, mask)
    if thick is None:
        return None, Note("N-REGION-004", "No part of the esophagus has a thick wall, so no tumor is proposed.")
    back = sitk.DICOMOrient(image_like(thick.astype(np.uint8), upright.image), orientation_code(ct.image))
    text = f"The tumor is a proposal: the part of the esophagus with a wall thicker than {THICK_MM:g} mm."
    return np.asarray(sitk.GetArrayFromImage(back) > 0), Note("N-REGION-003", text)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."
