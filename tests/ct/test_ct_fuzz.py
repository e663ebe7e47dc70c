"""Damaged DICOM files and headers of a real CT: a clear error or the right volume. A few of the benchmark's cases."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pydicom
import pytest
import SimpleITK as sitk

from espark.ct.files.volume import read_ct
from espark.errors import ImageError


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    """The benchmark."""
    spec = importlib.util.spec_from_file_location("ct_fuzz", Path(__file__).parents[2] / "benchmarks" / "ct_fuzz.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["ct_fuzz"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def forms(data: Path, fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small piece of a real CT in four forms."""
    folder = tmp_path_factory.mktemp("forms")
    fuzz.write_forms(data / "ct" / "lung1-001" / "image", folder)
    return folder


@pytest.mark.filterwarnings("ignore")  # pydicom writes what it was asked to write, and says so
def test_cases_of_the_benchmark(fuzz: ModuleType, forms: Path) -> None:
    outcomes = [fuzz.run_case(forms, 0, number) for number in range(40)]
    assert not [case for case in outcomes if case[2].kind in fuzz.BAD]
    assert {outcome.kind for _, _, outcome in outcomes} >= {"refused", "right"}


def test_all_forms_hold_the_same_volume(fuzz: ModuleType, forms: Path) -> None:
    plain, *others = (read_ct(forms / form) for form in fuzz.FORMS)
    for other in others:
        assert fuzz.compare(other, plain, may_be_shorter=False).kind == "right"


def test_a_wrong_volume_is_noticed(fuzz: ModuleType, forms: Path) -> None:
    right, wrong = read_ct(forms / "plain"), read_ct(forms / "plain")
    voxels = sitk.GetArrayFromImage(wrong.image)
    moved = sitk.GetImageFromArray(voxels + (voxels == voxels.max()))
    moved.CopyInformation(wrong.image)
    object.__setattr__(wrong, "image", moved)
    assert fuzz.compare(wrong, right, may_be_shorter=True).kind == "wrong volume"


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"NumberOfFrames": "1e400"}, "damaged or unusual"),
        ({"BitsStored": 3}, "a pixel uses 3 of 16 bits"),
        ({"HighBit": 11}, "a pixel uses 16 of 16 bits"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_headers_that_contradict_the_pixels(forms: Path, tmp_path: Path, tags: dict[str, object], message: str) -> None:
    shutil.copytree(forms / "plain", tmp_path / "ct")
    file = tmp_path / "ct" / "05.dcm"
    dataset = pydicom.dcmread(file)
    for tag, value in tags.items():
        dataset.add_new(tag, "LO" if isinstance(value, str) else "US", value)
    dataset.save_as(file)
    with pytest.raises(ImageError, match=message):
        read_ct(tmp_path / "ct")


@pytest.mark.parametrize("form", ["plain", "rle", "jpeg 2000", "multi-frame"])
def test_pixels_that_the_header_leaves_out(forms: Path, tmp_path: Path, form: str) -> None:
    shutil.copytree(forms / form, tmp_path / "ct")
    for file in (tmp_path / "ct").iterdir():
        dataset = pydicom.dcmread(file)
        dataset.Rows = 48
        dataset.save_as(file)
    with pytest.raises(ImageError):
        read_ct(tmp_path / "ct")
