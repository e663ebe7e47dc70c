"""A study whose radiomics were made elsewhere, with gaps: no CT is needed, and nobody vanishes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.errors import InputProblems
from espark.steps.check.check import check
from espark.steps.evaluate.screening import screen_features
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
FEATURES = [f"original_glcm_{name}" for name in ("Idm", "Contrast", "Correlation", "Empty")]


@pytest.fixture
def imported(trial: Path, tmp_path: Path) -> tuple[Path, str, str]:
    """A study of a feature table alone; a patient who is not in the table, and one of whom a cell is empty."""
    study = tmp_path / "study"
    study.mkdir()
    cohort = pd.read_csv(trial / "cohort.csv", dtype=str, keep_default_na=False)
    columns = [name for name in cohort.columns if name.endswith("_mask") or name in ("ct", "slides")]
    cohort.loc[:, columns] = ""
    cohort.to_csv(study / "cohort.csv", index=False)
    shutil.copy(trial / "study.toml", study)
    with (study / "study.toml").open("a") as handle:
        handle.write('\n[[ct_features]]\nfile = "features.csv"\npatient_column = "who"\nscale = "tumor"\n')
    ids = cohort["patient_id"].to_list()
    external = cohort.loc[cohort["role"] == "external", "patient_id"].to_list()
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(len(ids), 4)), columns=FEATURES).assign(who=ids)
    table[FEATURES[3]] = np.nan
    table.loc[table["who"] == external[0], FEATURES[1]] = np.nan
    table[table["who"] != external[1]].to_csv(study / "features.csv", index=False)
    return study, external[0], external[1]


def test_gaps_are_unknown_and_the_absent_patient_is_kept(imported: tuple[Path, str, str]) -> None:
    study, gap, absent = imported
    workspace = open_workspace(study)
    prepare(workspace, reporter=QUIET)
    inputs = load_inputs(workspace).inputs
    assert inputs.scales == ("tumor",) and absent in inputs.patient_ids
    rows = dict(zip(inputs.patient_ids, inputs.radiomics, strict=True))
    assert np.isnan(rows[absent]).all()
    assert np.isnan(rows[gap]).tolist() == [False, True, False, True]
    train(workspace, reporter=QUIET)
    screen_features(workspace)
    answers = pd.read_csv(study / "predictions" / "mscalect.csv").set_index("patient_id")["probability"]
    assert answers[gap] > 0 and answers.drop(absent, errors="ignore").notna().all()
    assert absent not in answers.index or np.isnan(answers[absent])
    screened = pd.read_csv(study / "evaluation" / "screening.csv").set_index("feature")
    assert np.isnan(screened.loc[FEATURES[3], "p_value"]) and screened.loc[FEATURES[0], "p_value"] <= 1


def test_a_table_of_other_patients_is_an_error(imported: tuple[Path, str, str]) -> None:
    study = imported[0]
    table = pd.read_csv(study / "features.csv")
    table.assign(who=[f"X{number}" for number in range(len(table))]).to_csv(study / "features.csv", index=False)
    with pytest.raises(InputProblems, match=r"none of its patients is in cohort\.csv"):
        check(study, reporter=QUIET)
