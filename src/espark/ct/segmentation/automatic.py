"""Regions that nobody drew: found by a segmenter, completed, and judged before they are passed on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import image_like, orientation_code
from espark.ct.hounsfield import CtVolume
from espark.ct.plausibility import describe_region, misfits
from espark.ct.regions import Regions, regions_from_masks
from espark.ct.segmentation.base import Segmenter
from espark.ct.segmentation.wall import THICK_MM, thick_part
from espark.errors import RegionError
from espark.types import BoolArray, Region


@dataclass(frozen=True, eq=False)
class AutomaticRegions:
    """Regions found by a segmenter.

    Attributes:
        regions: those that nothing speaks against.
        segmenter: name of the segmenter.
        notes: what a reader of any result must know.
    """

    regions: Regions
    segmenter: str
    notes: tuple[str, ...]


def find_regions(ct: CtVolume, segmenter: Segmenter) -> AutomaticRegions:
    """Segment a CT.

    Where the segmenter knows no tumor, the part of the esophagus with a thick wall is proposed. A region whose
    length, volume or position is doubtful is left out, and the notes say why; so is one that the segmenter itself
    doubts. Without an esophagus there is no tumor.

    Args:
        ct: the CT.
        segmenter: which one.

    Raises:
        RegionError: when nothing is found, or nothing that can be trusted.
    """
    found = segmenter.segment(ct)
    notes = [f"The regions are automatic ({segmenter.name}); nobody has checked them.", *map(_sentence, found.notes)]
    masks: dict[Region, BoolArray | None] = {"esophagus": found.esophagus, "tumor": found.tumor}
    if found.esophagus is not None and found.tumor is None and not segmenter.finds_tumor:
        masks["tumor"] = _proposed(ct, found.esophagus)
        notes.append(
            f"The tumor is proposed as the part of the esophagus whose wall is thicker than {THICK_MM:g} mm."
            if masks["tumor"] is not None
            else "No part of the esophagus has a thick wall, so no tumor is proposed."
        )
    kept = dict(masks)
    for scale, mask in masks.items():
        if mask is None:
            continue
        description = describe_region(ct, image_like(mask.astype(np.uint8), ct.image))
        if reasons := (*found.doubts.get(scale, ()), *misfits(description, scale)):
            kept[scale] = None
            notes.append(f"The automatic {scale} is doubtful and was left out: {'; '.join(reasons)}.")
        elif description.touches_border:
            notes.append(f"The automatic {scale} reaches the border of the CT and may be cut off.")
    if masks["esophagus"] is not None and kept["esophagus"] is None and kept["tumor"] is not None:
        kept["tumor"] = None
        notes.append("The automatic tumor was left out with the esophagus around it.")
    if kept["esophagus"] is None and kept["tumor"] is None:
        raise RegionError(
            "the automatic segmentation gives nothing to rely on: " + " ".join(notes[1:]),
            action="Outline tumor, esophagus or both, and give the masks.",
        )
    regions = regions_from_masks(ct, esophagus=kept["esophagus"], tumor=kept["tumor"])
    return AutomaticRegions(regions, segmenter.name, tuple(notes))


def _proposed(ct: CtVolume, esophagus: BoolArray) -> BoolArray | None:
    """The thick part of an esophagus, whatever the order in which the CT's axes are stored."""
    upright = CtVolume(sitk.DICOMOrient(ct.image, "LPS"), ct.source)
    mask = sitk.GetArrayFromImage(sitk.DICOMOrient(image_like(esophagus.astype(np.uint8), ct.image), "LPS")) > 0
    thick = thick_part(upright, mask)
    if thick is None:
        return None
    back = sitk.DICOMOrient(image_like(thick.astype(np.uint8), upright.image), orientation_code(ct.image))
    return np.asarray(sitk.GetArrayFromImage(back) > 0)


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}."
