"""A study with another fusion and clinical columns in it, from study.toml to a new patient."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from espark.bundle import load_bundle
from espark.cli import app
from espark.errors import BundleError, InputProblems
from espark.steps.inputs import load_inputs
from espark.steps.patient import explain_patient
from espark.steps.predict import NewPatient, predict
from espark.steps.progress import Reporter
from espark.steps.train import train
from espark.steps.workspace import open_workspace

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


def test_a_study_with_clinical_columns_in_the_fusion(clinical_study: Path, tmp_path: Path) -> None:
    folder = clinical_study / "models" / "espark"
    bundle = load_bundle(folder)
    assert bundle.card.espark.fusion == "gated"
    assert list(bundle.card.operating_points) == ["both", "ct", "slides"]
    assert bundle.card.looks_at == ("ct", "slides", "clinical")
    assert [card.name for card in bundle.card.clinical][:2] == ["age", "sex"]
    text = (folder / "MODEL_CARD.md").read_text()
    assert "Gated multimodal unit, of CT, slides and the declared clinical columns" in text
    workspace = open_workspace(clinical_study)
    inputs = load_inputs(workspace).inputs
    one = inputs.subset([inputs.patient_ids.index("B-0001")])
    in_study = pd.read_csv(clinical_study / "predictions" / "espark.csv").set_index("patient_id")
    asked = bundle.predict(one)[0]
    assert asked is not None
    assert asked.probability == pytest.approx(in_study.loc["B-0001", "probability"], abs=1e-6)
    assert explain_patient(bundle, one, []).completeness < 0.05

    names = [column.name for column in one.clinical_columns]
    given = {name: str(value) for name, value in zip(names, one.clinical[0], strict=True) if value is not None}
    answer = predict(folder, new_patient(clinical_study, **given), tmp_path, reporter=QUIET)
    expected = bundle.predict(one.only("slides"))[0]
    assert expected is not None
    assert answer.modality == "slides"
    assert answer.probability == pytest.approx(expected.probability, abs=1e-4)
    found = json.loads((tmp_path / "prediction.json").read_text())
    assert found["clinical"]["age"] == float(given["age"])

    predict(folder, new_patient(clinical_study, sex="diverse"), tmp_path, reporter=QUIET)
    found = json.loads((tmp_path / "prediction.json").read_text())
    assert any(said.startswith("Some clinical values were missing") and "age" in said for said in found["missing"])
    assert any("sex is 'diverse', which no development patient has" in said for said in found["quality"])
    without = predict(folder, new_patient(clinical_study), tmp_path, reporter=QUIET)
    found = json.loads((tmp_path / "prediction.json").read_text())
    assert "There were no clinical values: they entered the model as unknown." in found["missing"]
    assert without.probability != answer.probability

    with pytest.raises(InputProblems) as caught:
        predict(folder, new_patient(clinical_study, agee="60", albumin="much"), tmp_path, reporter=QUIET)
    said = str(caught.value)
    assert "--clinical: unknown clinical column 'agee'. Did you mean 'age'?" in said
    assert "albumin 'much' is not a number" in said


def test_the_clinical_model_answers_from_the_command_line(finished: Path, tmp_path: Path) -> None:
    command = ["predict", str(finished / "models" / "clinical"), "--out", str(tmp_path), "--json", "--quiet"]
    result = CliRunner().invoke(app, [*command, "--clinical", "age=63", "--clinical", "sex = male"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["modality"] == "clinical"
    assert found["clinical"]["age"] == 63.0
    assert found["clinical"]["albumin"] is None
    assert 0 < found["probability"] < 1
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
