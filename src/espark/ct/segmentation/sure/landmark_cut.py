"""Automatic regions are cut to the part that fits the landmarks of the CT, and the notes say what was cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from espark.ct.grid import image_like, orientation_code
from espark.ct.hounsfield import CtVolume
from espark.ct.landmarks.landmarks import Landmarks, find_landmarks
from espark.ct.segmentation.segmenter import FoundMasks
from espark.ct.segmentation.sure.sure_part import ABOVE, SurePart, sure_part
from espark.ct.segmentation.working_grid import SPACING_MM, WorkingCt, working_ct
from espark.notes import Note
from espark.types import BoolArray

_HALF = 0.5


def cut_to_landmarks(ct: CtVolume, found: FoundMasks) -> tuple[FoundMasks, tuple[Note, ...]]:
    """Cut the esophagus to its sure part, and leave out a tumor that lies mostly elsewhere.

    Args:
        ct: the CT.
        found: the result of a segmenter on its grid.

    Returns:
        The regions that are left, and notes and doubts about what was cut.

    Raises:
        ImageError: when there is no body in the image.
    """
    if found.esophagus is None:
        return found, ()
    grid = working_ct(ct.image)
    landmarks = find_landmarks(grid.hu, SPACING_MM)
    coarse = grid.cover(image_like(found.esophagus.astype(np.uint8), ct.image)) >= _HALF
    if not coarse.any():
        return found, ()
    part = sure_part(coarse, landmarks, found.peaks)
    if not part.slices.any():
        text = f"The automatic esophagus is doubtful and was left out: it {part.reasons[0]}."
        return replace(found, esophagus=None, tumor=None), (Note("D-REGION-001", text),)
    if not part.reasons:
        return found, ()
    kept = _slices_of(ct, grid, part.slices)
    esophagus = found.esophagus & kept
    notes = _notes(part, landmarks)
    if found.tumor is None or np.mean(kept[found.tumor]) >= _HALF:
        tumor = found.tumor & kept if found.tumor is not None else None
        return replace(found, esophagus=esophagus, tumor=tumor), notes
    text = "The automatic tumor is doubtful and was left out: it lies where the automatic esophagus is not sure."
    return replace(found, esophagus=esophagus, tumor=None), (*notes, Note("D-REGION-001", text))


def _slices_of(ct: CtVolume, grid: WorkingCt, slices: BoolArray) -> BoolArray:
    """The voxels of the CT, in its own storage order, whose slice of the working grid is kept."""
    upright = sitk.DICOMOrient(ct.image, "LPS")
    heights = [
        grid.image.TransformPhysicalPointToContinuousIndex(upright.TransformIndexToPhysicalPoint((0, 0, z)))[2]
        for z in range(upright.GetSize()[2])
    ]
    nearest = np.rint(heights).astype(int)
    inside = (nearest >= 0) & (nearest < len(slices))
    kept = np.zeros(upright.GetSize()[::-1], np.uint8)
    kept[inside & slices[np.clip(nearest, 0, len(slices) - 1)]] = 1
    back = sitk.DICOMOrient(image_like(kept, upright), orientation_code(ct.image))
    return np.asarray(sitk.GetArrayFromImage(back) > 0)


def _notes(part: SurePart, landmarks: Landmarks) -> tuple[Note, ...]:
    """What was cut: at the larynx as a note, anything else as a doubt."""
    notes = []
    if ABOVE in part.reasons:
        notes.append(
            Note("N-REGION-019", f"{part.above_mm:g} mm of it lay above the level of the larynx and were cut off.")
        )
    doubted = [reason for reason in part.reasons if reason != ABOVE]
    if doubted:
        lengths = f"{part.above_mm:g} mm at its upper and {part.below_mm:g} mm at its lower end"
        why = ", another ".join(doubted)
        left = _what_is_left(part, landmarks)
        notes.append(Note("D-REGION-013", f"The automatic esophagus was cut ({lengths}): a part {why}. {left}"))
    return tuple(notes)


def _what_is_left(part: SurePart, landmarks: Landmarks) -> str:
    """Between which landmarks the kept part lies."""
    lowest, highest = np.flatnonzero(part.slices)[[0, -1]]
    length = (highest - lowest + 1) * landmarks.spacing_mm
    ends = [
        f"{abs(z - level) * landmarks.spacing_mm:g} mm {'above' if z >= level else 'below'} {name}"
        for z, level, name in (
            (lowest, landmarks.carina, "the carina"),
            (highest, landmarks.lung_top, "the top of the lungs"),
        )
        if level is not None
    ]
    return f"The {length:g} mm that are left reach {'from' if len(ends) > 1 else 'to'} {' to '.join(ends)}."
