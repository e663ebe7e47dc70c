"""The DICOM objects of a prediction and of a study say what prediction.json and the page say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from espark.ct.files.volume import read_ct
from espark.ct.regions.regions import load_regions, read_regions
from espark.errors import DicomError, MissingStepError
from espark.steps.export.dicom_extra import check_dicom
from espark.steps.export.export_study import export_study
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

hd = pytest.importorskip("highdicom")
QUIET = Reporter("quiet")


@pytest.fixture(autouse=True)
def no_printing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser would need seconds for each page."""
    monkeypatch.setattr("espark.steps.export.case_objects.printed_page", lambda _: b"%PDF-1.4")


def answer_in(report: Path) -> tuple[dict[str, float], dict[str, str], dict[str, float]]:
    """Numbers and evaluations of the answer, and volumes by region."""
    content = hd.sr.srread(report).content
    (answer,) = content.get_image_measurement_groups()
    volumes = {
        group.tracking_identifier: next(
            part.value for part in group.get_measurements() if part.name.value == "118565006"
        )
        for group in content.get_volumetric_roi_measurement_groups()
    }
    numbers = {part.name.value: part.value for part in answer.get_measurements()}
    return numbers, {part.name.value: part.value.value for part in answer.get_qualitative_evaluations()}, volumes


@pytest.mark.parametrize("shown", [True, False])
def test_a_prediction_and_its_objects_agree(finished: Path, tmp_path: Path, shown: bool) -> None:
    patient = NewPatient(ct=finished / "ct" / "B-0001", tumor_mask=finished / "masks" / "B-0001_tumor.nii.gz")
    predict(finished / "models" / "espark", patient, tmp_path, show_withheld=shown, dicom=True, reporter=QUIET)
    stored = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    numbers, said, volumes = answer_in(tmp_path / "dicom" / "sr.dcm")
    assert stored["withheld"] is not shown
    assert numbers == ({"PROBABILITY": stored["probability"], "THRESHOLD": stored["threshold"]} if shown else {})
    assert said["ANSWER"] == ("GIVEN" if shown else "WITHHELD") and said["SUBJECT"] == "SIMULATED"
    assert volumes == {scale: region["volume_ml"] for scale, region in stored["regions"].items()}
    ct = read_ct(finished / "ct" / "B-0001")
    found = read_regions(ct, rtstruct=tmp_path / "dicom" / "seg.dcm", tumor_roi="tumor")
    given = read_regions(ct, tumor_mask=patient.tumor_mask)
    assert np.array_equal(sitk.GetArrayFromImage(found.labels), sitk.GetArrayFromImage(given.labels))


def test_a_study_is_exported_as_it_was_predicted(finished: Path, tmp_path: Path) -> None:
    workspace = open_workspace(finished)
    result = export_study(workspace, tmp_path, patient_id="A-0001", show_withheld=True, reporter=QUIET)
    assert result.patients == 1 and not result.failed
    with (finished / "predictions" / "espark.csv").open(encoding="utf-8") as handle:
        (row,) = [row for row in csv.DictReader(handle) if row["patient_id"] == "A-0001"]
    numbers, said, _ = answer_in(tmp_path / "A-0001" / "sr.dcm")
    assert numbers["PROBABILITY"] == pytest.approx(float(row["probability"]), abs=1e-9)
    assert said["CALL"] == f"CALL-{row['prediction']}"
    ct = read_ct(finished / "ct" / "A-0001")
    seg = tmp_path / "A-0001" / "seg.dcm"
    found = read_regions(ct, rtstruct=seg, tumor_roi="tumor", esophagus_roi="esophagus")
    prepared = load_regions(workspace.layout.regions("A-0001"), ct)
    assert np.array_equal(sitk.GetArrayFromImage(found.labels), sitk.GetArrayFromImage(prepared.labels))
    assert pydicom.dcmread(seg).SegmentSequence[0].SegmentAlgorithmType == "MANUAL"


def test_a_patient_without_prediction_cannot_be_exported(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingStepError, match="no prediction"):
        export_study(open_workspace(finished), tmp_path, patient_id="Z-9", reporter=QUIET)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pynetdicom" else name)
    with pytest.raises(DicomError, match=r"pynetdicom is not installed(.|\n)*espark\[dicom\]"):
        check_dicom()
