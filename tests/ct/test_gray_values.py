"""Hounsfield units are known by the modes of their histogram; whatever else the values are is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import SeriesSpec, chest, torso, write_series
from espark.ct.files.volume import read_ct
from espark.ct.gray_values import find_modes
from espark.ct.hounsfield import check_hu
from espark.errors import ImageError

HU = torso().hu.astype(np.int32)
Change = Callable[[np.ndarray], np.ndarray]


def padded(hu: np.ndarray, value: int) -> np.ndarray:
    hu = hu.copy()
    hu[:, :8] = value
    return hu


def windowed(hu: np.ndarray, low: int, high: int, top: float) -> np.ndarray:
    return (np.clip(hu, low, high) - low) / (high - low) * top


GOOD: dict[str, Change] = {
    "as it is": lambda hu: hu,
    "padding": lambda hu: padded(hu, -2000),
    "padding of a shifted intercept": lambda hu: padded(hu, -3024),
    "fractions": lambda hu: hu + np.float32(0.25),
    "clipped by the scanner": lambda hu: np.clip(hu, -1000, 1000 + hu.max()),
    "noise": lambda hu: hu + np.random.default_rng(1).normal(0, 40, hu.shape).astype(int),
    "30 HU off": lambda hu: hu - 30,
    "the mediastinum alone": lambda hu: hu[:, 15:45, 20:60],
    "masked outside the body": lambda hu: np.where(hu < -950, -1024, hu),
    "a wide field of view": lambda hu: np.pad(hu, ((0, 0), (60, 60), (80, 80)), constant_values=-1000),
}

BAD: dict[str, tuple[Change, str, str]] = {
    "intercept missing": (lambda hu: hu + 1024, "E-CT-004", "the intercept is missing"),
    "intercept missing beside padding of −2000": (lambda hu: padded(hu + 1024, -2000), "E-CT-004", "plus 1024"),
    "intercept missing beside padding like air": (lambda hu: padded(hu + 1024, -976), "E-CT-004", "plus 1024"),
    "intercept missing, negative values lost": (lambda hu: np.clip(hu + 1024, 0, None), "E-CT-004", "plus 1024"),
    "1000 added": (lambda hu: hu + 1000, "E-CT-004", "plus 1024"),
    "intercept twice": (lambda hu: hu - 1024, "E-CT-005", "the intercept was applied twice"),
    "intercept twice beside padding": (lambda hu: padded(hu - 1024, -3024), "E-CT-005", "applied twice"),
    "a soft-tissue window": (lambda hu: np.clip(hu, -160, 240), "E-CT-006", "cut off at −160 and 240"),
    "a narrow window": (lambda hu: np.clip(hu, -100, 250), "E-CT-006", "cut off at −100 and 250"),
    "a window of a network": (lambda hu: np.clip(hu, -500, 500), "E-CT-006", "cut off at −500"),
    "bright values cut": (lambda hu: np.clip(hu, None, 200), "E-CT-006", "cut off at 200"),
    "a picture": (lambda hu: np.rint(windowed(hu, -160, 240, 255)), "E-CT-002", "windowed 8-bit picture"),
    "signed bytes": (lambda hu: np.rint(windowed(hu, -160, 240, 255)) - 128, "E-CT-002", "8-bit picture"),
    "scaled to 1": (lambda hu: windowed(hu, -1000, 1000, 1.0), "E-CT-003", "standardized or scaled"),
    "standardized": (lambda hu: (hu - hu.mean()) / hu.std(), "E-CT-003", "standardized or scaled"),
    "thousandths": (lambda hu: hu / 1000, "E-CT-003", "standardized or scaled"),
    "no negative value": (lambda hu: np.clip(hu, 0, None), "E-CT-007", "may be an MR"),
    "scaled to 1500": (lambda hu: windowed(hu, -1024, 1500, 1500.0), "E-CT-007", "may be an MR"),
    "doubled": (lambda hu: hu * 2, "E-CT-008", "scaled"),
    "halved": (lambda hu: hu // 2, "E-CT-006", "cut off at"),
    "shifted by 200": (lambda hu: hu - 200, "E-CT-008", "shifted"),
    "shifted by 150": (lambda hu: np.maximum(hu, -1000) + 150, "E-CT-006", "cut off at −850"),
    "a window stretched over twelve bits": (
        lambda hu: np.rint(windowed(hu, -160, 300, 4000)) - 1024,
        "E-CT-008",
        "modes of air",
    ),
    "a window stretched over eleven bits": (
        lambda hu: np.rint(windowed(hu, -160, 240, 2400)) - 1024,
        "E-CT-008",
        "modes of air",
    ),
    "inverted": (lambda hu: -hu, "E-CT-008", "inverted"),
    "air alone": (lambda hu: np.clip(hu, None, -500), "E-CT-009", "only air"),
    "stored without a sign": (lambda hu: hu % 65536, "E-CT-010", "negative values may have been stored"),
    "ten times": (lambda hu: hu * 12, "E-CT-010", "too wide a range"),
}


def magnetic_resonance() -> np.ndarray:
    """Background of noise, and tissues whose brightness has no fixed place."""
    generator = np.random.default_rng(0)
    brightness = {-1000: 8, -100: 620, 45: 310, 60: 400, 40: 330, -850: 30}
    picture = np.full(HU.shape, 200.0)
    for value, bright in brightness.items():
        picture[np.abs(HU - value) < 40] = bright
    return np.abs(picture + generator.normal(0, 25, HU.shape))


@pytest.mark.parametrize("name", GOOD)
def test_hounsfield_units_pass(name: str) -> None:
    assert check_hu(GOOD[name](HU), "ct") == ()


@pytest.mark.parametrize("name", BAD)
def test_other_values_are_refused_by_name(name: str) -> None:
    change, code, words = BAD[name]
    with pytest.raises(ImageError) as caught:
        check_hu(change(HU), "ct")
    assert caught.value.code == code
    assert words.lower() in str(caught.value).lower()


def test_an_mr_is_not_a_ct() -> None:
    with pytest.raises(ImageError, match="may be an MR"):
        check_hu(magnetic_resonance(), "mr.nii.gz")


@pytest.mark.parametrize("limit", [400, 1000])
def test_cut_off_bone_is_doubted_but_used(limit: int) -> None:
    (note,) = check_hu(np.clip(HU, None, limit), "ct")
    assert note.code == "D-CT-002" and note.is_doubt
    assert f"above {limit} HU" in note.text


def test_modes_lie_where_tissue_was_painted() -> None:
    modes = find_modes(padded(HU, -2000))
    for painted in (-100, 45):
        assert min(abs(mode - painted) for mode in modes.tissue) < 12
    assert modes.lowest >= -1024 and -2000 in modes.gas


def test_a_sample_of_the_voxels_gives_the_same_modes() -> None:
    repeated = np.repeat(np.repeat(HU, 6, axis=1), 8, axis=2)
    assert repeated.size > 4_000_000
    assert np.allclose(find_modes(repeated).tissue, find_modes(HU).tissue, atol=5)


def test_a_dicom_series_whose_pixels_hold_hounsfield_units_already(tmp_path: Path) -> None:
    write_series(tmp_path, HU - 1024, SeriesSpec(intercept=-2048.0, tags={"RescaleIntercept": -1024.0}))
    assert sitk.GetArrayFromImage(read_ct(tmp_path).image).min() > -1100, "the pixels are right with this intercept"
    write_series(tmp_path, HU - 1024, SeriesSpec(intercept=-2048.0))
    with pytest.raises(ImageError, match="applied twice"):
        read_ct(tmp_path)


def test_small_phantoms_of_other_tests_are_hounsfield_units() -> None:
    assert check_hu(chest(), "ct") == ()


@pytest.mark.slow
def test_no_real_ct_is_refused_or_doubted(data: Path) -> None:
    paths = [*(data / "ct/openkbp").glob("*_ct.nii.gz"), *(data / "ct/segthor-dev").glob("*_ct.nii.gz")]
    assert len(paths) == 79
    for path in [*paths, data / "ibsi/ct_phantom/phantom.nii.gz"]:
        assert check_hu(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), path) == (), path
    assert [note.code for note in read_ct(data / "ct/lung1-001/image").notes] == []


@pytest.mark.parametrize("name", ["openkbp/train_pt_2", "openkbp/train_pt_108", "segthor-dev/segthor_10"])
def test_real_cts_of_neck_and_chest(data: Path, name: str) -> None:
    hu = sitk.GetArrayFromImage(sitk.ReadImage(str(data / f"ct/{name}_ct.nii.gz"))).astype(np.int32)
    assert check_hu(hu, name) == ()
    for change, code, _ in (BAD["intercept missing"], BAD["intercept twice"], BAD["a soft-tissue window"]):
        with pytest.raises(ImageError) as caught:
            check_hu(change(hu), name)
        assert caught.value.code == code
