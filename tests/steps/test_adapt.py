"""`espark adapt`: a model for another scanner, from the features of unlabelled patients."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from espark.bundle.folder import load_bundle, member_path, save_bundle
from espark.cli.app import app
from espark.errors import BundleError, InputError
from espark.steps.adapt import adapt
from espark.steps.predict.patient_images import inputs_of
from espark.steps.prepare.prepare import prepare
from espark.training.inputs import Inputs
from espark.training.likeness.applicability import Applicability
from espark.training.likeness.views import applicability_views
from espark.training.members.mscalect import MScaleCTMember
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from made_up_bundle import FOLDS, SETTINGS, made_up_card, made_up_patients

NAMES = tuple(f"original_shape_{letter}" for letter in "abcde") + tuple(f"original_glcm_{letter}" for letter in "fghi")
SHIFT = 4.0


def our_patients(count: int = 60) -> tuple[Inputs, np.ndarray]:
    """Patients with five shape features and four that a scanner shifts; the first of these tells the label."""
    inputs, labels = made_up_patients(count)
    shape = np.random.default_rng(1).normal(size=(count, 5)).astype(np.float32)
    radiomics = np.concatenate([shape, inputs.radiomics], axis=1)
    return replace(inputs, feature_names=(NAMES,), radiomics=radiomics), labels


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapt") / "mscalect"
    inputs, labels = our_patients()
    members = [MScaleCTMember.train(inputs, labels, SETTINGS, seed) for seed in range(FOLDS)]
    for fold, member in enumerate(members):
        member.state().save(member_path(folder, fold), f"key {fold}")
    card = made_up_card(labels, 1 / (1 + np.exp(-members[0].logits(inputs))))
    assert card.radiomics is not None
    card = card.model_copy(update={"radiomics": card.radiomics.model_copy(update={"feature_names": (NAMES,)})})
    views = [applicability_views(inputs, index)["ct"] for index in range(len(inputs))]
    save_bundle(folder, card, {"ct": Applicability.fit(views)}, "# MScaleCT\n")
    return folder


def site_study(folder: Path, count: int, centers: tuple[str, ...] = ("S",)) -> Path:
    """A prepared study of features; the scanner shifts all but the shape."""
    inputs, _ = our_patients(count)
    values = inputs.radiomics.copy()
    values[:, 5:] += SHIFT
    folder.mkdir()
    ids = [f"S-{number}" for number in range(count)]
    cohort = {"patient_id": ids, "center": [centers[i % len(centers)] for i in range(count)], "role": "external"}
    pd.DataFrame(cohort | {"pcr": ""}).to_csv(folder / "cohort.csv", index=False)
    (folder / "study.toml").write_text('[[ct_features]]\nfile = "f.csv"\npatient_column = "who"\nscale = "tumor"\n')
    pd.DataFrame(values, columns=list(NAMES)).assign(who=ids).to_csv(folder / "f.csv", index=False)
    prepare(open_workspace(folder, trains=False), reporter=Reporter("quiet"))
    return folder


def row_of(features: np.ndarray) -> dict[str, float]:
    return dict(zip((f"tumor__{name}" for name in NAMES), features.tolist(), strict=True))


def test_a_patient_of_the_site_gets_the_answer_of_the_same_patient_at_home(model: Path, tmp_path: Path) -> None:
    study = site_study(tmp_path / "site", 40)
    found = adapt(model, study, tmp_path / "adapted")
    assert (found.center, found.n, found.new_before) == ("S", 40, True)
    assert found.noted_before > 0.4 and found.noted_after < 0.2
    home, adapted = load_bundle(model), load_bundle(tmp_path / "adapted")
    inputs, _ = our_patients(40)
    differences = []
    for features in inputs.radiomics:
        shifted = features.copy()
        shifted[5:] += SHIFT
        here, there = row_of(features), row_of(shifted)
        answers = [bundle.predict(inputs_of(bundle, "p", row, (), ()))[0] for bundle, row in
                   ((home, here), (home, there), (adapted, there))]  # fmt: skip
        right, before, after = (answer.probability for answer in answers if answer is not None)
        differences.append((abs(before - right), abs(after - right)))
        moved = inputs_of(adapted, "p", there, (), ()).radiomics[0]
        assert (moved[:5] == features[:5]).all(), "shape is not changed"
    before, after = np.mean(differences, axis=0)
    assert after < before / 3


def test_the_bundle_records_what_was_done_and_weights_stay(model: Path, tmp_path: Path) -> None:
    study = site_study(tmp_path / "site", 12)
    result = CliRunner().invoke(app, ["adapt", str(model), "--patients", str(study), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0 and "S looks new to the model. 12 patients were used" in result.output
    card = load_bundle(tmp_path / "out").card
    assert card.adaptation is not None
    assert (card.adaptation.center, card.adaptation.n) == ("S", 12) and card.adaptation.date
    for fold in range(FOLDS):
        assert member_path(tmp_path / "out", fold).read_bytes() == member_path(model, fold).read_bytes()
    assert "Adapted to the CTs of S with 12" in (tmp_path / "out" / "MODEL_CARD.md").read_text()
    with pytest.raises(BundleError, match="adapted to S already"):
        adapt(tmp_path / "out", study, tmp_path / "again")


def test_what_cannot_be_used_is_refused(model: Path, tmp_path: Path) -> None:
    few = site_study(tmp_path / "few", 4)
    with pytest.raises(InputError, match="4 patients of S have CT features"):
        adapt(model, few, tmp_path / "out")
    two = site_study(tmp_path / "two", 12, ("S", "T"))
    with pytest.raises(InputError, match="the centers S, T"):
        adapt(model, two, tmp_path / "out")
    assert adapt(model, two, tmp_path / "out", center="T").n == 6
    with pytest.raises(InputError, match="not empty"):
        adapt(model, two, tmp_path / "out", center="T")


def test_features_of_unknown_names_are_refused(saved_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="begins with original_"):
        adapt(saved_bundle, tmp_path, tmp_path / "out")


@pytest.fixture
def saved_bundle(tmp_path: Path) -> Path:
    """A model of features a to d."""
    folder = tmp_path / "letters"
    inputs, labels = made_up_patients()
    members = [MScaleCTMember.train(inputs, labels, SETTINGS, seed) for seed in range(FOLDS)]
    for fold, member in enumerate(members):
        member.state().save(member_path(folder, fold), f"key {fold}")
    views = [applicability_views(inputs, index)["ct"] for index in range(len(inputs))]
    raw = 1 / (1 + np.exp(-members[0].logits(inputs)))
    save_bundle(folder, made_up_card(labels, raw), {"ct": Applicability.fit(views)}, "# MScaleCT\n")
    return folder
