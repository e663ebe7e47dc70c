"""Regions that are handed in: what is impossible is refused, what is unusual is doubted, what is right passes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import TORSO_MM, torso, volume
from espark.ct.body_size import check_body
from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.judgement import judge
from espark.ct.regions.regions import regions_from_masks
from espark.ct.regions.rtstruct import read_rtstruct_roi
from espark.errors import ImageError, RegionError

TORSO = torso()
HU, TUMOR, ESOPHAGUS = TORSO.hu, TORSO.tumor, TORSO.esophagus


def codes(tumor: np.ndarray | None, esophagus: np.ndarray | None = ESOPHAGUS, hu: np.ndarray = HU) -> list[str]:
    ct = volume(hu, TORSO_MM)
    return [note.code for note in judge(ct, regions_from_masks(ct, tumor=tumor, esophagus=esophagus))]


def refused(tumor: np.ndarray | None, esophagus: np.ndarray | None = ESOPHAGUS) -> RegionError:
    with pytest.raises(RegionError) as caught:
        codes(tumor, esophagus)
    return caught.value


def ball(center: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    """A ball around a voxel (z, y, x)."""
    away = (np.indices(HU.shape).T - center) * TORSO_MM[::-1]
    return radius_mm > np.linalg.norm(away, axis=-1).T


SPINE = ball((12, 45, 40), 14)
LUNG = ball((12, 30, 59), 25)
FAT = ball((12, 3, 40), 10) & (HU < -50) & (HU > -150)
_PLACE = np.indices(HU.shape)
WINDPIPE = (HU < -900) & (np.abs(_PLACE[2] - 40) < 4) & (np.abs(_PLACE[1] - 28) < 8)
COMB = TUMOR & (_PLACE[0] % 2 == 0)


def test_regions_that_are_right_pass() -> None:
    assert codes(TUMOR) == codes(TUMOR, None) == codes(None) == []


def test_an_esophagus_that_leaves_out_the_tumor_passes() -> None:
    slices = TUMOR.any(axis=(1, 2))
    assert codes(TUMOR, ESOPHAGUS & ~slices[:, None, None]) == []


@pytest.mark.parametrize(
    ("tumor", "esophagus", "code", "words"),
    [
        (~TUMOR, ESOPHAGUS, "E-REGION-019", "seems to be inverted"),
        (TUMOR, ~ESOPHAGUS, "E-REGION-019", "seems to be inverted"),
        (ball((12, 30, 40), 90), ESOPHAGUS, "E-REGION-019", r"volume of \d\.\d l"),
        (LUNG, ESOPHAGUS, "E-REGION-020", "air or lung"),
        (TUMOR, WINDPIPE, "E-REGION-020", "air or lung"),
        (ball((10, 35, 41), 1), ESOPHAGUS, "E-REGION-021", "has 1 voxel"),
        (COMB, ESOPHAGUS, "E-REGION-022", "slices between the ends of the tumor are empty"),
    ],
    ids=["inverted", "inverted esophagus", "half the body", "lung", "windpipe", "one voxel", "every second slice"],
)
def test_the_impossible_is_refused(tumor: np.ndarray, esophagus: np.ndarray, code: str, words: str) -> None:
    error = refused(tumor, esophagus)
    assert error.code == code
    assert re.search(words, str(error))


def test_swapped_columns_are_doubted() -> None:
    assert codes(ESOPHAGUS, TUMOR) == ["N-REGION-005", "D-REGION-010"]
    assert codes(TUMOR, TUMOR) == ["D-REGION-010"]


@pytest.mark.parametrize(
    ("tumor", "expected"),
    [
        (np.roll(TUMOR, 3, axis=0), set()),  # 15 mm higher, still in the esophagus
        (np.roll(TUMOR, 7, axis=2), {"D-REGION-006", "D-REGION-009"}),
        (ball((12, 7, 52), 10), {"D-REGION-008", "D-REGION-009"}),
        (SPINE, {"D-REGION-006", "D-REGION-009"}),
        (FAT, {"D-REGION-006", "D-REGION-009"}),
        (ball((12, 30, 40), 48), {"D-REGION-005"}),
        (
            TUMOR & (np.indices(HU.shape)[0] < 10) | np.roll(TUMOR, 8, axis=0) & (np.indices(HU.shape)[0] > 18),
            {"D-REGION-011"},
        ),
    ],
    ids=["moved along", "moved aside", "far from the midline", "spine", "fat", "large", "two parts"],
)
def test_the_unusual_is_doubted(tumor: np.ndarray, expected: set[str]) -> None:
    found = set(codes(tumor))
    assert found >= set(expected) and bool(found) == bool(expected)


def test_a_region_in_front_of_the_esophagus_is_doubted() -> None:
    """Where the heart is; and masks whose front and back were exchanged, in a body that is not in the middle."""
    assert codes(ball((12, 20, 40), 16), None) == ["D-REGION-008"]
    hu, tumor, esophagus = (np.roll(part, -5, axis=1) for part in (HU, TUMOR, ESOPHAGUS))
    assert codes(tumor, esophagus, hu) == []
    assert "D-REGION-008" in codes(np.roll(TUMOR, -10, axis=1), np.roll(ESOPHAGUS, -10, axis=1))


def test_a_stray_click_is_doubted() -> None:
    stray = TUMOR | ball((2, 14, 40), 7)
    assert "D-REGION-012" in codes(stray)
    gap = ESOPHAGUS & (np.abs(_PLACE[0] - 18) > 1)  # 15 mm are not drawn
    assert codes(TUMOR, gap) == []


def test_a_flipped_mask_is_refused_where_it_falls_on_the_lung() -> None:
    """A body that does not lie in the middle of the image, and masks whose left and right were exchanged."""
    hu, tumor, esophagus = (np.roll(part, -8, axis=2) for part in (HU, TUMOR, ESOPHAGUS))
    assert codes(tumor, esophagus, hu) == []
    with pytest.raises(RegionError, match="was not flipped"):
        codes(tumor[:, :, ::-1], esophagus[:, :, ::-1], hu)


def test_the_order_of_the_axes_makes_no_difference() -> None:
    for axes in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
        image = sitk.PermuteAxes(volume(HU, TORSO_MM).image, axes)
        ct = CtVolume(image, "nifti")
        masks = [
            sitk.GetArrayFromImage(sitk.PermuteAxes(sitk.GetImageFromArray(mask.astype(np.uint8)), axes)) > 0
            for mask in (TUMOR, ESOPHAGUS)
        ]
        assert judge(ct, regions_from_masks(ct, tumor=masks[0], esophagus=masks[1])) == ()
        swapped = judge(ct, regions_from_masks(ct, tumor=masks[1], esophagus=masks[0]))
        assert [note.code for note in swapped if note.is_doubt] == ["D-REGION-010"]


@pytest.mark.parametrize(
    ("spacing", "origin", "codes"),
    [
        (TORSO_MM, (-160, -120, -60), []),
        ((1.2, 1.2, 1.5), (-48, -36, -18), ["D-CT-008"]),
        ((1.0, 1.0, 1.0), (0, 0, 0), ["D-CT-008", "D-CT-009"]),
        ((1.0, 1.0, 1.0), (5, 0, 0), ["D-CT-008"]),
        ((11, 11, 14), (0, 0, 0), ["D-CT-008"]),
    ],
)
def test_the_width_of_the_body_tells_a_wrong_spacing(
    spacing: tuple[float, float, float], origin: tuple[float, float, float], codes: list[str]
) -> None:
    assert [note.code for note in check_body(volume(HU, spacing, origin))] == codes


@pytest.mark.parametrize("factor", [0.1, 0.001, 10, 1000], ids=["cm", "m", "tenths", "µm"])
def test_another_unit_than_millimetres_is_refused(factor: float) -> None:
    with pytest.raises(ImageError, match=r"the body is .* mm wide.*may be in cm or m") as caught:
        check_body(volume(HU, tuple(mm * factor for mm in TORSO_MM)))
    assert caught.value.code == "E-CT-032"


def test_a_tumor_of_the_lung_is_no_tumor_of_the_esophagus(data: Path) -> None:
    ct = read_ct(data / "ct/lung1-001/image")
    tumor = read_rtstruct_roi(data / "ct/lung1-001/rtstruct/1-1.dcm", "GTV-1", ct).mask
    notes = judge(ct, regions_from_masks(ct, tumor=sitk.GetArrayFromImage(tumor) > 0))
    assert {note.code for note in notes} == {"D-REGION-005", "D-REGION-007", "D-REGION-008"}
    assert check_body(ct) == ()


def _real(path: Path, label: str) -> tuple[CtVolume, np.ndarray]:
    ct = read_ct(path)
    mask = sitk.ReadImage(str(path).replace("_ct.nii.gz", f"_{label}.nii.gz"))
    return ct, sitk.GetArrayFromImage(mask) == 1


@pytest.mark.slow
def test_no_false_alarm_on_real_masks(data: Path) -> None:
    """But one of OpenKBP, whose contour is a single slice of the windpipe and the air outside."""
    doubted = []
    cases = [(path, "oar") for path in sorted((data / "ct/openkbp").glob("*_ct.nii.gz"))]
    cases += [(path, "labels") for path in sorted((data / "ct/segthor-dev").glob("*_ct.nii.gz"))]
    for path, label in cases:
        ct, esophagus = _real(path, label)
        if check_body(ct) or judge(ct, regions_from_masks(ct, esophagus=esophagus)):
            doubted.append(path.name)
    assert len(cases) == 79 and doubted == ["train_pt_89_ct.nii.gz"]
