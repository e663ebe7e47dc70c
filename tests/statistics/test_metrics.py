from __future__ import annotations

import numpy as np
import pytest

from espark.statistics.metrics import METRICS, evaluate_predictions


def test_every_metric_comes_with_its_interval(two_models):
    estimates = evaluate_predictions(two_models.y, two_models.a, threshold=0.3)
    assert tuple(estimates) == METRICS
    for name, estimate in estimates.items():
        assert estimate.ci_low < estimate.value < estimate.ci_high, name
    assert estimates == evaluate_predictions(two_models.y, two_models.a, threshold=0.3)


def test_names_are_those_of_the_tables():
    assert METRICS == (
        "auc",
        "average_precision",
        "accuracy",
        "balanced_accuracy",
        "sensitivity",
        "specificity",
        "ppv",
        "npv",
        "f1",
        "brier",
        "calibration_intercept",
        "calibration_slope",
    )


def test_cross_fitted_decisions_take_the_place_of_the_threshold(two_models):
    decisions = (two_models.a >= 0.3).astype(int)
    by_threshold = evaluate_predictions(two_models.y, two_models.a, threshold=0.3)
    assert evaluate_predictions(two_models.y, two_models.a, decisions=decisions) == by_threshold
    flipped = evaluate_predictions(two_models.y, two_models.a, decisions=1 - decisions)
    assert flipped["accuracy"].value == pytest.approx(1 - by_threshold["accuracy"].value)
    assert flipped["auc"] == by_threshold["auc"]


@pytest.mark.parametrize(
    ("label", "given"),
    [
        (0, {"accuracy", "specificity", "ppv", "npv", "f1", "brier"}),
        (1, {"accuracy", "sensitivity", "ppv", "npv", "f1", "brier"}),
    ],
)
def test_one_class_gives_what_it_can(label, given):
    estimates = evaluate_predictions([label] * 4, [0.1, 0.4, 0.6, 0.9], threshold=0.5)
    assert {name for name, estimate in estimates.items() if estimate.available} == given
    assert all(estimate.method.startswith("not available") for estimate in estimates.values() if not estimate.available)


def test_an_empty_cohort_gives_nothing():
    estimates = evaluate_predictions([], [], threshold=0.5)
    assert not any(estimate.available for estimate in estimates.values())


def test_either_threshold_or_decisions():
    with pytest.raises(ValueError, match="either"):
        evaluate_predictions([0, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="either"):
        evaluate_predictions([0, 1], [0.1, 0.2], threshold=0.1, decisions=np.array([0, 1]))
