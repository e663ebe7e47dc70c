"""A study with an encoder that knows no words, and with stain normalization, from slides to a new patient."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from encoder_folders import save_vision
from espark.bundle.folder import load_bundle
from espark.errors import EsparkError
from espark.pathology.features import read_slide_features
from espark.steps.check.check import problems_beside_images
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.prepare.prepare import prepare
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.cohort import Patient
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")


@pytest.fixture
def wordless(trial: Path, tmp_path: Path) -> Path:
    """The tiny trial, its slides to be encoded by a random vision transformer after normalization."""
    pytest.importorskip("transformers")
    folder = Path(shutil.copytree(trial, tmp_path / "study"))
    save_vision(folder / "models" / "dino", "dinov2")
    text = (folder / "study.toml").read_text()
    text = text.replace('encoder = "espark-mini"', 'encoder = "hf-vision"')
    text = text.replace('encoder_path = ""', 'encoder_path = "models/dino"')
    text = text.replace('encoder_name = ""', 'encoder_name = "tiny-dino"').replace(
        'stain = "none"', 'stain = "macenko"'
    )
    (folder / "study.toml").write_text(text)
    return folder


@pytest.mark.slow
def test_without_words_every_tile_enters_and_the_bundle_knows_its_tools(wordless: Path, tmp_path: Path) -> None:
    workspace = open_workspace(wordless)
    assert problems_beside_images(workspace) == []
    result = prepare(workspace, only="slides", reporter=QUIET)
    assert not result.failed
    patient: Patient = next(patient for patient in workspace.cohort.used if patient.files.slides)
    path = workspace.layout.slide_features(patient.patient_id, "slide-1")
    features = read_slide_features(path)
    assert (features.encoder, features.encoder_entry, features.stain) == ("tiny-dino", "hf-vision", "macenko")
    assert features.similarity is None and features.dim == 16
    assert "cytopath" in train(workspace, reporter=QUIET)
    model = workspace.layout.model("cytopath")
    card = load_bundle(model).card
    assert card.encoder is not None
    assert (card.encoder.name, card.encoder.entry, card.encoder.weights) == (
        "tiny-dino", "hf-vision", features.encoder_weights,
    )  # fmt: skip
    assert card.encoder.stain_target == json.loads(features.stain_target) and card.encoder.cell_types == ()
    new = NewPatient(slides=(patient.files.slides[0],), slide_mpp=patient.files.slide_mpp)
    with pytest.raises(EsparkError, match=r"encoder hf-vision.*no folder is given"):
        predict(model, new, tmp_path / "out", reporter=QUIET)
    folder = wordless / "models" / "dino"
    given = NewPatient(slides=(patient.files.slides[0],), slide_mpp=patient.files.slide_mpp, encoder_path=folder)
    assert 0 <= predict(model, given, tmp_path / "out", reporter=QUIET).probability <= 1
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"image_mean": [0.1, 0.1, 0.1]}))
    with pytest.raises(EsparkError, match="other weights"):
        predict(model, given, tmp_path / "again", reporter=QUIET)
