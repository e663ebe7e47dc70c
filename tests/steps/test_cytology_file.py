"""A study's own `cytology.toml`: into its checks, its preparation and its bundles."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from espark.bundle.folder import load_bundle
from espark.errors import InputProblems
from espark.files import read_json
from espark.pathology.cytology import cytology_template
from espark.steps.check.check import problems_beside_images
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")


def test_mistakes_in_both_files_are_told_at_once(trial: Path, tmp_path: Path) -> None:
    for name in ("study.toml", "cohort.csv"):
        shutil.copy(trial / name, tmp_path / name)
    with (tmp_path / "study.toml").open("a") as file:
        file.write("[cytopth]\n")
    (tmp_path / "cytology.toml").write_text("[cutoffs]\nshaer = 0.2\n")
    with pytest.raises(InputProblems) as caught:
        open_workspace(tmp_path)
    assert "Did you mean 'cytopath'?" in str(caught.value)
    assert "Did you mean 'share'?" in str(caught.value)


def test_a_word_that_the_encoder_does_not_know_is_told_before_the_work(trial: Path, tmp_path: Path) -> None:
    for name in ("study.toml", "cohort.csv"):
        shutil.copy(trial / name, tmp_path / name)
    for name in ("ct", "slides", "masks"):
        (tmp_path / name).symlink_to(trial / name)
    text = cytology_template().replace('name = "neutrophil"', 'name = "zebra"')
    (tmp_path / "cytology.toml").write_text(text, encoding="utf-8")
    problems = problems_beside_images(open_workspace(tmp_path))
    assert any("zebra" in str(problem) for problem in problems)


def test_cutoffs_of_the_file_choose_the_tiles_and_go_into_the_bundle(study: Path) -> None:
    """Cut-offs that no tile can pass: the best tiles stand in for every patient, and the bundle knows the file."""
    text = cytology_template().replace("share = 0.15", "share = 0.5")
    text = text.replace("[[cell_types]]", "[[cell_types]]\ncutoff = 2.0")
    (study / "cytology.toml").write_text(text, encoding="utf-8")
    before = pd.read_csv(study / "predictions" / "cytopath.csv")["probability"]
    train(open_workspace(study), reporter=QUIET)
    bundle = load_bundle(study / "models" / "cytopath")
    assert bundle.card.cytology == open_workspace(study).cytology
    assert bundle.card.model_settings.cutoffs.fixed == (2.0,) * 10
    tensors = bundle.members[0].state().tensors
    assert tensors["selector.cutoffs"].tolist() == [2.0] * 10
    assert not pd.read_csv(study / "predictions" / "cytopath.csv")["probability"].equals(before)
    assert "cytology.toml" in read_json(study / "manifest.json")["inputs"]
    decisions = " ".join(bundle.card.decisions)
    assert "The cut-offs were fixed in advance." in decisions
