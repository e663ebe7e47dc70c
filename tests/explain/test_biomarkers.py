"""Cut-offs of the biomarkers: fitted on development patients, on the side that was fixed beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from espark.explain.biomarkers import cross_fitted_sides, cutoff_metrics, fit_cutoff, on_favorable_side


def test_the_cutoff_has_the_best_youden_index_on_its_side():
    generator = np.random.default_rng(0)
    labels = (generator.random(60) < 0.4).astype(np.int64)
    values = np.exp(generator.normal(size=60) - 0.8 * labels)

    def youden(cutoff: float, side: str) -> float:
        called = values <= cutoff if side == "low" else values >= cutoff
        return called[labels == 1].mean() - called[labels == 0].mean()

    for side in ("low", "high"):
        cutoff = fit_cutoff(values, labels, side)
        best = max(youden(candidate, side) for candidate in values)
        assert youden(cutoff, side) == pytest.approx(best)


def test_a_biomarker_that_points_the_other_way_is_not_turned_round():
    values, labels = np.arange(1.0, 9.0), np.array([1, 1, 1, 1, 0, 0, 0, 0])
    cutoff = fit_cutoff(values, labels, "high")
    assert on_favorable_side(values, cutoff, "high").all()
    assert fit_cutoff(values, labels, "low") == pytest.approx(4.5)
    assert math.isnan(fit_cutoff(values, np.zeros(8, np.int64), "low"))


def test_the_cutoff_itself_is_on_the_favorable_side():
    assert on_favorable_side(np.array([1.0, 2.0, 3.0]), 2.0, "low").tolist() == [True, True, False]
    assert on_favorable_side(np.array([1.0, 2.0, 3.0]), 2.0, "high").tolist() == [False, True, True]


def test_a_patients_own_outcome_never_decides_on_the_side():
    generator = np.random.default_rng(1)
    labels = (generator.random(40) < 0.5).astype(np.int64)
    values, folds = generator.random(40) - 0.2 * labels, np.arange(40) % 4
    sides = cross_fitted_sides(values, labels, folds, "low")
    for fold in range(4):
        turned = np.where(folds == fold, 1 - labels, labels)
        inside = folds == fold
        assert (cross_fitted_sides(values, turned, folds, "low")[inside] == sides[inside]).all()


def test_shares_on_both_sides_and_an_empty_side():
    labels, sides = np.array([1, 1, 0, 0, 0, 1]), np.array([True, True, True, False, False, False])
    found = cutoff_metrics(labels, sides)
    assert (found["positive_favorable"].value, found["positive_favorable"].n) == (pytest.approx(2 / 3), 3)
    assert (found["positive_unfavorable"].value, found["positive_unfavorable"].n) == (pytest.approx(1 / 3), 3)
    assert found["sensitivity"].value == pytest.approx(2 / 3)
    assert found["odds_ratio"].value == pytest.approx(4.0)
    nobody = cutoff_metrics(labels, np.ones(6, bool))
    assert not nobody["positive_unfavorable"].available and "no patient" in nobody["positive_unfavorable"].method
    assert not nobody["odds_ratio"].available
