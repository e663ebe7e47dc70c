"""Small inputs that went wrong once: each gives its right value or an error that names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk

from espark.ct.body_size import check_body
from espark.ct.files.volume import read_ct
from espark.ct.regions.judgement import judge
from espark.ct.regions.regions import Regions, read_regions
from espark.ct.regions.rtstruct import read_rtstruct_roi
from espark.errors import ImageError, RegionError

TUMOR_ML = 56.295


@pytest.fixture
def cases(data: Path) -> Path:
    if not (data / "cases").is_dir():
        pytest.skip("the test data holds no cases")
    return data / "cases"


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("hu-twice-ct", "E-CT-005", "the intercept was applied twice"),
        ("hu-plus-1024/ct.nii.gz", "E-CT-004", "the intercept is missing"),
    ],
)
def test_values_that_are_no_hounsfield_units(cases: Path, name: str, code: str, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        read_ct(cases / name)
    assert caught.value.code == code


def test_a_segmentation_on_coarser_slices_keeps_its_volume(cases: Path) -> None:
    folder = cases / "seg-5mm-on-2.5mm"
    regions = read_regions(read_ct(folder / "ct"), tumor_mask=folder / "seg.dcm")
    assert regions.volume_ml("tumor") == pytest.approx(TUMOR_ML, abs=0.1)
    assert [note.code for note in regions.notes] == ["N-REGION-013"]


@pytest.mark.parametrize(
    ("roi", "ml", "exact_ml", "codes"),
    [
        ("1", 64.8, 56.3, []),
        ("11", 64.8, 56.3, []),
        ("食道 肿瘤", 64.8, 56.3, []),
        ("GTV doubled", 64.8, 56.3, ["N-REGION-010"]),
        ("doubled shifted", 64.8, 56.3, ["N-REGION-010"]),
        ("two strokes", 50.2, 41.3, ["N-REGION-011"]),
        ("ring", 54.3, 42.5, ["N-REGION-017"]),
        ("keyhole", 54.3, 42.5, []),
        ("gap", 64.8, 56.3, ["N-REGION-012"]),
        ("every second", 72.0, 62.6, ["N-REGION-013"]),
        ("nearly same plane", 129.6, 111.8, ["N-REGION-016"]),
    ],
)
def test_contours_as_programs_store_them(cases: Path, roi: str, ml: float, exact_ml: float, codes: list[str]) -> None:
    ct = read_ct(cases / "rtstruct/ct")
    voxel_ml = 3 * 3 * 5 / 1000
    for outline, expected in (("line", ml), ("polygon", exact_ml)):
        painted = read_rtstruct_roi(cases / "rtstruct/rt.dcm", roi, ct, outline=outline)
        assert sitk.GetArrayFromImage(painted.mask).sum() * voxel_ml == pytest.approx(expected, abs=0.1)
        assert [note.code for note in painted.notes] == codes


@pytest.mark.parametrize(
    ("roi", "words"),
    [("GTV", "2 regions have the name GTV"), ("empty", "no closed contours"), ("points", "no closed contours")],
)
def test_contours_that_enclose_nothing_or_have_no_name_of_their_own(cases: Path, roi: str, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        read_rtstruct_roi(cases / "rtstruct/rt.dcm", roi, read_ct(cases / "rtstruct/ct"))


def test_two_patients_in_a_folder(cases: Path) -> None:
    headers = [pydicom.dcmread(next((cases / "two-patients-ct" / name).iterdir())) for name in "ab"]
    with pytest.raises(ImageError, match="several patients") as caught:
        read_ct(cases / "two-patients-ct")
    for header in headers:
        assert str(header.SeriesInstanceUID) in str(caught.value)
        assert str(header.PatientID) not in str(caught.value)


def _regions(cases: Path, ct: str, tumor: str, esophagus: str | None = None) -> tuple[list[str], Regions]:
    masks = cases / "masks"
    volume = read_ct(masks / f"{ct}.nii.gz")
    given = None if esophagus is None else masks / f"{esophagus}.nii.gz"
    regions = read_regions(volume, tumor_mask=masks / f"{tumor}.nii.gz", esophagus_mask=given)
    return [note.code for note in (*check_body(volume), *judge(volume, regions))], regions


def test_right_masks_are_not_doubted(cases: Path) -> None:
    codes, regions = _regions(cases, "ct", "../tumor", "e")
    assert codes == [] and regions.volume_ml("tumor") == pytest.approx(TUMOR_ML, abs=0.01)
    assert regions.volume_ml("esophagus") == pytest.approx(75.7, abs=0.1)


@pytest.mark.parametrize(
    ("tumor", "esophagus", "code"),
    [("inv", None, "E-REGION-019"), ("inv", "e", "E-REGION-019"), ("far", "e", "E-REGION-020")],
)
def test_impossible_masks_are_refused(cases: Path, tumor: str, esophagus: str | None, code: str) -> None:
    with pytest.raises(RegionError) as caught:
        _regions(cases, "ct", tumor, esophagus)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("ct", "tumor", "esophagus", "code"),
    [("ct", "e", "../tumor", "D-REGION-010"), ("ct-eye", "m-eye", None, "D-CT-008")],
)
def test_unusual_masks_are_doubted(cases: Path, ct: str, tumor: str, esophagus: str | None, code: str) -> None:
    assert code in _regions(cases, ct, tumor, esophagus)[0]
