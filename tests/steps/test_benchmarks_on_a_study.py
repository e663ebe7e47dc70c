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


def alternating_labels(study: Path) -> pd.DataFrame:
    """Two draws that alternate: a fresh draw for so few patients may have a single responder."""
    patients = pd.read_csv(study / "cohort.csv")["patient_id"]
    return pd.DataFrame({f"pcr_{draw}": (np.arange(len(patients)) + draw) % 2 for draw in (1, 2)}).set_index(patients)


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
    monkeypatch.setattr(load_script("recipes"), "drawn_labels", lambda *_: alternating_labels(study))
    names = ("ct ridge:tumor", "slides profile")
    for _ in range(2):  # the second time from what is stored
        run_script("recipes", study, "--draws", 2, "--workers", 1, "--work", tmp_path, "--candidates", *names)
    out = capsys.readouterr().out
    assert "MScaleCT: share of the oracle" in out and "CytoPath: share of the oracle" in out
    table = pd.read_csv(tmp_path / "draws.csv")
    assert set(table["candidate"]) == set(names) and len(table) == 4
    assert table["auc"].between(0, 1).all()


def test_learning_curves_of_a_recipe(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same study twice gives fourteen patients of the development center."""
    script, curves = load_script("plan_curves"), tmp_path / "curves.csv"
    monkeypatch.setattr(script, "drawn_labels", lambda *_: alternating_labels(finished))
    sizes = ("--draws", 2, "--sizes", 10, 12, 400)
    run_script("plan_curves", finished, finished, *sizes, "--work", tmp_path / "work", "--out", curves)
    assert "14 patients may be drawn; left out: [400]" in capsys.readouterr().out
    table = pd.read_csv(curves)
    assert table["n"].tolist() == [10, 12] and table["draws"].tolist() == [2, 2]
    assert table[["auc_mscalect", "auc_cytopath", "auc_espark", "above", "power"]].stack().between(0, 1).all()
    assert (table["power"] <= table["above"]).all()
    monkeypatch.setattr(script, "one_draw", None)  # every draw is a file, so that nothing is trained again
    again = tmp_path / "again.csv"
    run_script("plan_curves", finished, finished, *sizes, "--work", tmp_path / "work", "--out", again)
    assert again.read_bytes() == curves.read_bytes()


def test_answers_are_withheld_and_judged(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_script("applicability"), "drawn_labels", lambda *_: alternating_labels(finished))
    run_script("applicability", finished, "--draws", 1, "--foreign", 1, "--without-images", "--work", tmp_path)
    out = capsys.readouterr().out
    external = pd.read_csv(tmp_path / f"{finished.name}.csv")
    assert external["center"].value_counts().to_dict() == {"B": 3, "C": 2}
    assert external["error"].between(0, 1).all()
    assert f"100%: {external['error'].mean():.3f}" in out  # nobody is left out
    assert "all features zero" in out and "random tile vectors" in out


@pytest.mark.slow
def test_foreign_images_get_no_answer(finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs, options = load_script("foreign_inputs"), ("--draws", 0, "--foreign", 1, "--work", tmp_path)
    run_script("applicability", finished, *options)
    out = capsys.readouterr().out
    lines = {line[7:59].strip(): line for line in out.splitlines()}
    assert {*inputs.CT_KINDS, *inputs.SLIDE_KINDS} <= set(lines)
    for kind in ("water phantom", "HU without rescaling (+1024)", "blank slide", "gray pictures"):
        assert "100% of 1   refused" in lines[kind]
    run_script("applicability", finished, *options, "--without-images")  # the foreign images are kept
    assert capsys.readouterr().out.split("foreign inputs")[1] == out.split("foreign inputs")[1]


def test_a_share_has_wilsons_interval() -> None:
    assert load_script("applicability").share([True] * 2 + [False] * 8).split() == [
        "20.0%", "(6%", "to", "51%;", "2", "of", "10)"
    ]  # fmt: skip


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
