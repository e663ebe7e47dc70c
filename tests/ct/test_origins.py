"""Patients, visits, acquisitions and phases in one folder of DICOM files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from ct_phantoms import FRAME, SeriesSpec, chest, slice_dataset, write_multiframe, write_series
from espark.ct.files.volume import CtVolume, read_ct
from espark.errors import ImageError

HU = chest()
NAMED = ("Doe", "Roe", "4711", "4712", "19500101")


def spec(number: int = 1, **tags: Any) -> SeriesSpec:
    return SeriesSpec(uid=f"1.2.{number}", number=number, tags=tags)


def refused(folder: Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read_ct(folder)
    assert not any(name in str(caught.value) for name in NAMED), str(caught.value)
    return caught.value


def codes(ct: CtVolume) -> list[str]:
    return [note.code for note in ct.notes]


@pytest.mark.parametrize(
    "other",
    [{"PatientID": "4712"}, {"PatientBirthDate": "19600101"}, {"PatientSex": "F"}],
    ids=lambda tags: next(iter(tags)),
)
def test_cts_of_two_patients_are_not_chosen_from(tmp_path: Path, other: dict[str, str]) -> None:
    person = {"PatientBirthDate": "19500101", "PatientSex": "M"}
    write_series(tmp_path / "a", HU, spec(3, **person))
    write_series(tmp_path / "b", HU, spec(4, **(person | other), PatientName="Roe^Richard"))
    error = refused(tmp_path)
    assert error.code == "E-CT-026"
    assert "series 3 (1.2.3); series 4 (1.2.4)" in str(error)
    named = read_ct(tmp_path, series_uid="4")
    assert named.series_uid == "1.2.4" and codes(named) == ["N-CT-002", "D-CT-005"]


def test_one_patient_written_in_several_ways_is_one(tmp_path: Path) -> None:
    write_series(tmp_path, HU, spec(1, PatientID="0047A"))
    write_series(tmp_path, HU[:6], spec(2, PatientID=" 47a", PatientBirthDate="19500101"))
    write_series(tmp_path, HU[:6], spec(3, PatientID=""))
    assert codes(read_ct(tmp_path)) == ["N-CT-003"]


def test_slices_of_two_patients_in_one_series(tmp_path: Path) -> None:
    write_series(tmp_path, HU[:6], spec(1))
    for index in range(6, 12):
        slice_dataset(HU[index], index, spec(1, PatientID="4712")).save_as(tmp_path / f"b{index}")
    assert "several patients" in str(refused(tmp_path))


def test_visits_of_different_dates_are_left_to_a_person(tmp_path: Path) -> None:
    write_series(tmp_path / "a", HU, spec(1, StudyInstanceUID="1.5.1", StudyDate="20240105"))
    write_series(tmp_path / "b", HU[:9], spec(2, StudyInstanceUID="1.5.2", StudyDate="20240620"))
    error = refused(tmp_path)
    assert error.code == "E-CT-027"
    assert "2024-01-05: series 1; 2024-06-20: series 2" in str(error)
    assert read_ct(tmp_path, series_uid="2").size[2] == 9


@pytest.mark.parametrize("date", ["20240105", None])
def test_studies_of_one_date_or_none_are_doubted(tmp_path: Path, date: str | None) -> None:
    dated = {"StudyDate": date} if date else {}
    write_series(tmp_path / "a", HU, spec(1, StudyInstanceUID="1.5.1", **dated))
    write_series(tmp_path / "b", HU[:9], spec(2, StudyInstanceUID="1.5.2", **dated))
    assert codes(read_ct(tmp_path)) == ["D-CT-006", "N-CT-003"]


def test_a_scout_of_another_visit_does_not_matter(tmp_path: Path) -> None:
    write_series(tmp_path / "a", HU, spec(1, StudyInstanceUID="1.5.1", StudyDate="20240105"))
    scout = SeriesSpec(uid="1.2.9", number=9, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    scout.tags.update(StudyInstanceUID="1.5.2", StudyDate="20240620")
    write_series(tmp_path / "b", HU[:2], scout)
    assert read_ct(tmp_path).series_uid == "1.2.1"


@pytest.mark.parametrize("tag", ["AcquisitionNumber", "ConvolutionKernel", "KVP", "ContrastBolusAgent"])
def test_interleaved_acquisitions_are_refused(tmp_path: Path, tag: str) -> None:
    values = {"AcquisitionNumber": (1, 2), "KVP": (80, 140)}.get(tag, ("A", "B"))
    for index, plane in enumerate(HU):
        slice_dataset(plane, index, spec(1, **{tag: values[index % 2]})).save_as(tmp_path / str(index))
    error = refused(tmp_path)
    assert error.code == "E-CT-020" and tag in str(error)


@pytest.mark.parametrize(
    "numbers", [[1] * 12, [1] * 6 + [2] * 6, list(range(12)), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]], ids=str
)
def test_acquisitions_one_after_the_other_are_one_volume(tmp_path: Path, numbers: list[int]) -> None:
    for index, (plane, number) in enumerate(zip(HU, numbers, strict=True)):
        slice_dataset(plane, index, spec(1, AcquisitionNumber=number)).save_as(tmp_path / str(index))
    ct = read_ct(tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), HU) and ct.notes == ()


def test_interleaved_frames_of_one_file(tmp_path: Path) -> None:
    path = tmp_path / "frames.dcm"
    write_multiframe(path, HU, range(12))
    dataset = pydicom.dcmread(path)
    for index, frame in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        frame.FrameContentSequence = [pydicom.Dataset()]
        frame.FrameContentSequence[0].FrameAcquisitionNumber = 1 + index % 2
    dataset.save_as(path)
    assert refused(path).code == "E-CT-020"


def test_two_phases_that_fit_equally_well_are_doubted(tmp_path: Path) -> None:
    write_series(tmp_path / "a", HU, spec(1))
    write_series(tmp_path / "b", chest(seed=2), spec(2))
    ct = read_ct(tmp_path)
    assert codes(ct) == ["N-CT-003", "D-CT-004"]
    assert "series 1 (1.2.1); series 2 (1.2.2)" in ct.notes[-1].text
    assert codes(read_ct(tmp_path, series_uid="1")) == ["N-CT-002"]


def one_uid_a_slice(folder: Path, **different: list[Any]) -> None:
    folder.mkdir(exist_ok=True)
    for index, plane in enumerate(HU):
        dataset = slice_dataset(plane, index, SeriesSpec(uid=f"1.2.3.{index + 1}", number=7))
        for tag, values in different.items():
            setattr(dataset, tag, values[index])
        dataset.save_as(folder / str(index))


def test_one_series_uid_a_slice_is_joined_where_everything_else_agrees(tmp_path: Path) -> None:
    one_uid_a_slice(tmp_path)
    ct = read_ct(tmp_path)
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), HU)
    assert codes(ct) == ["D-CT-003"] and "12 series of one slice each" in ct.notes[0].text


def test_one_series_uid_a_slice_is_refused_where_headers_differ(tmp_path: Path) -> None:
    one_uid_a_slice(tmp_path / "numbers", SeriesNumber=list(range(12)))
    error = refused(tmp_path / "numbers")
    assert error.code == "E-CT-028"
    assert "12 series of one slice each, in the same frame of reference" in str(error)
    one_uid_a_slice(tmp_path / "frames", FrameOfReferenceUID=[f"1.9.{index + 1}" for index in range(12)])
    assert "12 frames of reference" in str(refused(tmp_path / "frames"))
    one_uid_a_slice(tmp_path / "phases", AcquisitionNumber=[index % 2 + 1 for index in range(12)])
    assert refused(tmp_path / "phases").code == "E-CT-020"
    one_uid_a_slice(tmp_path / "people", PatientSex=["M", "F"] * 6)
    assert refused(tmp_path / "people").code == "E-CT-026"


def test_variable_spacing_is_not_missing_slices(tmp_path: Path) -> None:
    for name, places, code in (
        ("two distances", [0, 1, 2, 3, 4, 5, 7, 9, 11, 13], "E-CT-022"),
        ("no multiple", [0, 1, 2, 3, 4, 5, 6.7, 7.7, 8.7], "E-CT-022"),
        ("one is missing", [0, 1, 2, 3, 4, 6, 7, 8, 9, 10], "E-CT-021"),
        ("two are missing", [0, 1, 2, 3, 4, 7, 8, 9, 10, 11], "E-CT-021"),
    ):
        (tmp_path / name).mkdir()
        for plane, place in zip(HU, places, strict=False):
            slice_dataset(plane, place, spec(1)).save_as(tmp_path / name / str(place))
        assert refused(tmp_path / name).code == code, name


def test_the_hash_of_a_person_is_no_id(tmp_path: Path) -> None:
    write_series(tmp_path, HU, spec(1))
    ct = read_ct(tmp_path)
    assert ct.frame_of_reference == FRAME
    assert ct.person is not None and "4711" not in ct.person and "4711" not in repr(ct)
