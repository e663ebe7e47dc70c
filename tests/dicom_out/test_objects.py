"""DICOM objects say what was found, of whom, and on which images; a withheld answer is in none of them."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from example import GEOMETRIES, PDF, PROBABILITY, THRESHOLD, dicom_ct, drawn, multi_frame_ct, result, written
from pydicom.dataset import Dataset

from ct_phantoms import SeriesSpec, chest, volume
from espark.ct.files.volume import read_ct
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import read_regions, regions_from_masks
from espark.dicom_out import concepts
from espark.dicom_out.write_objects import CtToSend, write_objects
from espark.files import write_bytes
from espark.report.printed_page import printed_page

hd = pytest.importorskip("highdicom")

OBJECTS = ("seg", "sr", "pdf", "summary")


def voxels_of(seg: Path, ct_path: Path) -> np.ndarray:
    regions = read_regions(read_ct(ct_path), rtstruct=seg, tumor_roi="tumor", esophagus_roi="esophagus")
    found: np.ndarray = sitk.GetArrayFromImage(regions.labels)
    return found


@pytest.mark.parametrize("where", list(GEOMETRIES))
def test_regions_come_back_voxel_by_voxel(tmp_path: Path, where: str) -> None:
    ct = dicom_ct(tmp_path / "ct", GEOMETRIES[where])
    written(tmp_path / "out", tmp_path / "ct", ct)
    assert np.array_equal(voxels_of(tmp_path / "out" / "seg.dcm", tmp_path / "ct"), labels(ct))
    assert volume_by_pydicom(tmp_path / "out" / "seg.dcm", "tumor") == pytest.approx(drawn(ct).volume_ml("tumor"))


def labels(ct: CtVolume) -> np.ndarray:
    found: np.ndarray = sitk.GetArrayFromImage(drawn(ct).labels)
    return found


def segment_of(frame: Dataset, shared: Dataset) -> int:
    """The segment of a frame; the file states it once when there is only one."""
    groups = frame if "SegmentIdentificationSequence" in frame else shared
    return int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)


def volume_by_pydicom(path: Path, label: str) -> float:
    """Volume in ml of a segment, without any code of espark."""
    seg = pydicom.dcmread(path)
    (number,) = [part.SegmentNumber for part in seg.SegmentSequence if part.SegmentLabel == label]
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    frames = [
        frame
        for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True)
        if segment_of(groups, seg.SharedFunctionalGroupsSequence[0]) == number
    ]
    return float(np.sum(frames) * np.prod(measures.PixelSpacing) * float(measures.SpacingBetweenSlices) / 1000)


def by_dcmqi(seg: Path, folder: Path) -> dict[str, sitk.Image]:
    """The segments by their labels, as dcmqi reads them, and after it SimpleITK."""
    beside = str(Path(sys.executable).parent)
    program = shutil.which("segimage2itkimage") or shutil.which("segimage2itkimage", path=beside)
    if program is None:
        pytest.skip("dcmqi is not installed (pip install dcmqi)")
    folder.mkdir()
    given = ["--inputDICOM", str(seg), "--outputDirectory", str(folder), "--outputType", "nrrd"]
    said = subprocess.run([program, *given], capture_output=True, text=True, check=True)
    assert "absent" not in said.stderr
    parts = json.loads((folder / "meta.json").read_text())["segmentAttributes"]
    numbers = {part[0]["SegmentLabel"]: part[0]["labelID"] for part in parts}
    return {label: sitk.ReadImage(str(folder / f"{number}.nrrd")) for label, number in numbers.items()}


def ml(mask: sitk.Image) -> float:
    return float((sitk.GetArrayViewFromImage(mask) > 0).sum() * np.prod(mask.GetSpacing()) / 1000)


@pytest.mark.parametrize("where", list(GEOMETRIES))
def test_another_program_reads_the_same_regions(tmp_path: Path, where: str) -> None:
    ct = dicom_ct(tmp_path / "ct", GEOMETRIES[where])
    written(tmp_path / "out", tmp_path / "ct", ct)
    found, own = by_dcmqi(tmp_path / "out" / "seg.dcm", tmp_path / "q"), drawn(ct)
    assert set(found) == set(own.scales)
    for scale in own.scales:
        assert ml(found[scale]) == pytest.approx(own.volume_ml(scale))
        placed = sitk.Resample(found[scale], own.mask(scale), interpolator=sitk.sitkNearestNeighbor)
        masks = [sitk.GetArrayFromImage(mask) > 0 for mask in (placed, own.mask(scale))]
        assert np.array_equal(*masks)


def test_regions_on_a_multi_frame_ct(tmp_path: Path) -> None:
    ct = multi_frame_ct(tmp_path / "ct" / "ct.dcm")
    written(tmp_path / "out", tmp_path / "ct", ct)
    assert np.array_equal(voxels_of(tmp_path / "out" / "seg.dcm", tmp_path / "ct"), labels(ct))


def test_objects_belong_to_the_patient_the_study_and_the_images(tmp_path: Path) -> None:
    spec = SeriesSpec(tags={"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Müller^Zoë", "PatientSex": "F",
                            "StudyDate": "20250102", "AccessionNumber": "A1"})  # fmt: skip
    ct = dicom_ct(tmp_path / "ct", spec)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        written(tmp_path / "out", tmp_path / "ct", ct)
    assert not [str(warning.message) for warning in caught]
    images = [pydicom.dcmread(path) for path in (tmp_path / "ct").glob("*.dcm")]
    for name in OBJECTS:
        made = pydicom.dcmread(tmp_path / "out" / f"{name}.dcm")
        assert str(made.PatientName) == "Müller^Zoë"
        for tag in ("PatientID", "PatientSex", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
            assert made[tag].value == images[0][tag].value, (name, tag)
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    assert seg.FrameOfReferenceUID == images[0].FrameOfReferenceUID
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == images[0].SeriesInstanceUID
    referenced = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert referenced == {image.SOPInstanceUID for image in images}
    pdf = pydicom.dcmread(tmp_path / "out" / "pdf.dcm")
    assert pdf.EncapsulatedDocument[: pdf.EncapsulatedDocumentLength] == PDF


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}, None),
        ({"SpecificCharacterSet": "GB18030", "PatientName": "王^小东"}, None),
        ({"PatientName": "A" * 80}, None),
        ({"PatientBirthDate": "1960"}, ""),
        ({"StudyDate": "unknown"}, ""),
        ({"StudyTime": "25:99"}, ""),
        ({"PatientSex": "X"}, ""),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore")
def test_unusual_headers_do_not_stop_the_export(tmp_path: Path, tags: dict[str, Any], expected: str | None) -> None:
    ct = dicom_ct(tmp_path / "ct", SeriesSpec())
    for path in (tmp_path / "ct").glob("*.dcm"):
        image = pydicom.dcmread(path)
        image.SpecificCharacterSet = tags.get("SpecificCharacterSet", "ISO_IR 192")
        for name, value in tags.items():
            image[name] = pydicom.DataElement(name, pydicom.datadict.dictionary_VR(name), value, validation_mode=0)
        image.save_as(path)
    written(tmp_path / "out", tmp_path / "ct", ct)
    name = list(tags)[-1]
    for made in (pydicom.dcmread(tmp_path / "out" / f"{part}.dcm") for part in OBJECTS):
        assert str(made[name].value or "") == (tags[name] if expected is None else expected)


def groups_of(path: Path) -> tuple[list[Any], Any]:
    report = hd.sr.srread(path).content
    (answer,) = report.get_image_measurement_groups()
    return report.get_volumetric_roi_measurement_groups(), answer


def said_in(group: Any) -> dict[str, str]:
    """Evaluations of a group by their codes, without the family of the algorithm, which highdicom lists among them."""
    said = {part.name.value: part.value.value for part in group.get_qualitative_evaluations()}
    assert said.pop("111000") == concepts.AI.value
    return said


def test_the_report_holds_the_numbers_exactly(tmp_path: Path) -> None:
    ct = dicom_ct(tmp_path / "ct", SeriesSpec())
    written(tmp_path / "out", tmp_path / "ct", ct)
    regions, answer = groups_of(tmp_path / "out" / "sr.dcm")
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    for number, (scale, description) in enumerate(result(ct, drawn(ct)).regions.items(), start=1):
        group = regions[number - 1]
        assert group.tracking_identifier == scale
        (segment,) = [part for part in seg.SegmentSequence if part.SegmentLabel == scale]
        assert segment.SegmentNumber == number and segment.TrackingUID == group.tracking_uid
        assert group.reference_type.meaning == "Referenced Segment"
        measured = {part.name.value: part for part in group.get_measurements()}
        volume_ml, length_mm = measured["118565006"], measured["410668003"]
        assert volume_ml.value == description.volume_ml and volume_ml.unit.value == "ml"
        assert length_mm.value == description.length_mm and length_mm.unit.value == "mm"
        assert volume_ml.method.value == "YEKZ"
    numbers = {part.name.value: part.value for part in answer.get_measurements()}
    assert numbers == {"PROBABILITY": PROBABILITY, "THRESHOLD": THRESHOLD}
    said = said_in(answer)
    assert said == {
        "USE": "RESEARCH", "ANSWER": "GIVEN", "APPLIES": "373066001", "CALL": "CALL-1", "SET": "SET-1",
    }  # fmt: skip
    assert answer.finding_type.value == "O-PCR"


def test_a_withheld_answer_is_in_no_object(tmp_path: Path) -> None:
    ct = dicom_ct(tmp_path / "ct", SeriesSpec())
    shown, withheld = tmp_path / "shown", tmp_path / "withheld"
    written(shown, tmp_path / "ct", ct)
    written(withheld, tmp_path / "ct", ct, answer=None)
    _, answer = groups_of(withheld / "sr.dcm")
    assert answer.get_measurements() == []
    said = said_in(answer)
    assert said == {"USE": "RESEARCH", "ANSWER": "WITHHELD", "APPLIES": "373067005"}
    secrets = [struct.pack("<d", PROBABILITY), struct.pack("<d", THRESHOLD), b"0.7312", b"CALL-1", b"SET-1"]
    assert all(secret in (shown / "sr.dcm").read_bytes() for secret in secrets)
    for path in withheld.glob("*.dcm"):
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path.name
    assert np.array_equal(voxels_of(withheld / "seg.dcm", tmp_path / "ct"), labels(ct))


def test_a_ct_that_is_not_dicom_is_converted_and_says_so(tmp_path: Path) -> None:
    ct = volume(chest(), spacing=(1.25, 1.5, 3.0))
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(ct.image, str(path))
    made = written(tmp_path / "out", path, read_ct(path))
    converted = read_ct(tmp_path / "out" / "ct")
    assert len(list((tmp_path / "out" / "ct").glob("*.dcm"))) == 12 and len(made.files) == 12 + 4
    assert np.array_equal(sitk.GetArrayFromImage(converted.image), sitk.GetArrayFromImage(ct.image))
    assert converted.image.GetOrigin() == pytest.approx(ct.image.GetOrigin())
    assert converted.spacing_mm == pytest.approx(ct.spacing_mm)
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    assert "converted" in seg.SeriesDescription and "not DICOM" in seg.DerivationDescription
    assert np.array_equal(voxels_of(tmp_path / "out" / "seg.dcm", path), labels(ct))
    assert np.array_equal(voxels_of(tmp_path / "out" / "seg.dcm", tmp_path / "out" / "ct"), labels(ct))


def test_the_same_result_has_the_same_identifiers(tmp_path: Path) -> None:
    ct = dicom_ct(tmp_path / "ct", SeriesSpec())
    for name in ("first", "again"):
        written(tmp_path / name, tmp_path / "ct", ct)
    written(tmp_path / "withheld", tmp_path / "ct", ct, answer=None)
    uids = {
        name: [pydicom.dcmread(tmp_path / name / f"{part}.dcm").SOPInstanceUID for part in OBJECTS]
        for name in ("first", "again", "withheld")
    }
    assert uids["first"] == uids["again"] and not set(uids["first"]) & set(uids["withheld"])
    assert len(set(uids["first"])) == len(OBJECTS)


def test_a_result_without_any_dicom_image(tmp_path: Path) -> None:
    write_objects(tmp_path, result(None, None), ct=None, slides=(), pdf=None)
    regions, answer = groups_of(tmp_path / "sr.dcm")
    assert regions == [] and len(answer.get_measurements()) == 2
    assert pydicom.dcmread(tmp_path / "sr.dcm").PatientID == "p1"
    assert sorted(path.name for path in tmp_path.glob("*.dcm")) == ["sr.dcm", "summary.dcm"]


@pytest.mark.parametrize("answered", [True, False])
def test_an_independent_validator_finds_no_error(tmp_path: Path, answered: bool) -> None:
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(volume(chest()).image, str(path))
    made = written(tmp_path / "out", path, read_ct(path), *([] if answered else [None]))
    for file in made.files[-5:]:
        said = subprocess.run([program, "-new", str(file)], capture_output=True, text=True, check=False).stderr
        assert not [line for line in said.splitlines() if line.startswith("Error")], file.name


@pytest.mark.slow
def test_objects_of_a_real_ct_are_valid(data: Path, tmp_path: Path) -> None:
    """LUNG1-001 says that its patient's identity was removed, but not how, which DICOM does not allow."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    folder = data / "ct" / "lung1-001" / "image"
    ct = read_ct(folder)
    mask = np.zeros(ct.size[::-1], dtype=bool)
    mask[60:70, 250:270, 240:265] = True
    regions = regions_from_masks(ct, tumor=mask)
    made = write_objects(tmp_path, result(ct, regions), ct=CtToSend(folder, ct, regions), slides=(), pdf=PDF)
    for file in made.files:
        said = subprocess.run([program, "-new", str(file)], capture_output=True, text=True, check=False).stderr
        assert not [line for line in said.splitlines() if line.startswith("Error")], file.name
    found = read_regions(ct, rtstruct=tmp_path / "seg.dcm", tumor_roi="tumor")
    assert np.array_equal(sitk.GetArrayFromImage(found.labels) > 0, mask)
    assert volume_by_pydicom(tmp_path / "seg.dcm", "tumor") == pytest.approx(regions.volume_ml("tumor"), abs=0.1)
    assert ml(by_dcmqi(tmp_path / "seg.dcm", tmp_path / "q")["tumor"]) == pytest.approx(
        regions.volume_ml("tumor"), abs=0.1
    )


def test_private_concepts_keep_the_limits_of_dicom() -> None:
    long = concepts.private("A" * 40, "b" * 100)
    assert long.LongCodeValue == "A" * 40 and "CodeValue" not in long
    assert len(long.meaning) == 64 and long.scheme_designator == "99ESPARK"


def test_a_page_is_printed_by_what_is_installed(tmp_path: Path) -> None:
    page = printed_page("<!DOCTYPE html><title>t</title><p>hello</p>")
    if page is None:
        pytest.skip("neither WeasyPrint nor Chromium is installed")
    write_bytes(tmp_path / "page.pdf", page)
    assert page.startswith(b"%PDF") and b"%%EOF" in page[-32:]
