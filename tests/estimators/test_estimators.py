"""The estimators: scikit-learn's own checks, what they refuse, and that they do what they say."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

import espark.estimators.estimators
from espark import CytoPath, ESpark, MScaleCT
from espark.errors import EstimatorError
from espark.types import IntArray
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings, StudySettings

QUICK = {"epochs": 6, "learning_rate": 1e-2}
CT = MScaleCT(folds=3, width=16, **QUICK)
SLIDES = CytoPath(folds=3, hidden=8, attention=4, batch_size=4, **QUICK)
BOTH = ESpark(mscalect=CT, cytopath=SLIDES, folds=3, projection=8, batch_size=4, **QUICK)

NOT_APPLICABLE = {
    "check_classifiers_train": "wants predict to be the more probable class; here it is the call at the fitted "
    "threshold, as in a study. Accuracy, shapes and refusals, which the check looks at before, are met.",
}
"""Checks of scikit-learn that cannot hold for MScaleCT, and why. Those of CytoPath and ESpark: below."""

WITHOUT_DATA = (
    "check_estimator_cloneable", "check_estimator_tags_renamed", "check_valid_tag_types", "check_estimator_repr",
    "check_no_attributes_set_in_init", "check_do_not_raise_errors_in_init_or_set_params", "check_mixin_order",
    "check_parameters_default_constructible", "check_get_params_invariance", "check_set_params",
)  # fmt: skip
"""Checks for estimators whose input is no table: all others hand them one, which is no bag and no pair."""


def cohort(count: int = 36, seed: int = 0) -> tuple[list[Any], IntArray]:
    """Pairs of radiomics and a bag, either of which tells the label in part."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.int64)
    radiomics = rng.normal(size=(count, 5)) + 1.5 * labels[:, None]
    bags = [rng.normal(size=(int(rng.integers(2, 9)), 4)) + label for label in labels]
    return list(zip(radiomics, bags, strict=True)), labels


