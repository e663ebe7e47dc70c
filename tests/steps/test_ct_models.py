"""`espark ablate --ct` on the tiny simulated study, and logistic regression on radiomics alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.steps.ablate.ct_models import compare_ct_models
from espark.training.inputs import Inputs
from espark.training.members.catalogue import CT_COMPARATORS
from espark.training.members.ct_logistic import CtLogisticMember, Penalty
from espark.training.settings import ModelSettings
from espark.work.progress import Reporter
from espark.workspace.config import StudyConfig
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
CONFIG = StudyConfig()
SETTINGS = ModelSettings(CONFIG.mscalect, CONFIG.cytopath, CONFIG.espark)


@pytest.fixture
def compared(study: Path) -> Path:
    compare_ct_models(open_workspace(study), reporter=QUIET)
    return study


def test_mscalect_among_its_comparators_has_the_auc_of_the_study(compared: Path) -> None:
    table = pd.read_csv(compared / "evaluation" / "ablation_ct.csv")
    own = table[(table["model"] == "network") & (table["scales"] == "tumor + esophagus")].set_index("cohort")
    metrics = pd.read_csv(compared / "evaluation" / "metrics.csv")
    reported = metrics[(metrics["model"] == "mscalect") & (metrics["metric"] == "auc")].set_index("cohort")
    assert len(own) > 1
    for column, same in (("auc", "value"), ("ci_low", "ci_low"), ("ci_high", "ci_high"), ("n", "n")):
        np.testing.assert_allclose(own[column], reported.loc[own.index, same], rtol=1e-9)


def test_every_model_on_every_scale_in_every_cohort(compared: Path) -> None:
    table = pd.read_csv(compared / "evaluation" / "ablation_ct.csv")
    gains = pd.read_csv(compared / "evaluation" / "ablation_ct-gains.csv")
    cohorts = table["cohort"].nunique()
    assert set(table["scales"]) == {"tumor + esophagus", "tumor", "esophagus"}
    models = 1 + len(CT_COMPARATORS)
    assert len(table) == models * 3 * cohorts
    assert len(gains) == (models * 3 - 1) * cohorts
    assert (gains["p_adjusted"].dropna() >= gains["p_value"].dropna() - 1e-12).all()
    assert (compared / "figures" / "ablation-ct.svg").stat().st_size > 1000
    folds = sorted((compared / "evaluation" / "ablation").rglob("fold-*.safetensors"))
    before = {path: path.stat().st_mtime_ns for path in folds}
    folds[0].unlink()
    compare_ct_models(open_workspace(compared), reporter=QUIET)
    assert [path for path in folds if path.stat().st_mtime_ns != before[path]] == [folds[0]]


def _inputs(radiomics: np.ndarray) -> Inputs:
    n, features = radiomics.shape
    names = tuple(f"f{index}" for index in range(features))
    ids = tuple(f"p{index}" for index in range(n))
    return Inputs(ids, ("tumor",), (names,), radiomics.astype(np.float32), (None,) * n)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_logistic_regression_finds_what_was_planted(penalty: Penalty) -> None:
    generator = np.random.default_rng(0)
    radiomics = generator.normal(size=(200, 300))
    labels = (radiomics[:, 7] - radiomics[:, 40] + generator.normal(size=200) > 0).astype(np.int64)
    radiomics[:, 3] = 5.0
    radiomics[10, 7], radiomics[11] = np.nan, np.nan
    inputs = _inputs(radiomics)
    member = CtLogisticMember.train(inputs, labels, SETTINGS, 1, penalty=penalty)
    assert set(np.argsort(np.abs(member.weights))[-2:]) == {7, 40}
    assert member.weights[7] > 0 > member.weights[40]
    assert member.weights[3] == 0 and (member.weights != 0).sum() <= 100
    assert np.isnan(member.logits(inputs)[11]) and np.isfinite(member.logits(inputs)[10])
    again = CtLogisticMember.restore(inputs.subset([]), SETTINGS, member.state())
    np.testing.assert_array_equal(again.logits(inputs), member.logits(inputs))
    other = CtLogisticMember.train(inputs, labels, SETTINGS, 1, penalty=penalty)
    np.testing.assert_array_equal(other.weights, member.weights)


def test_logistic_regression_on_features_that_carry_nothing_is_the_prevalence() -> None:
    inputs, labels = _inputs(np.full((20, 5), 3.0)), np.array([1] * 5 + [0] * 15)
    odds = CtLogisticMember.train(inputs, labels, SETTINGS, 0).logits(inputs)
    assert np.allclose(1 / (1 + np.exp(-odds)), 5.5 / 21)


def test_inputs_of_one_scale() -> None:
    inputs = Inputs(("a",), ("tumor", "esophagus"), (("x", "y"), ("z",)), np.array([[1, 2, 3]], np.float32), (None,))
    assert inputs.of_scales(("esophagus",)).radiomics.tolist() == [[3]]
    assert inputs.of_scales(("tumor",)).feature_names == (("x", "y"),)
    assert inputs.of_scales(()).radiomics.shape == (1, 0)
