from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve as calibration_curve_of_scikit_learn
from sklearn.metrics import brier_score_loss, roc_auc_score
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from espark.statistics.calibration import (
    PlattCalibrator,
    brier,
    calibration_curve,
    calibration_intercept,
    calibration_slope,
)


@pytest.fixture
def drawn():
    generator = np.random.default_rng(0)
    truth = generator.normal(-0.8, 1.2, size=400)
    return (generator.random(400) < expit(truth)).astype(int), expit(0.5 + 2 * truth)


def test_brier_equals_scikit_learn(drawn):
    y, p = drawn
    estimate = brier(y, p)
    assert estimate.value == pytest.approx(brier_score_loss(y, p), abs=1e-12)
    error = np.std((y - p) ** 2) / np.sqrt(400)
    assert estimate.ci_high - estimate.ci_low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert brier([1, 1], [0.5, 0.5]).value == 0.25
    assert not brier([], []).available
    with pytest.raises(ValueError, match=r"\[0, 1\], found 1.2"):
        brier([0, 1], [0.1, 1.2])


def test_intercept_and_slope_equal_another_fit(drawn):
    y, p = drawn
    table = DataFrame({"y": y, "x": logit(p)})
    slope = smf.logit("y ~ x", table).fit(disp=0, tol=1e-12)
    estimate = calibration_slope(y, p)
    assert estimate.value == pytest.approx(slope.params["x"], abs=1e-6)
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx(tuple(slope.conf_int().loc["x"]), abs=1e-6)
    assert estimate.value == pytest.approx(0.5, abs=0.1)
    shift = calibration_intercept(y, p)
    # Calibration in the large: with the shift, the mean prediction is the observed share.
    assert expit(logit(p) + shift.value).mean() == pytest.approx(y.mean(), abs=1e-9)
    information = (expit(logit(p) + shift.value) * expit(-logit(p) - shift.value)).sum()
    assert shift.ci_high - shift.value == pytest.approx(1.959963984540054 / np.sqrt(information), abs=1e-6)


def test_the_intercept_equals_that_of_statsmodels(drawn):
    y, p = drawn
    fit = GLM(y, np.ones(len(y)), family=Binomial(), offset=logit(p)).fit(tol=1e-12)
    estimate = calibration_intercept(y, p)
    assert estimate.value == pytest.approx(fit.params[0], abs=1e-8)
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-8)


def test_curve_equals_scikit_learn(drawn):
    """Groups of equal size, as scikit-learn's quantile strategy makes them where no predictions are tied."""
    y, p = drawn
    observed, predicted = calibration_curve_of_scikit_learn(y, p, n_bins=10, strategy="quantile")
    curve = calibration_curve(y, p, n_groups=10)
    np.testing.assert_allclose(curve.predicted, predicted, atol=1e-9)
    np.testing.assert_allclose(curve.observed, observed, atol=1e-9)


def test_no_slope_where_there_is_none():
    assert "separate" in calibration_slope([0, 0, 1, 1], [0.1, 0.3, 0.3, 0.9]).method
    assert "separate" in calibration_slope([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.9]).method
    assert "equal" in calibration_slope([0, 1], [0.3, 0.3]).method
    assert "one class" in calibration_slope([1, 1], [0.2, 0.3]).method
    assert "one class" in calibration_intercept([1, 1], [0.2, 0.3]).method
    assert calibration_intercept([0, 1, 0, 1], [0.0, 1.0, 0.0, 1.0]).available


def test_curve_counts_everybody_once(drawn):
    y, p = drawn
    curve = calibration_curve(y, p, n_groups=10)
    assert curve.n.tolist() == [40] * 10
    assert (curve.observed * curve.n).sum() == pytest.approx(y.sum())
    assert (np.diff(curve.predicted) > 0).all()
    assert ((curve.ci_low <= curve.observed) & (curve.observed <= curve.ci_high)).all()
    first = np.sort(p)[:40]
    assert curve.predicted[0] == pytest.approx(first.mean())


def test_curve_of_odd_cohorts():
    assert calibration_curve([0, 1, 1], [0.3, 0.3, 0.3]).n.tolist() == [3]
    assert calibration_curve([1], [0.7]).observed.tolist() == [1.0]
    assert calibration_curve([], []).n.size == 0


