"""Small changes of the contour, in a study and for a new patient."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.steps.explain.explain import explained_model, patient_folds
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.redrawn import study_robustness as step
from espark.steps.train.trained_model import trained_model
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")


def again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, object], list[str]]:
    """Ask again; the entry of the checks, and the patients who were measured again."""
    measured, measure = [], step._measure

    def noted(job: step._Job) -> object:
        measured.append(job.patient.patient_id)
        return measure(job)

    monkeypatch.setattr(step, "_measure", noted)
    study = load_inputs(workspace)
    bundle = trained_model(workspace, explained_model(workspace), study)
    entry, failed = step.explain_robustness(workspace, bundle, study.inputs, patient_folds(workspace), reporter=QUIET)
    assert not failed
    return entry, measured


def test_the_answer_without_a_change_is_the_prediction(finished: Path) -> None:
    table = pd.read_csv(finished / "explain" / "ct_robustness.csv", keep_default_na=False)
    predictions = pd.read_csv(finished / "predictions" / "espark.csv", keep_default_na=False).set_index("patient_id")
    plain = table[table["change"] == "none"].set_index("patient_id")
    with_ct = predictions[predictions["modality"] != "slides"]
    assert set(plain.index) == set(with_ct.index)
    expected = with_ct.loc[plain.index]
    assert plain["probability"].to_numpy() == pytest.approx(expected["probability"].to_numpy(), abs=1e-5)
    assert (plain["conformal_set"] == expected["conformal_set"]).all()
    assert (table.groupby("patient_id").size() >= 5).all()
    assert table.groupby("patient_id")["probability"].nunique().min() > 1


def test_the_checks_count_the_answers_that_stay_and_pages_with_an_answer_say_it(finished: Path) -> None:
    entry = json.loads((finished / "explain" / "checks.json").read_text())["ct_robustness"]
    table = pd.read_csv(finished / "explain" / "ct_robustness.csv", keep_default_na=False)
    read_as = table["conformal_set"].replace("", "pcr;no_pcr")
    assert entry["value"] == pytest.approx((read_as.groupby(table["patient_id"]).nunique() == 1).mean())
    for path in (finished / "report" / "patients").glob("*.html"):
        page = path.read_text(encoding="utf-8")
        withheld = "No probability is given" in page
        has_ct = path.stem in set(table["patient_id"])
        assert ("When the contour is moved by" in page) == (has_ct and not withheld)


def test_features_are_measured_again_only_when_something_changed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "study", symlinks=True)
    workspace = open_workspace(tmp_path / "study")
    before, measured = again(workspace, monkeypatch)
    assert measured == []
    checks = json.loads((finished / "explain" / "checks.json").read_text())
    assert before == {"ct_robustness": checks["ct_robustness"]}
    workspace.layout.redrawn("B-0001").write_text("{}")  # damaged
    after, measured = again(workspace, monkeypatch)
    assert measured == ["B-0001"] and after == before


def test_a_new_patient_gets_the_answers_of_the_study(finished: Path, tmp_path: Path) -> None:
    files = {name: finished / "masks" / f"B-0001_{name}.nii.gz" for name in ("tumor", "esophagus")}
    patient = NewPatient(
        ct=finished / "ct" / "B-0001",
        tumor_mask=files["tumor"],
        esophagus_mask=files["esophagus"],
        slides=(finished / "slides" / "B-0001.tif",),
    )
    answer = predict(finished / "models" / "espark", patient, tmp_path, show_withheld=True, reporter=QUIET)
    found = json.loads((tmp_path / "prediction.json").read_text())["robustness"]
    table = pd.read_csv(finished / "explain" / "ct_robustness.csv", keep_default_na=False)
    of_study = table[(table["patient_id"] == "B-0001") & (table["change"] != "none")]
    assert [change["change"] for change in found["changes"]] == of_study["change"].tolist()
    probabilities = np.array([change["probability"] for change in found["changes"]])
    assert probabilities == pytest.approx(of_study["probability"].to_numpy(), abs=1e-5)
    assert answer.probability_range == (found["probability_low"], found["probability_high"])
    assert found["probability_low"] <= answer.probability <= found["probability_high"]
    assert answer.robust_set == found["conformal_set"]
