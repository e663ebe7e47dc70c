"""A cell probe is taught to the encoder of a study, used by `prepare`, and goes into the record of each slide."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from encoder_folders import save_vision
from espark.cells import CELL_TYPES, COUNTED_CELLS
from espark.errors import EncoderError, InputError, TableError
from espark.pathology.cells.cell_probe import CellProbe
from espark.pathology.features import read_slide_features
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.teach import teach
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")


@pytest.fixture
def wordless(trial: Path, tmp_path: Path) -> Path:
    """The tiny trial, its slides to be encoded by a random vision transformer."""
    pytest.importorskip("transformers")
    folder = Path(shutil.copytree(trial, tmp_path / "study"))
    save_vision(folder / "models" / "dino", "dinov2")
    setting(folder, 'encoder = "espark-mini"', 'encoder = "hf-vision"')
    setting(folder, 'encoder_path = ""', 'encoder_path = "models/dino"')
    return folder


def setting(folder: Path, old: str, new: str) -> None:
    text = (folder / "study.toml").read_text()
    assert old in text
    (folder / "study.toml").write_text(text.replace(old, new))


def labelled(folder: Path, count: int = 60, **changes: object) -> Path:
    """Tiles that a person counted: the darker a tile, the more lymphocytes."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        darkness = float(rng.uniform(0, 100))
        tile = rng.integers(150, 250, (256, 256, 3)) - darkness
        Image.fromarray(tile.astype(np.uint8)).save(folder / f"{number}.png")
        rows.append({"tile": f"{number}.png", **dict.fromkeys(COUNTED_CELLS, 1), "lymphocyte": darkness, **changes})
    pd.DataFrame(rows).to_csv(folder / "tiles.csv", index=False)
    return folder / "tiles.csv"


def opened(folder: Path) -> Workspace:
    return open_workspace(folder)


def test_tiles_that_a_person_counted_teach(wordless: Path, tmp_path: Path) -> None:
    taught = teach(opened(wordless), labels=labelled(tmp_path), reporter=QUIET)
    assert taught.agreement["lymphocyte"] > 0.8
    assert np.isnan(taught.nlr) and np.isnan(taught.agreement["neutrophil"])
    probe = CellProbe.load(taught.path)
    assert probe.teacher == "a person" and probe.weights.shape == (16, len(COUNTED_CELLS))


def test_labels_that_cannot_be_used_are_refused_by_row(wordless: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"missing or negative.*line 2|line 2.*missing or negative"):
        teach(opened(wordless), labels=labelled(tmp_path, neutrophil=-1), reporter=QUIET)
    with pytest.raises(InputError, match="only 12 tiles"):
        teach(opened(wordless), labels=labelled(tmp_path, 12), reporter=QUIET)


def test_an_encoder_with_words_needs_no_probe(trial: Path) -> None:
    with pytest.raises(EncoderError, match="needs no cell probe"):
        teach(opened(trial), reporter=QUIET)


@pytest.mark.slow
def test_a_taught_study_selects_by_cell_type(wordless: Path) -> None:
    setting(wordless, 'cell_probe = ""', 'cell_probe = "cell-probe.safetensors"')
    assert not prepare_failed(wordless, "the cell probe is missing")
    taught = teach(opened(wordless), tiles=200, reporter=QUIET)
    workspace = opened(wordless)
    assert not prepare(workspace, only="slides", reporter=QUIET).failed
    patient = next(patient for patient in workspace.cohort.used if patient.files.slides)
    features = read_slide_features(workspace.layout.slide_features(patient.patient_id, "slide-1"))
    probe = CellProbe.load(taught.path)
    assert features.cell_probe == probe.identity
    assert features.cell_types == tuple(entry.key for entry in CELL_TYPES)
    assert features.expected_counts == pytest.approx(probe.counts(features.features), abs=1e-4)
    study = load_inputs(workspace)
    assert study.encoder is not None and study.encoder.cell_probe == probe.identity
    assert study.inputs.has_text and study.inputs.has_counts


def prepare_failed(folder: Path, reason: str) -> bool:
    """Whether preparing did anything but fail for this reason."""
    with pytest.raises(InputError, match=reason):
        prepare(opened(folder), only="slides", reporter=QUIET)
    return False
