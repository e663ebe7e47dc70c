"""Every benchmark and example runs at its smallest size, so that none of them breaks unnoticed.

Those that need a study are in `tests/steps/test_benchmarks_on_a_study.py`. A figure at such a size means nothing: what
is checked is that there is one, and the few things that hold at any size.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.workspace.opened import open_workspace
from scripts import load_script, run_script, script_names

HELPERS = {"card_table", "encoder_figures", "foreign_inputs", "real_nuclei", "trial_draws"}
SMALL = {
    "big_bag": ("--aggregator", "mean", "--tiles", 60, "--max-tiles", 10),
    "encoder_simulated": ("--tiles", 4),
    "encoder_speed": ("--threads", 1, "--tiles", 2, "--repeats", 1, "--drawn", 3),
    "simulation_speed": ("--patients", 1, "--tiles", 12, "--ct-matrix", 64),
    "training_speed": ("--patients", 40, "--others", 4, "--tiles", 10, "--dim", 8, "--folds", 1, "--epochs", 1,
                       "--fewer", 5, "--workers", 1),
}  # fmt: skip
REAL = {
    "ct_fuzz": ("--cases", 4),
    "ct_lung1": (),
    "musk": ("--data", "Musk1", "--repeats", 1, "--folds", 1, "--epochs", 1),
    "segmentation_real": ("--data", "{data}", "--fits", "{folder}"),
    "slide_speed": ("{data}/slides/cmu-1-small-region.svs", "--workers", 1, "--repeats", 1),
    "stain_speed": ("--tiles", 1, "--rounds", 1),
}
HERE = {
    "encoder_card", "encoder_real", "radiomics_speed", "segmentation_card", "segmentation_doubt",
    "segmentation_virtual", "tissue", "tissue_look",
}  # fmt: skip
ON_A_STUDY = {
    "applicability", "biology_draws", "ct_scales", "encoder_trial", "explanations", "label_draws", "memorizing",
    "patient_time", "plan_curves", "recipes", "virtual_trial", "whole_run",
}  # fmt: skip
SCRIPTS = [name for name in script_names("benchmarks") + script_names("examples") if name not in HELPERS]

pytestmark = pytest.mark.filterwarnings("ignore")  # statistics of three tiles warn, and rightly so


def test_no_benchmark_or_example_is_forgotten() -> None:
    assert {*SMALL, *REAL, *HERE, *ON_A_STUDY, *HELPERS} == set(script_names("benchmarks"))
    assert script_names("examples") == ["esophageal_immunotherapy_75"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_says_what_it_does(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_script(name, "--help")
    assert end.value.code == 0
    assert (load_script(name).__doc__ or "").split()[0] in capsys.readouterr().out


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_at_its_smallest_size(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(load_script("encoder_figures"), "RESAMPLES", 10)
    run_script(name, *SMALL[name])
    assert any(character.isdigit() for character in capsys.readouterr().out)


@pytest.mark.parametrize("name", REAL)
def test_it_runs_on_a_little_real_data(
    name: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_script(name, *(str(part).format(data=data, folder=tmp_path) for part in REAL[name]))
    out = capsys.readouterr().out
    assert "tiles/s" in out if name == "stain_speed" else "PASS" in out or "FALLS SHORT" in out


def test_musk_learns_from_a_fold_and_holds_it_out(data: Path) -> None:
    """Labels of the held-out bags teach nothing: the same molecules are predicted whatever they are."""
    musk = load_script("musk")
    with np.load(data / "mil" / "Musk1.npz") as file:
        instances, bag, labels = file["X"], file["bag"], file["y"].astype(np.int64)
    held_out = musk.masks(labels, None, 1)[0, 0]
    right = musk.accuracy(instances, bag, labels, held_out, 0, 3)
    turned = np.where(held_out, 1 - labels, labels)
    assert musk.accuracy(instances, bag, turned, held_out, 0, 3) == pytest.approx(1 - right)


def test_real_nuclei_are_scored(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two fields of sixteen patches each."""
    for part in ("images/test", "type_mat/test"):
        (tmp_path / "consep" / part).mkdir(parents=True)
        for path in sorted((data / "nuclei" / "consep" / part).iterdir())[:32]:
            (tmp_path / "consep" / part / path.name).symlink_to(path)
    monkeypatch.setattr(load_script("real_nuclei"), "DATA", tmp_path)
    monkeypatch.setattr(load_script("encoder_figures"), "RESAMPLES", 10)
    monkeypatch.setattr(load_script("encoder_real"), "LEAST_VIEWS", 1)
    monkeypatch.setattr(load_script("encoder_real"), "ZOOMS", (1.0, 0.7))
    run_script("encoder_real", "--set", "consep-test", "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())["figures"]
    values = {(figure["task"], figure["score"]): figure["value"] for figure in figures}
    bounded = [value for (task, _), value in values.items() if task.endswith(("AUC", "Spearman"))]
    assert np.isfinite(bounded).any() and np.nanmax(np.abs(bounded)) <= 1
    margins = [(task, score) for task, score in values if score == "words − dark pixels"]
    assert margins
    for task, score in margins:
        assert values[task, score] == pytest.approx(values[task, "words ×1"] - values[task, "dark pixels"])


class TestNucleiOfTissue:
    """Simulated tissue beside real tissue."""

    def test_every_source_is_measured(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        script = load_script("tissue_look")
        run_script("tissue_look", "--tiles", 1)
        _, *rows = capsys.readouterr().out.splitlines()
        assert len(rows) == len(script.SOURCES)
        for source, row in zip(script.SOURCES, rows, strict=True):
            numbers = np.array(row.removeprefix(source).split(), float).reshape(7, 3)
            assert np.isfinite(numbers).all() and (np.diff(numbers, axis=1) >= 0).all()

    def test_nuclei_of_known_size_are_measured(self) -> None:
        """Nine round nuclei of 10 px radius, 60 px apart."""
        rows, columns = np.indices((256, 256))
        dark = np.zeros((256, 256), bool)
        for top, left in np.ndindex(3, 3):
            dark |= (rows - 60 - 60 * top) ** 2 + (columns - 60 - 60 * left) ** 2 <= 10**2
        tile = np.where(dark[..., None], [70, 50, 130], [235, 215, 230]).astype(np.uint8)
        count, area, elongation, _, _, neighbor, share = load_script("tissue_look").measure(tile)
        assert count.tolist() == [9]
        np.testing.assert_allclose(area, np.pi * 10**2 * 0.5**2, rtol=0.1)
        np.testing.assert_allclose(elongation, 1, atol=0.05)
        np.testing.assert_allclose(neighbor, 60 * 0.5, atol=0.5)
        assert share == pytest.approx(9 * np.pi * 10**2 / 256**2, rel=0.1)


def test_what_is_passed_on_of_a_real_ct(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for part in ("ct", "labels"):
        name = f"segthor_35_{part}.nii.gz"
        (tmp_path / name).symlink_to(data / "ct" / "segthor-dev" / name)
    run_script("segmentation_doubt", "--chests", tmp_path)
    header, row, *_ = capsys.readouterr().out.splitlines()
    names = header.split()[3:]  # after the name, the codes and the tumor, which may be several words
    found = dict(zip(names, map(float, row.split()[-len(names) :]), strict=True))
    assert 0.4 < found["dice_raw"] <= 1  # against the expert's contour
    assert 0 < found["dice_passed"] <= 1
    assert found["aorta_raw"] < 0.1 and found["aorta_passed"] < 0.1


def test_dice_is_twice_the_shared_over_both() -> None:
    dice = load_script("segmentation_doubt").dice
    one, other = np.array([True, True, False, False]), np.array([False, True, True, True])
    assert dice(one, other) == pytest.approx(2 / 5)
    assert dice(one, one) == 1 and dice(np.zeros(4, bool), np.zeros(4, bool)) == 0


def test_a_simulated_ct_is_segmented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script("segmentation_virtual")
    monkeypatch.setattr(script, "MATRIX", 96)
    run_script("segmentation_virtual", "--patients", 1, "--json", tmp_path / "virtual.json")
    assert "esophagus" in capsys.readouterr().out
    run_script("segmentation_card", tmp_path / "virtual.json", "--out", tmp_path / "card.md")
    assert "| dice |" in (tmp_path / "card.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_slides_of_every_center_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    run_script("tissue", "--patients", 1, "--workers", 1)
    assert "tissue IoU ≥ 0.9 against the virtual truth: PASS" in capsys.readouterr().out


def test_radiomics_are_timed_beside_pyradiomics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = load_script("radiomics_speed")
    monkeypatch.setattr(script, "_BARE", ["Original"])
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.normal(40, 20, size=(24, 24, 24)).astype(np.float32))
    image.SetSpacing((2, 2, 2))
    mask = sitk.GetImageFromArray((np.indices((24, 24, 24)) - 12.0).__pow__(2).sum(axis=0).__lt__(64).astype(np.uint8))
    mask.CopyInformation(image)
    ratio = script.beside_pyradiomics({"ball": script.resampled(CtVolume(image, "nifti"), mask)}, 1)
    assert ratio > 0
    same, shared = capsys.readouterr().out.split("features")[0].split()[-3::2]
    assert int(same) == int(shared) > 90


class TestFigures:
    """What the benchmarks of the networks share."""

    def test_an_interval_is_over_groups_and_holds_the_value(self) -> None:
        script = load_script("encoder_figures")
        rng = np.random.default_rng(0)
        one = rng.normal(size=200)
        other, group = one + rng.normal(size=200), np.repeat(np.arange(20), 10)
        blank = script.Figure("a task", "a score", 0.0, 200, "tiles")
        found = script.with_interval(blank, script.rank_correlation, one, other, group)
        assert found.low < found.value < found.high
        assert found.value == pytest.approx(script.rank_correlation(one, other))
        alone = script.with_interval(blank, script.rank_correlation, one, other, np.zeros(200))
        assert alone.low == alone.value == alone.high  # one group resampled is that group

    def test_a_figure_of_no_rows_is_not_a_number(self) -> None:
        script = load_script("encoder_figures")
        none = np.zeros(0)
        found = script.with_interval(script.Figure("t", "s", 0.0, 0, "tiles"), script.auc, none, none, none)
        assert math.isnan(found.value) and found.low is None

    def test_the_auc_counts_ordered_pairs(self) -> None:
        auc = load_script("encoder_figures").auc
        score, positive = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])
        assert auc(score, positive) == pytest.approx(3.5 / 4)
        assert math.isnan(auc(score, np.ones(4, bool)))

    def test_a_card_shows_figures_of_these_weights_and_refuses_others(self, tmp_path: Path) -> None:
        script = load_script("encoder_figures")
        figure = script.Figure("count, Spearman", "lymphocyte", 0.612, 40, "tiles", 0.5, 0.7, wanted=0.6)
        script.write(tmp_path / "some.json", "python some.py", None, [figure])
        run_script("encoder_card", tmp_path / "some.json", "--out", tmp_path / "card.md")
        row = "| count, Spearman | lymphocyte | 0.612 | 0.500 to 0.700 | 40 tiles | ≥ 0.600: PASS |"
        assert row in (tmp_path / "card.md").read_text(encoding="utf-8").splitlines()
        content = json.loads((tmp_path / "some.json").read_text())
        (tmp_path / "other.json").write_text(json.dumps({**content, "weights_sha256": "0" * 64}))
        with pytest.raises(SystemExit, match="belongs to other weights"):
            run_script("encoder_card", tmp_path / "other.json", "--out", tmp_path / "card.md")


def test_the_mean_over_draws_has_students_interval() -> None:
    script = load_script("trial_draws")
    mean, half = script.mean_and_half([1.0, 2.0, 3.0])
    assert mean == 2.0 and half == pytest.approx(4.302653 / math.sqrt(3))
    assert script.null_bounds(50) == (0, 7)


def test_the_example_makes_a_study_of_the_table(data: Path, tmp_path: Path) -> None:
    table = data / "tables" / "esophageal-immunotherapy-75.xlsx"
    load_script("esophageal_immunotherapy_75").write_study(table, tmp_path / "study")
    workspace = open_workspace(tmp_path / "study")
    assert len(workspace.cohort.development) == 75
    assert sum(patient.label or 0 for patient in workspace.cohort.development) == 36
    assert len(pd.read_csv(tmp_path / "study" / "radiomics.csv", nrows=1).columns) == 1 + 107


@pytest.mark.slow
def test_the_example_runs_to_its_report(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_script("esophageal_immunotherapy_75", data / "tables" / "esophageal-immunotherapy-75.xlsx", tmp_path / "study")
    out = capsys.readouterr().out
    assert "mscalect: out-of-fold AUC 0." in out and "n = 75, 36 responders" in out
    assert (tmp_path / "study" / "report" / "index.html").is_file()
