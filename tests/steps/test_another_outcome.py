"""A study whose outcome is renamed: it runs to the report, and nothing speaks of the default outcome any more."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from another_outcome import MPR, traces_in_files, traces_of_the_default
from espark.bundle.folder import load_bundle
from espark.cells import BIOMARKERS
from espark.errors import BundleError, InputError
from espark.steps.check.check import problems_beside_images
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.biomarker_cutoffs import cutoff_rows
from espark.steps.explain.explain import explain, patient_folds
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
_INPUTS = ("ct", "slides", "masks", "truth", "cohort.csv", "study.toml")
_SECTION = f"""[study.outcome]
column = "{MPR.column}"
name = "{MPR.name}"
positive = "{MPR.positive}"
definition = "{MPR.definition}"
"""


def rename(folder: Path) -> None:
    """Name another outcome in study.toml and in the header of cohort.csv, as a user would."""
    config, cohort = folder / "study.toml", folder / "cohort.csv"
    before, _, after = config.read_text(encoding="utf-8").partition("[study.outcome]")
    config.write_text(f"{before}{_SECTION}\n[ct]{after.partition('[ct]')[2]}", encoding="utf-8")
    cohort.write_text(cohort.read_text(encoding="utf-8").replace(",pcr,", ",mpr,", 1), encoding="utf-8")


def command(*words: object, code: int = 0) -> str:
    """What a command says on the terminal."""
    done = subprocess.run([sys.executable, "-m", "espark", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def renamed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The finished study under another outcome, after `espark check` and `espark run`; and what the commands said."""
    folder = Path(shutil.copytree(finished, tmp_path_factory.mktemp("renamed") / "study"))
    rename(folder)
    said = command("check", folder) + command("run", folder, "--verbose", "--workers", 1)
    return folder, said


@pytest.mark.slow
def test_nothing_that_is_written_or_said_speaks_of_the_default(renamed: tuple[Path, str]) -> None:
    folder, said = renamed
    assert traces_in_files(folder, but=_INPUTS) == {}
    assert not traces_of_the_default(said)
    index = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Probability of MPR" in index and MPR.term in index


@pytest.mark.slow
def test_names_change_and_numbers_do_not(finished: Path, renamed: tuple[Path, str]) -> None:
    before, after = open_workspace(finished), open_workspace(renamed[0])
    places = [path.relative_to(finished) for path in finished.rglob("*.csv")]
    places = [place for place in places if place.parts[0] in ("predictions", "evaluation", "explain")]
    changed = 0
    for place in places:
        one, other = (pd.read_csv(workspace.root / place) for workspace in (before, after))
        named = set(one) & set(before.outcome.columns.values())
        if named or place.name == "biomarker_cutoffs.csv":
            one, other = before.outcome.neutral(one, place), after.outcome.neutral(other, place)
            changed += 1
        pd.testing.assert_frame_equal(one, other)
    assert changed >= 8, "predictions, metrics, reclassification, subgroups, screening, cells, biomarkers, clusters"


@pytest.mark.slow
def test_a_bundle_carries_the_outcome_to_a_new_patient(renamed: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = renamed
    model = folder / "models" / "espark"
    assert load_bundle(model).card.outcome == MPR
    slide = folder / "slides" / "B-0001.tif"
    said = command("predict", model, "--slide", slide, "--out", tmp_path, "--show-withheld")
    assert traces_in_files(tmp_path, but=()) == {} and not traces_of_the_default(said)
    answer = json.loads((tmp_path / "prediction.json").read_text(encoding="utf-8"))
    assert answer["outcome"] == "MPR" and answer["trained_on"]["n_mpr"] > 0
    assert set(answer["conformal_set"].split(";")) <= {"mpr", "no_mpr", ""}


def test_what_was_written_for_another_outcome_is_refused(study: Path) -> None:
    rename(study)
    workspace = open_workspace(study)
    with pytest.raises(InputError, match="does not contain the outcome MPR") as caught:
        evaluate(workspace, reporter=QUIET)
    assert "espark train" in str(caught.value)


def test_a_study_asks_no_model_of_another_outcome(study: Path) -> None:
    config = study / "study.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("adverse = false", "adverse = true"), encoding="utf-8")
    with pytest.raises(BundleError, match="cannot be compared") as caught:
        explain(open_workspace(study), reporter=QUIET)
    assert "adverse" in str(caught.value) and "espark train" in str(caught.value)


def test_problems_of_the_inputs_name_the_outcome(trial: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trial, tmp_path / "study"))
    rename(folder)
    config = folder / "study.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("folds = 3", "folds = 40"), encoding="utf-8")
    [said] = map(str, problems_beside_images(open_workspace(folder)))
    assert re.search(r"with MPR and \d+ without, are too few for 40 folds", said) and not traces_of_the_default(said)


def test_an_adverse_outcome_turns_the_sides_of_the_biomarkers(finished: Path) -> None:
    """The patients with the bad outcome are those without the good one: the same split, seen from its other side."""
    workspace, folds = open_workspace(finished), patient_folds(open_workspace(finished))
    path = finished / "explain" / "biomarkers.csv"
    scores = workspace.outcome.neutral(pd.read_csv(path), path)
    for key, entry in BIOMARKERS.items():
        responders_are = 1 if entry.favorable == "high" else -1
        scores[key] = responders_are * scores["label"] + 0.001 * np.arange(len(scores))
    adverse = workspace.outcome.model_copy(update={"adverse": True})
    study = workspace.config.study.model_copy(update={"outcome": adverse})
    turned = replace(workspace, config=workspace.config.model_copy(update={"study": study}))
    good = cutoff_rows(workspace, scores, folds)
    bad = cutoff_rows(turned, scores.assign(label=1 - scores["label"]), folds)
    assert set(good["biomarker"]) == set(bad["biomarker"]) == set(BIOMARKERS)
    for key, entry in BIOMARKERS.items():
        one, other = good[good["biomarker"] == key], bad[bad["biomarker"] == key]
        assert set(one["favorable"]) == {entry.favorable} != set(other["favorable"])
        assert one.loc[one["metric"] == "odds_ratio", "value"].to_numpy() == pytest.approx(
            other.loc[other["metric"] == "odds_ratio", "value"].to_numpy(), nan_ok=True
        )
