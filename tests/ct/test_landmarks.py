"""Landmarks of a drawn chest of known shape, and what is cut off an esophagus that does not fit them."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.landmarks.landmarks import Landmarks, find_landmarks
from espark.ct.segmentation.segmenter import FoundMasks
from espark.ct.segmentation.sure.landmark_cut import cut_to_landmarks
from espark.ct.segmentation.sure.sure_part import ABOVE, IN_AORTA, NO_CHEST, NOT_SURE, sure_part

SPACING_MM = 3.0
SHAPE = (100, 70, 110)
CARINA, LUNG_TOP = 48, 80
AORTA = (43, 66)  # row and column of its centre
ESOPHAGUS = (39, 56)
RADIUS = 4.5


def disc(row: float, column: float, radius: float) -> np.ndarray:
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    return np.hypot(y - row, x - column) <= radius


def chest(*, lungs: bool = True) -> np.ndarray:
    """HU (z, y, x): body, spine, two lungs, a windpipe that divides, and a descending aorta beside the left lung."""
    hu = np.full(SHAPE, -1000.0, np.float32)
    y, x = np.ogrid[: SHAPE[1], : SHAPE[2]]
    hu[:, ((y - 35) / 30) ** 2 + ((x - 55) / 50) ** 2 <= 1] = 40
    if lungs:
        for middle in (30, 80):
            hu[: LUNG_TOP + 1, ((y - 34) / 20) ** 2 + ((x - middle) / 15) ** 2 <= 1] = -850
    hu[:, disc(50, 55, 5)] = 400
    hu[CARINA:, disc(30, 55, 3)] = -1000
    for side in (-5, 5):
        hu[CARINA - 6 : CARINA, disc(30, 55 + side, 2.3)] = -1000
    hu[: CARINA + 2, disc(*AORTA, 2 * RADIUS) & ~disc(50, 55, 5)] = -100
    hu[: CARINA + 2, disc(*AORTA, RADIUS)] = 60
    return hu


def tube(slices: slice, centre: tuple[int, int] = ESOPHAGUS) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[slices, disc(*centre, 2.5)] = True
    return mask


@pytest.fixture(scope="module")
def landmarks() -> Landmarks:
    return find_landmarks(chest(), SPACING_MM)


def test_the_landmarks_are_where_they_were_drawn(landmarks: Landmarks) -> None:
    assert landmarks.lung_top is not None and abs(landmarks.lung_top - LUNG_TOP) <= 1
    assert landmarks.carina is not None and abs(landmarks.carina - CARINA) <= 1
    assert np.abs(landmarks.spine.columns - 55).max() < 1
    assert np.abs(landmarks.spine.front - 45).max() < 2
    assert landmarks.aorta is not None
    away = np.hypot(landmarks.aorta.rows - AORTA[0], landmarks.aorta.columns - AORTA[1])
    assert np.median(away) <= 1 and abs(np.median(landmarks.aorta.radii_mm) - RADIUS * SPACING_MM) <= 2.5


def test_an_esophagus_that_fits_is_kept_whole(landmarks: Landmarks) -> None:
    part = sure_part(tube(slice(10, 85)), landmarks)
    assert part.slices.sum() == 75 and not part.reasons and part.above_mm == part.below_mm == 0


def test_what_lies_above_the_larynx_is_cut(landmarks: Landmarks) -> None:
    part = sure_part(tube(slice(10, 99)), landmarks)
    assert part.reasons == (ABOVE,) and part.below_mm == 0
    assert part.above_mm == pytest.approx((98 - LUNG_TOP) * SPACING_MM - 30, abs=3)


def test_a_course_through_the_aorta_is_cut(landmarks: Landmarks) -> None:
    wrong = tube(slice(30, 85)) | tube(slice(10, 30), AORTA)
    part = sure_part(wrong, landmarks)
    assert part.reasons == (IN_AORTA,) and part.below_mm == 60
    assert np.flatnonzero(part.slices)[0] == 30


@pytest.mark.parametrize(("peak", "below_mm"), [(0.95, 0.0), (0.7, (CARINA - 10) * SPACING_MM)])
def test_below_the_carina_an_unsure_segmenter_is_not_followed(
    landmarks: Landmarks, peak: float, below_mm: float
) -> None:
    peaks = np.full(SHAPE[0], peak, np.float32)
    part = sure_part(tube(slice(10, 85)), landmarks, peaks)
    assert part.below_mm == pytest.approx(below_mm, abs=3)
    assert part.reasons == ((NOT_SURE,) if below_mm else ())


def test_without_lungs_nothing_is_sure() -> None:
    part = sure_part(tube(slice(10, 85)), find_landmarks(chest(lungs=False), SPACING_MM))
    assert not part.slices.any() and part.reasons == (NO_CHEST,)


@pytest.mark.parametrize("orientation", ["LPS", "RAI"])
def test_the_masks_are_cut_on_the_grid_of_the_ct(orientation: str) -> None:
    def stored(values: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((SPACING_MM,) * 3)
        return sitk.DICOMOrient(image, orientation)

    wrong = tube(slice(30, 85)) | tube(slice(10, 30), AORTA)
    esophagus, tumor = (
        sitk.GetArrayFromImage(stored(mask.astype(np.uint8))) > 0
        for mask in (wrong, wrong & tube(slice(12, 20), AORTA))
    )
    ct = CtVolume(stored(chest().astype(np.int16)), "nifti")
    found, notes = cut_to_landmarks(ct, FoundMasks(esophagus, tumor))
    assert found.tumor is None
    assert [note.code for note in notes] == ["D-REGION-013", "D-REGION-001"]
    assert "0 mm at its upper and 60 mm at its lower end" in notes[0].text and "in the aorta" in notes[0].text
    assert found.esophagus is not None
    assert found.esophagus.sum() == tube(slice(30, 85)).sum()
