"""A new patient, simulated and real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espark.errors import InputProblems
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.work.progress import Reporter

QUIET = Reporter("quiet")


def answer(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "prediction.json").read_text())
    return found


def test_a_simulated_patient_through_ct_slides_and_both(finished: Path, tmp_path: Path) -> None:
    ct = {"ct": finished / "ct" / "B-0001", "tumor_mask": finished / "masks" / "B-0001_tumor.nii.gz"}
    slides = {"slides": (finished / "slides" / "B-0001.tif",)}
    for modality, files in (("ct", ct), ("slides", slides), ("both", ct | slides)):
        out = tmp_path / modality
        patient = NewPatient(**files)  # type: ignore[arg-type]
        predict(finished / "models" / "espark", patient, out, show_withheld=True, reporter=QUIET)
        found = answer(out)
        assert found["modality"] == modality
        assert found["simulated_patient"]
        assert 0 < float(str(found["probability"])) < 1
        assert "Research use only" in (out / "report.html").read_text(encoding="utf-8")


def test_the_same_patient_gets_the_same_answer_as_in_the_study(finished: Path, tmp_path: Path) -> None:
    import pandas as pd

    patient = NewPatient(
        ct=finished / "ct" / "B-0001",
        tumor_mask=finished / "masks" / "B-0001_tumor.nii.gz",
        esophagus_mask=finished / "masks" / "B-0001_esophagus.nii.gz",
        slides=(finished / "slides" / "B-0001.tif",),
    )
    prediction = predict(finished / "models" / "espark", patient, tmp_path, show_withheld=True, reporter=QUIET)
    table = pd.read_csv(finished / "predictions" / "espark.csv").set_index("patient_id")
    assert prediction.probability == pytest.approx(table.loc["B-0001", "probability"], abs=1e-5)


def test_a_real_lung_tumor_is_measured_and_declared_not_applicable(finished: Path, data: Path, tmp_path: Path) -> None:
    lung = data / "ct" / "lung1-001"
    patient = NewPatient(
        ct=lung / "image",
        rtstruct=next((lung / "rtstruct").iterdir()),
        tumor_roi="GTV-1",
        slides=(data / "slides" / "cmu-1-small-region.svs",),
    )
    predict(finished / "models" / "espark", patient, tmp_path, reporter=QUIET)
    found = answer(tmp_path)
    assert found["regions"]["tumor"]["volume_ml"] == pytest.approx(156.3, rel=0.01)  # type: ignore[index]
    assert any("esophagus scale was missing" in sentence for sentence in found["missing"])  # type: ignore[attr-defined]
    assert not found["applicability"]["applies"]  # type: ignore[index]
    assert not found["simulated_patient"]
    assert found["withheld"]
    for number in ("probability", "probability_sd", "members", "prediction", "conformal_set"):
        assert found[number] is None
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for said in (
        "trained on",
        "simulated patients",
        "esophagus scale was missing",
        "are real",
        "No probability is given",
    ):
        assert said in page, said
    assert "LUNG1" not in page


def test_every_unusable_file_is_told(finished: Path, data: Path, tmp_path: Path) -> None:
    patient = NewPatient(
        ct=finished / "ct" / "B-0001",
        rtstruct=next((data / "ct" / "lung1-001" / "rtstruct").iterdir()),
        tumor_roi="GTV-1",
        slides=(data / "slides" / "broken.svs",),
    )
    with pytest.raises(InputProblems) as caught:
        predict(finished / "models" / "espark", patient, tmp_path, reporter=QUIET)
    assert len(caught.value.problems) == 2
