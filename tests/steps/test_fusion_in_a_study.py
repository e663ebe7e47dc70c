"""A study with another fusion and clinical columns in it, from study.toml to a new patient."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from espark.bundle.folder import load_bundle
from espark.cli import app
from espark.errors import BundleError, InputProblems
from espark.explain.attribution import ct_attribution
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.report.patient_page import missing_sentences
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")


@pytest.fixture
def clinical_study(study: Path) -> Path:
    """The study, trained with a gated fusion of CT, slides and clinical columns."""
    config = (study / "study.toml").read_text()
    config = config.replace('fusion = "concatenation"', 'fusion = "gated"').replace(
        "clinical = false", "clinical = true"
    )
    (study / "study.toml").write_text(config.replace("epochs = 25", "epochs = 3"))
    shutil.rmtree(study / "models")
    train(open_workspace(study), reporter=QUIET)
    return study


def new_patient(study: Path, **clinical: str) -> NewPatient:
    return NewPatient(slides=(study / "slides" / "B-0001.tif",), clinical=clinical)


def test_a_study_with_clinical_columns_in_the_fusion(clinical_study: Path) -> None:
    folder = clinical_study / "models" / "espark"
    bundle = load_bundle(folder)
    assert bundle.card.espark.fusion == "gated"
    assert list(bundle.card.operating_points) == ["both", "ct", "slides"]
    assert bundle.card.looks_at == ("ct", "slides", "clinical")
    assert [card.name for card in bundle.card.clinical][:2] == ["age", "sex"]
    text = (folder / "MODEL_CARD.md").read_text()
    assert "eSPARK joined the CT vector, the slide vector and the declared clinical columns of a patient" in text
    assert "fusion: Gated multimodal unit" in text
    workspace = open_workspace(clinical_study)
    inputs = load_inputs(workspace).inputs
    one = inputs.subset([inputs.patient_ids.index("B-0001")])
    in_study = pd.read_csv(clinical_study / "predictions" / "espark.csv").set_index("patient_id")
    asked = bundle.predict(one)[0]
    assert asked is not None
    assert asked.probability == pytest.approx(in_study.loc["B-0001", "probability"], abs=1e-6)
    assert all(abs(ct_attribution(member, one).completeness) < 0.01 for member in bundle.members)

    nobody = replace(one, clinical=((None,) * len(one.clinical_columns),))
    assert missing_sentences(bundle, nobody) == ("There were no clinical values: they entered the model as unknown.",)
    without = bundle.predict(nobody)[0]
    assert without is not None
    assert without.probability != asked.probability


def test_a_new_patient_with_clinical_values(clinical_study: Path, tmp_path: Path) -> None:
    folder = clinical_study / "models" / "espark"
    inputs = load_inputs(open_workspace(clinical_study)).inputs
    one = inputs.subset([inputs.patient_ids.index("B-0001")])
    names = [column.name for column in one.clinical_columns]
    given = {name: str(value) for name, value in zip(names, one.clinical[0], strict=True) if value is not None}
    answer = predict(folder, new_patient(clinical_study, **given), tmp_path, show_withheld=True, reporter=QUIET)
    expected = load_bundle(folder).predict(one.only("slides"))[0]
    assert expected is not None
    assert answer.modality == "slides"
    assert answer.probability == pytest.approx(expected.probability, abs=1e-4)
    found = json.loads((tmp_path / "prediction.json").read_text())
    assert found["clinical"]["age"] == float(given["age"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"<b>Clinical values</b> age {float(given['age']):g} years, sex {given['sex']}" in page
    assert "<b>CT</b> missing" in page


def test_clinical_values_that_are_unknown_or_unusable_are_told(clinical_study: Path, tmp_path: Path) -> None:
    folder = clinical_study / "models" / "espark"
    predict(folder, new_patient(clinical_study, sex="diverse"), tmp_path, reporter=QUIET)
    found = json.loads((tmp_path / "prediction.json").read_text())
    assert any(said.startswith("Some clinical values were missing") and "age" in said for said in found["missing"])
    assert any("sex is 'diverse', which no development patient has" in said for said in found["quality"])
    with pytest.raises(InputProblems) as caught:
        predict(folder, new_patient(clinical_study, agee="60", albumin="much"), tmp_path, reporter=QUIET)
    said = str(caught.value)
    assert "--clinical: unknown clinical column 'agee'. Did you mean 'age'?" in said
    assert "albumin 'much' is not a number" in said


def test_clinical_values_of_test_patients_leave_no_trace_in_the_bundle(clinical_study: Path) -> None:
    """Outside development the columns tell the label, and hold a level that development does not know."""
    folder = clinical_study / "models" / "espark"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    cohort = pd.read_csv(clinical_study / "cohort.csv", dtype=str, keep_default_na=False)
    test = cohort["role"] != "development"
    cohort.loc[test, "albumin"] = cohort.loc[test, "pcr"].map({"0": "20", "1": "60"})
    cohort.loc[test, "sex"] = cohort.loc[test, "pcr"].map({"0": "none", "1": "responder"})
    cohort.to_csv(clinical_study / "cohort.csv", index=False)
    shutil.rmtree(folder)
    train(open_workspace(clinical_study), reporter=QUIET)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_clinical_model_answers_from_the_command_line(finished: Path, tmp_path: Path) -> None:
    command = ["predict", str(finished / "models" / "clinical"), "--out", str(tmp_path), "--json", "--quiet"]
    result = CliRunner().invoke(app, [*command, "--clinical", "age=63", "--clinical", "sex = male"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["modality"] == "clinical"
    assert found["clinical"]["age"] == 63.0
    assert found["clinical"]["albumin"] is None
    assert 0 < found["probability"] < 1
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b>Clinical values</b> age 63 years, sex male</li>" in page
    assert "<b>CT</b> missing" not in page
    for wrong, said in (
        (["--clinical", "age"], "NAME=VALUE"),
        (["--clinical", "age=1", "--clinical", "age=2"], "twice"),
    ):
        result = CliRunner().invoke(app, [*command, *wrong])
        assert result.exit_code == 2
        assert said in result.stderr


def test_a_model_without_clinical_columns_says_so(finished: Path, tmp_path: Path) -> None:
    patient = NewPatient(slides=(finished / "slides" / "B-0001.tif",), clinical={"age": "63"})
    with pytest.raises(BundleError, match="trained without clinical values"):
        predict(finished / "models" / "espark", patient, tmp_path, reporter=QUIET)