def test_platt_recovers_the_truth():
    generator = np.random.default_rng(1)
    truth = generator.normal(-1, 1.5, size=20000)
    y = generator.random(20000) < expit(truth)
    calibrator = PlattCalibrator.fit(y, expit(0.4 + 0.5 * truth))
    assert calibrator.slope == pytest.approx(2, abs=0.1)
    assert calibrator.intercept == pytest.approx(-0.8, abs=0.1)
    assert calibration_slope(y, calibrator.apply(expit(0.4 + 0.5 * truth))).value == pytest.approx(1, abs=0.01)


def test_platt_hardly_shrinks_a_small_cohort(drawn):
    """With 100 patients the prior takes under a tenth off the slope of maximum likelihood."""
    y, p = drawn[0][:100], drawn[1][:100]
    free = calibration_slope(y, p).value
    assert 0.9 * free < PlattCalibrator.fit(y, p).slope < free


fitted_on = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=2, max_size=30).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


@given(fitted_on)
def test_platt_keeps_the_order_and_the_unit(rows):
    y, p = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    calibrator = PlattCalibrator.fit(y, p)
    grid = np.linspace(0, 1, 101)
    calibrated = calibrator.apply(grid)
    assert calibrator.slope > 0
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_platt_never_turns_the_order_round():
    generator = np.random.default_rng(2)
    y = generator.random(60) < 0.3
    p = expit(generator.normal(size=60) - 2 * y)
    calibrated = PlattCalibrator.fit(y, p).apply(p)
    assert roc_auc_score(y, calibrated) == pytest.approx(roc_auc_score(y, p)) and roc_auc_score(y, p) < 0.5
    assert calibrated == pytest.approx(np.full(60, y.mean()), abs=0.02)


def test_platt_of_equal_predictions_is_the_prevalence():
    calibrator = PlattCalibrator.fit([0, 0, 0, 1], [0.6] * 4)
    assert calibrator.apply([0.6]) == pytest.approx([0.25])
    assert calibrator.apply(0.6).shape == ()


def test_platt_of_separated_classes_is_finite():
    calibrated = PlattCalibrator.fit([0, 0, 0, 1, 1, 1], [0.0, 0.0, 0.1, 0.9, 1.0, 1.0]).apply([0.0, 1.0])
    assert 0.02 < calibrated[0] < 0.3
    assert 0.7 < calibrated[1] < 0.98


def test_platt_survives_json():
    calibrator = PlattCalibrator.fit([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4])
    assert PlattCalibrator.from_dict(json.loads(json.dumps(calibrator.to_dict()))) == calibrator


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "isotonic", "intercept": 0.0, "slope": 1.0, "n": 3},
        {"kind": "platt", "intercept": 0.0, "slope": -1.0, "n": 3},
        {"kind": "platt", "intercept": None, "slope": 1.0, "n": 3},
        {"kind": "platt", "intercept": 0.0, "slope": float("nan"), "n": 3},
    ],
)
def test_a_broken_calibrator_is_refused(values):
    with pytest.raises(ValueError, match="not a Platt calibrator"):
        PlattCalibrator.from_dict(values)


def test_platt_needs_both_classes():
    with pytest.raises(ValueError, match="both classes"):
        PlattCalibrator.fit([1, 1], [0.1, 0.2])


def test_an_anchored_calibrator_keeps_the_slope_where_patients_show_little_and_follows_many() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 0.5, size=20_000)
    labels = (rng.random(logits.size) < expit(2 * logits - 1)).astype(int)
    parts = [slice(start, start + 40) for start in range(0, 1200, 40)]
    held, free = (
        [fit(labels[part], expit(logits[part])).slope for part in parts]
        for fit in (PlattCalibrator.fit_anchored, PlattCalibrator.fit)
    )
    assert np.std(held) < 0.1 < 0.5 < np.std(free)
    many = PlattCalibrator.fit_anchored(labels, expit(logits))
    assert (many.slope, many.intercept) == (pytest.approx(2, abs=0.15), pytest.approx(-1, abs=0.08))


@settings(deadline=None)
@given(fitted_on)
def test_an_anchored_calibrator_keeps_order_and_mean(patients: list[tuple[bool, float]]) -> None:
    labels, p = np.array([label for label, _ in patients], int), np.array([value for _, value in patients])
    calibrator = PlattCalibrator.fit_anchored(labels, p)
    assert calibrator.slope > 0
    assert calibrator.apply(p).mean() == pytest.approx(labels.mean(), abs=1e-3)


def test_an_anchored_calibrator_gives_everybody_the_prevalence_where_answers_are_equal() -> None:
    calibrator = PlattCalibrator.fit_anchored([0, 0, 0, 1], [0.7] * 4)
    np.testing.assert_allclose(calibrator.apply([0.7, 0.7]), 0.25, atol=1e-4)