@parametrize_with_checks(
    [MScaleCT(folds=3, epochs=30, learning_rate=1e-2, width=16)], expected_failed_checks=lambda _: NOT_APPLICABLE
)
def test_scikit_learns_own_checks(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("name", WITHOUT_DATA)
@pytest.mark.parametrize("estimator", [SLIDES, BOTH], ids=["CytoPath", "ESpark"])
def test_the_checks_that_need_no_table(estimator: BaseEstimator, name: str) -> None:
    check = getattr(estimator_checks, name, None)
    if check is None:
        pytest.skip("this version of scikit-learn has no such check")
    check(type(estimator).__name__, clone(estimator))


@pytest.mark.parametrize(
    ("estimator", "settings"),
    [(MScaleCT(), MScaleCTSettings()), (CytoPath(), CytoPathSettings()), (ESpark(), ESparkSettings())],
)
def test_the_defaults_are_those_of_a_study(estimator: BaseEstimator, settings: Any) -> None:
    parameters = estimator.get_params()
    expected = settings.model_dump() | ProtocolSettings().model_dump() | {"random_state": StudySettings().seed}
    own = {"mscalect", "cytopath", "cutoff_share"}
    assert {name: expected[name] for name in parameters if name not in own} == {
        name: value for name, value in parameters.items() if name not in own
    }
    without_data = {"clinical", "min_icc", "features"}
    assert set(settings.model_dump()) - without_data <= set(parameters)


def test_probabilities_and_calls_of_each() -> None:
    pairs, labels = cohort()
    names = np.array(["no", "yes"])
    for estimator, X in (
        (CT, np.array([row for row, _ in pairs])), (SLIDES, [bag for _, bag in pairs]), (BOTH, pairs),
    ):  # fmt: skip
        model = clone(estimator)
        with pytest.raises(NotFittedError):
            model.predict(X)
        model.fit(X, names[labels])
        assert model.classes_.tolist() == ["no", "yes"]
        assert model.n_features_in_ == (4 if isinstance(model, CytoPath) else 5)
        probability = model.predict_proba(X)
        np.testing.assert_allclose(probability.sum(axis=1), 1)
        assert roc_auc_score(labels, probability[:, 1]) > 0.85
        assert roc_auc_score(labels, model.out_of_fold_) > 0.7
        point = model.ensemble_.points[model.answers(X)[0].modality]
        np.testing.assert_array_equal(model.predict(X) == "yes", probability[:, 1] >= point.threshold)
        again = clone(estimator).fit(X, names[labels])
        np.testing.assert_array_equal(again.predict_proba(X), probability)
        other = clone(estimator).set_params(random_state=1).fit(X, names[labels])
        assert (other.predict_proba(X) != probability).any()


def test_espark_meets_a_missing_modality() -> None:
    pairs, labels = cohort()
    pairs[0], pairs[1] = (None, pairs[0][1]), (pairs[1][0], None)
    pairs[2] = (None, None)
    model = clone(BOTH).set_params(fusion="late", voting="majority").fit(pairs, labels)
    assert np.isnan(model.out_of_fold_).tolist() == [index == 2 for index in range(len(pairs))]
    assert [answer.modality for answer in model.answers([*pairs[:2], pairs[3]])] == ["slides", "ct", "both"]
    assert model.ensemble_.voting == "majority"
    with pytest.raises(EstimatorError, match="nothing to look at in patient 1"):
        model.predict_proba([pairs[0], (None, None)])


def test_the_scales_are_in_the_names_of_the_columns() -> None:
    pairs, labels = cohort()
    table = pd.DataFrame([row for row, _ in pairs])
    table.columns = pd.Index(["esophagus__b", "tumor__a", "esophagus__a", "tumor__b", "volume"])
    model = clone(CT).fit(table, labels)
    net = model.ensemble_.members[0].net
    assert net.features == (3, 2)
    partly = table.copy()
    partly[["esophagus__a", "esophagus__b"]] = np.nan
    assert (model.predict_proba(partly) != model.predict_proba(table)).any()
    sorted_columns = table[["tumor__a", "tumor__b", "volume", "esophagus__b", "esophagus__a"]]
    np.testing.assert_array_equal(clone(CT).fit(sorted_columns, labels).predict_proba(sorted_columns),
                                  model.predict_proba(table))  # fmt: skip
    series = [(row, bag) for (_, row), (_, bag) in zip(table.iterrows(), pairs, strict=True)]
    both = clone(BOTH).fit(series, labels)
    assert both.ensemble_.members[0].ct.net.features == (3, 2)
    with pytest.raises(EstimatorError, match="patient 0: 4 radiomic features"):
        both.predict([(series[0][0].iloc[:4], None)])


def test_they_work_inside_scikit_learn() -> None:
    pairs, labels = cohort()
    scores = cross_val_score(clone(BOTH), pairs, labels, scoring="roc_auc", cv=StratifiedKFold(2))
    assert scores.min() > 0.6
    table = np.array([row for row, _ in pairs])
    search = GridSearchCV(clone(CT), {"width": np.array([4, 8]), "folds": [2]}, cv=2, scoring="roc_auc")
    assert search.fit(table, labels).best_params_["width"] in (4, 8)
    assert clone(BOTH).set_params(mscalect__width=5).mscalect.width == 5
    assert CT.width == 16


def test_tiles_are_chosen_where_the_similarity_is_known() -> None:
    pairs, labels = cohort()
    bags = [(bag, bag[:, :2]) for _, bag in pairs]
    model = clone(SLIDES).set_params(cutoff_share=0.4).fit(bags, labels)
    assert all(member.selector.cutoffs is not None for member in model.ensemble_.members)
    assert model.ensemble_.members[0].selector.share == 0.4
    plain = clone(SLIDES).fit([bag for bag, _ in bags], labels)
    assert all(member.selector.cutoffs is None for member in plain.ensemble_.members)


def test_folds_are_stratified_by_center() -> None:
    pairs, labels = cohort()
    centers = ["A"] * 18 + ["B"] * 18
    model = clone(CT).fit(np.array([row for row, _ in pairs]), labels, centers=centers)
    assert all(np.sum(model.folds_[:18] == fold) == 6 for fold in range(3))


@pytest.mark.parametrize(
    ("bags", "said"),
    [
        ([np.zeros((2, 3)), np.zeros((2, 4))], "bag 1: tile vectors of length 4. Expected: length 3"),
        ([np.zeros(3)], "bag 0: an array with 1 axes"),
        ([[["a"]]], "bag 0: this is not an array of numbers"),
        ([np.full((1, 2), np.nan)], "bag 0: a tile vector is not finite"),
        ([(np.zeros((2, 3)), np.zeros((1, 3)))], "bag 0: 2 tiles with 1 rows of similarity"),
        ([np.zeros((2, 3)), (np.zeros((2, 3)), np.zeros((2, 1)))], "some bags come with a similarity"),
    ],
)
def test_unusable_bags(bags: list[Any], said: str) -> None:
    with pytest.raises(EstimatorError, match=re.escape(said)):
        clone(SLIDES).fit(bags, [0, 1][: len(bags)])


def test_what_else_is_refused() -> None:
    pairs, labels = cohort()
    table = np.array([row for row, _ in pairs])
    with pytest.raises(EstimatorError, match=r"too few for 30 folds.*Lower folds"):
        clone(CT).set_params(folds=30).fit(table[:20], labels[:20])
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        clone(CT).set_params(folds=1).fit(table, labels)
    with pytest.raises(ValueError, match="did you mean gated"):
        clone(BOTH).set_params(fusion="gate").fit(pairs, labels)
    with pytest.raises(EstimatorError, match="patient 0: this is not a pair"):
        clone(BOTH).fit([np.zeros(5)], [1])
    with pytest.raises(EstimatorError, match="a radiomic feature is infinite"):
        clone(BOTH).fit([(np.full(5, np.inf), None), *pairs[1:]], labels)
    with pytest.raises(ValueError, match="inconsistent"):
        clone(SLIDES).fit([bag for _, bag in pairs], labels[:-1])


def test_the_examples_run() -> None:
    assert doctest.testmod(espark.estimators.estimators).failed == 0


def test_the_example_in_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    exec(code, {})
    assert "[[" in capsys.readouterr().out


def test_voices_in_the_place_of_networks() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    radiomics = rng.normal(size=(40, 6)) + 0.8 * labels[:, None]
    bags = [rng.normal(size=(5, 3)) + 0.5 * label for label in labels]
    parts = {"mscalect": MScaleCT(voices=("leading", "ridge"), selected=2), "cytopath": CytoPath(voices=("vectors",))}
    model = ESpark(**parts, weighted_sum=True, folds=3, repeats=2, calibration="anchored")
    model.fit(list(zip(radiomics, bags, strict=True)), labels)
    assert len(model.ensemble_.members) == 6
    assert roc_auc_score(labels, model.out_of_fold_) > 0.75
    assert [answer.modality for answer in model.answers([(radiomics[0], None), (None, bags[0])])] == ["ct", "slides"]
    with pytest.raises(EstimatorError, match="weighted_sum is False"):
        ESpark(**parts, folds=3).fit(list(zip(radiomics, bags, strict=True)), labels)
