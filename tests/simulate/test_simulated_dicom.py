"""The CT series: every attribute that the standard asks for, and a geometry that readers agree on."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import CTImageStorage

from espark.files import fingerprint
from espark.simulate.chest.dicom_writer import Geometry, SeriesHeader, uid, write_series

GEOMETRY = Geometry(spacing=(1.4063, 1.4063, 2.5), origin=(-180.123, -95.5, -402.25))
HEADER = SeriesHeader(
    patient_id="A-0001",
    entropy="0/256",
    sex="F",
    age=61,
    kernel="SOFT-30",
    kilovolt=120,
    slice_mm=2.5,
    center="A",
    contrast="venous",
)

# PS3.3 A.3.3 (CT Image IOD): attributes of type 1 and 2 of its mandatory modules, and of Contrast/Bolus.
NEEDS_VALUE = [
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "FrameOfReferenceUID",
    "ImageType",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "RescaleIntercept",
    "RescaleSlope",
    "PixelData",
    "RescaleType",
]
MAY_BE_EMPTY = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstanceNumber",
    "SliceThickness",
    "KVP",
    "AcquisitionNumber",
    "ContrastBolusAgent",
    "PatientPosition",
]


@pytest.fixture(scope="module")
def volume() -> np.ndarray:
    rng = np.random.default_rng(0)
    block = rng.integers(-1024, 3072, (7, 12, 10)).astype(np.int16)
    block[0, 0, 0], block[1, 0, 0] = -2000, 4000
    return block


@pytest.fixture(scope="module")
def series(volume: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    write_series(folder, volume, GEOMETRY, HEADER)
    return folder


def test_required_attributes_are_there(series: Path) -> None:
    for file in series.iterdir():
        dataset = pydicom.dcmread(file)
        for keyword in NEEDS_VALUE:
            assert dataset.get(keyword) not in (None, ""), keyword
        for keyword in MAY_BE_EMPTY:
            assert keyword in dataset, keyword
        assert dataset.SOPClassUID == CTImageStorage == dataset.file_meta.MediaStorageSOPClassUID
        assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
        assert dataset.ImageType[:2] == ["ORIGINAL", "PRIMARY"]


def test_identifiers_are_unique_valid_and_repeatable(series: Path) -> None:
    datasets = [pydicom.dcmread(file, stop_before_pixels=True) for file in series.iterdir()]
    assert len({dataset.SOPInstanceUID for dataset in datasets}) == 7
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        (value,) = {dataset.get(keyword) for dataset in datasets}
        assert value.is_valid
        assert value.startswith("2.25.")
    assert uid("a", "b") == uid("a", "b") != uid("a", "c")
    assert len(uid("a")) <= 44


def test_readers_agree_with_what_was_written(series: Path, volume: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(series)))
        for file in series.iterdir():
            assert pydicom.dcmread(file).pixel_array.shape == (12, 10)
    assert np.array_equal(sitk.GetArrayFromImage(image), np.clip(volume, -1024, 3071))
    assert image.GetSpacing() == pytest.approx(GEOMETRY.spacing)
    assert image.GetOrigin() == pytest.approx(GEOMETRY.origin)
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_a_plain_scan_names_no_contrast_medium(tmp_path: Path, volume: np.ndarray) -> None:
    plain = SeriesHeader(**{**HEADER.__dict__, "contrast": ""})
    write_series(tmp_path, volume[:1], GEOMETRY, plain)
    dataset = pydicom.dcmread(tmp_path / "0001.dcm")
    assert "ContrastBolusAgent" not in dataset
    assert "plain" in dataset.SeriesDescription


def test_same_content_same_bytes(series: Path, volume: np.ndarray, tmp_path: Path) -> None:
    write_series(tmp_path, volume, GEOMETRY, HEADER)
    assert fingerprint(tmp_path) == fingerprint(series)
    assert not list(tmp_path.glob(".partial*"))
