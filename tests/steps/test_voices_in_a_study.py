"""The recipe robust from `train` to a new patient, with two splits into folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.bundle.folder import load_bundle
from espark.errors import ConfigError
from espark.steps.ablate.cell_ablation import ablated_answers
from espark.steps.ablate.ct_models import compare_ct_models
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.explain import patient_folds
from espark.steps.explain.patient_explanation import explain_patient
from espark.steps.explain.slide_evidence import slide_evidence
from espark.steps.prepare.prepared_inputs import load_inputs, load_slides
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.config import read_config
from espark.workspace.opened import open_workspace
from espark.workspace.template import config_template

QUIET = Reporter("quiet")


@pytest.fixture
def robust(study: Path) -> Path:
    """The finished study with the settings of the recipe, two splits and the folds that it had."""
    config = read_config(study / "study.toml")
    kept = {"protocol": {"folds": config.protocol.folds}, "ct": {"image_types": config.ct.image_types}}
    text = config_template(config.study, config.clinical_columns, kept, "robust")
    (study / "study.toml").write_text(text.replace("repeats = 5", "repeats = 2"))
    return study


def test_from_training_to_a_new_patient(robust: Path) -> None:
    before = pd.read_csv(robust / "splits.csv").set_index("patient_id")
    workspace = open_workspace(robust)
    train(workspace, reporter=QUIET)
    after = pd.read_csv(robust / "splits.csv").set_index("patient_id")
    pd.testing.assert_series_equal(after["fold"], before["fold"])
    assert after["fold_2"].notna().equals(before["fold"].notna())

    bundle, inputs = load_bundle(workspace.layout.model("espark")), load_inputs(workspace).inputs
    assert len(bundle.members) == 6
    assert any(sentence.startswith("Share of each part in what all parts add") for sentence in bundle.card.decisions)
    assert any("split 2 times" in sentence for sentence in bundle.card.decisions)
    table = pd.read_csv(robust / "predictions" / "espark.csv").set_index("patient_id")
    development = table["role"] == "development"
    assert (table["n_models"] == np.where(development, 2, 6)).all()
    answers = dict(zip(inputs.patient_ids, bundle.predict(inputs), strict=True))
    for name in table.index[~development]:
        answer = answers[name]
        assert answer is not None and answer.probability == pytest.approx(table.loc[name, "probability"], abs=1e-12)

    folds = patient_folds(workspace)
    for name, unseen in folds.items():
        assert unseen == (after.loc[name, "fold"], 3 + after.loc[name, "fold_2"])


def test_a_patient_is_explained_and_a_cell_type_can_be_taken_away(robust: Path) -> None:
    workspace = open_workspace(robust)
    train(workspace, reporter=QUIET)
    bundle, study = load_bundle(workspace.layout.model("espark")), load_inputs(workspace)
    places = np.array([0, 1, len(study.inputs) - 1])
    folds = patient_folds(workspace)
    for place in places.tolist():
        patient, one = workspace.cohort.used[place], study.inputs.subset([place])
        unseen = folds.get(patient.patient_id)
        found = explain_patient(bundle, one, load_slides(workspace, patient), fold=unseen)
        asked = bundle.asked(unseen)
        assert len(asked) == (6 if unseen is None else 2)
        assert found.ct_attribution is not None and len(found.ct_attribution) == len(asked)
        assert sum(part.sum() for part in found.attention) == pytest.approx(1, abs=1e-5)
        tiles = slide_evidence(bundle, one, fold=unseen)
        assert tiles is not None and abs(tiles.completeness) < 0.01
    ablated = ablated_answers(workspace, bundle, study.inputs, places, folds, lambda: None)
    table = pd.read_csv(robust / "predictions" / "espark.csv").set_index("patient_id")["probability"]
    expected = table.loc[[study.inputs.patient_ids[place] for place in places[-1:]]]
    np.testing.assert_allclose(ablated.probability[0, -1:], expected, atol=1e-6)
    assert np.ptp(ablated.probability, axis=0).max() > 0


def test_mscalect_among_its_comparators_has_the_auc_of_the_study(robust: Path) -> None:
    settings = robust / "study.toml"
    settings.write_text(settings.read_text().replace("repeats = 2", "repeats = 1"))
    workspace = open_workspace(robust)
    train(workspace, reporter=QUIET)
    evaluate(workspace, reporter=QUIET)
    compare_ct_models(workspace, reporter=QUIET)
    table = pd.read_csv(robust / "evaluation" / "ablation_ct.csv")
    assert set(table["model"]) == {"voices", "network", "logistic-l1", "logistic-l2"}
    own = table[(table["model"] == "voices") & (table["scales"] == "tumor + esophagus")].set_index("cohort")
    metrics = pd.read_csv(robust / "evaluation" / "metrics.csv")
    reported = metrics[(metrics["model"] == "mscalect") & (metrics["metric"] == "auc")].set_index("cohort")
    np.testing.assert_allclose(own["auc"], reported.loc[own.index, "value"], rtol=1e-9)


def test_one_split_less_keeps_the_first(robust: Path) -> None:
    train(open_workspace(robust), reporter=QUIET)
    first = pd.read_csv(robust / "splits.csv")["fold"]
    path = robust / "study.toml"
    path.write_text(path.read_text().replace("repeats = 2", "repeats = 1"))
    train(open_workspace(robust), reporter=QUIET)
    after = pd.read_csv(robust / "splits.csv")
    pd.testing.assert_series_equal(after["fold"], first)
    assert list(after.columns) == ["patient_id", "role", "fold"]


@pytest.mark.parametrize("spoil", ["weighted_sum = false", "voices = []"])
def test_voices_and_networks_cannot_be_mixed(robust: Path, spoil: str) -> None:
    path = robust / "study.toml"
    key = spoil.split(" = ")[0]
    lines = [spoil if line.startswith(f"{key} = ") else line for line in path.read_text().splitlines()]
    if key == "voices":  # those of one model alone
        lines = path.read_text().splitlines()
        lines[next(index for index, line in enumerate(lines) if line.startswith("voices = "))] = spoil
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigError, match="weighted_sum"):
        read_config(path)
