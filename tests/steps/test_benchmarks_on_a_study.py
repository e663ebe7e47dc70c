"""The benchmarks that need a study, on the tiny simulated one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.files import read_json
from scripts import load_script, run_script

pytestmark = pytest.mark.filterwarnings("ignore")  # statistics of two patients warn, and rightly so


def test_explanations(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_script("explanations", finished)
    out = capsys.readouterr().out
    assert read_json(finished / "explain" / "checks.json")["slide_completeness"]["title"] in out
    assert "PASS" in out


def test_encoder_trial(trial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_script("encoder_trial", trial, "--patients", 1)
    assert "tiles of 2 external patients" in capsys.readouterr().out


def test_biomarkers_against_the_truth(finished: Path, tmp_path: Path) -> None:
    run_script("biology_draws", finished, "--scores", "--draws", 2, "--json", tmp_path / "figures.json")
    told = [line["what"] for line in json.loads((tmp_path / "figures.json").read_text())]
    assert any(what.startswith("nlr, center B: Spearman with the truth") for what in told)
    assert any(what.startswith("null, differentiation") for what in told)


def test_the_readers_of_a_virtual_trial(trial: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its main function needs ten patients of each class; what it does with one patient is called here."""
    script = load_script("virtual_trial")
    monkeypatch.setattr("shutil.which", lambda name: None)  # the names in these headers do not please a validator
    name = pd.read_csv(trial / "cohort.csv")["patient_id"].iloc[0]
    assert script.read_files(trial, name) == []
    histogram = script.color_histogram(trial, name)
    assert np.square(histogram[:216]).sum() == pytest.approx(1)  # roots of shares of the tissue
    ratio, well = script.true_counts(trial, name)
    assert ratio >= 0 and 0 <= well <= 1


def test_the_oracle_holds(capsys: pytest.CaptureFixture[str]) -> None:
    load_script("virtual_trial").check_oracle()
    assert "FALLS SHORT" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["label_draws", "ct_scales", "biology_draws"])
def test_one_draw_of_labels_is_trained_and_judged(
    name: str, study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_script(name, study, "--draws", 1, "--workers", 1, "--work", tmp_path / "work")
    out = capsys.readouterr().out
    assert "PASS" in out or "FALLS SHORT" in out
    assert (tmp_path / "work" / "draw-01" / "cohort.csv").is_file()
    if name == "label_draws":
        [row] = read_json(tmp_path / "work" / "draws.json")["draws"]
        assert row["n"] == pd.read_csv(study / "cohort.csv")["role"].eq("external").sum()


def test_what_an_aggregator_learns_by_heart(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ("--patients", 12, "--others", 12, "--epochs", 1)
    run_script("memorizing", finished, "--aggregators", "mean", "transmil", *sizes)
    assert capsys.readouterr().out.count("AUC in training") == 2


def test_candidates_of_a_recipe_side_by_side(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels alternate: a fresh draw for so few patients may have a single responder."""
    patients = pd.read_csv(study / "cohort.csv")["patient_id"]
    labels = pd.DataFrame({f"pcr_{draw}": (np.arange(len(patients)) + draw) % 2 for draw in (1, 2)}).set_index(patients)
    monkeypatch.setattr(load_script("recipes"), "drawn_labels", lambda *_: labels)
    names = ("ct ridge:tumor", "slides profile")
    for _ in range(2):  # the second time from what is stored
        run_script("recipes", study, "--draws", 2, "--workers", 1, "--work", tmp_path, "--candidates", *names)
    out = capsys.readouterr().out
    assert "MScaleCT: share of the oracle" in out and "CytoPath: share of the oracle" in out
    table = pd.read_csv(tmp_path / "draws.csv")
    assert set(table["candidate"]) == set(names) and len(table) == 4
    assert table["auc"].between(0, 1).all()


@pytest.mark.slow
def test_the_time_of_a_patient(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_script("patient_time", study, "--workers", 1)
    found = json.loads(capsys.readouterr().out)
    parts = found["new patient"]
    assert parts["all"]["wall"] >= parts["radiomics"]["wall"] > 0
    assert found["study"]["pages"] == len(pd.read_csv(study / "cohort.csv"))


@pytest.mark.slow
def test_a_whole_run_is_watched(trial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_script("whole_run", trial, "--sizes", 12, "--workers", 1, "--work", tmp_path)
    assert "wall time of the largest" in capsys.readouterr().out
    steps = [row["step"] for row in read_json(tmp_path / "12.json")]
    assert {"prepare", "train", "all"} <= set(steps)
