from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import chi2
from sklearn.datasets import load_breast_cancer

from espark.statistics.icc import intraclass_correlation
from espark.statistics.screening import group_difference, univariate_logistic


def test_all_features_equal_one_regression_each():
    dataset = load_breast_cancer()
    y, features = 1 - dataset.target, dataset.data.copy()
    features[::7, 3] = np.nan
    screen = univariate_logistic(y, features)
    for index in range(features.shape[1]):
        known = np.isfinite(features[:, index])
        x = features[known, index]
        fit = sm.Logit(y[known], sm.add_constant((x - x.mean()) / x.std(ddof=1))).fit(disp=0, tol=1e-12, maxiter=100)
        assert np.log(screen.odds_ratio[index]) == pytest.approx(fit.params[1], abs=1e-6), index
        assert np.log([screen.ci_low[index], screen.ci_high[index]]) == pytest.approx(fit.conf_int()[1], abs=1e-6)
        assert screen.p_value[index] == pytest.approx(fit.pvalues[1], abs=1e-6)
        assert screen.n[index] == known.sum()
    assert not screen.separated.any()


def test_units_do_not_matter():
    generator = np.random.default_rng(0)
    y = generator.random(80) < 0.4
    x = generator.normal(size=(80, 5)) + 0.5 * y[:, None]
    first, second = univariate_logistic(y, x), univariate_logistic(y, 1e6 * x - 3e7)
    assert first.odds_ratio == pytest.approx(second.odds_ratio, rel=1e-6)
    assert first.p_value == pytest.approx(second.p_value, abs=1e-8)
    assert univariate_logistic(y, -x).odds_ratio == pytest.approx(1 / first.odds_ratio, rel=1e-8)


def test_a_feature_that_separates_is_found_not_missed():
    y = np.array([0] * 20 + [1] * 15)
    features = np.column_stack([np.arange(35.0), -np.arange(35.0), np.minimum(np.arange(35.0), 20)])
    screen = univariate_logistic(y, features)
    assert screen.separated.tolist() == [True, True, True]
    assert screen.odds_ratio.tolist() == [math.inf, 0.0, math.inf]
    assert np.isnan(screen.ci_low).all()
    # Score test of a logistic slope: n times the squared correlation, chi-squared with one degree of freedom.
    expected = [chi2.sf(35 * np.corrcoef(y, column)[0, 1] ** 2, 1) for column in features.T]
    assert screen.p_value == pytest.approx(expected, rel=0.2)
    assert (screen.p_value < 1e-5).all()


def test_features_that_cannot_be_tested_are_nan_not_errors():
    y = np.array([0, 0, 0, 1, 1, 1])
    features = np.column_stack(
        [
            np.full(6, 0.1 + 0.2),
            np.full(6, np.nan),
            [1.0, 2.0, 3.0, np.nan, np.nan, np.nan],
            [np.inf, 1.0, 4.0, 2.0, 3.0, 5.0],
            [1e-300, 0.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )
    screen = univariate_logistic(y, features)
    assert np.isnan(screen.p_value).tolist() == [True, True, True, False, True]
    assert screen.n.tolist() == [6, 0, 3, 5, 6]
    assert univariate_logistic(y, np.zeros((6, 0))).p_value.size == 0
    assert np.isnan(univariate_logistic([1] * 6, features).p_value).all()
    with pytest.raises(ValueError, match="6 labels"):
        univariate_logistic(y, features[:4])


def test_null_features_are_significant_as_often_as_they_should():
    generator = np.random.default_rng(1)
    y = generator.random(120) < 0.3
    p_values = univariate_logistic(y, generator.normal(size=(120, 4000))).p_value
    assert (p_values < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_group_difference_of_the_textbook():
    """Delta counts pairs: 7 of 12 above, 4 below, 1 tied."""
    ones, zeros = [3.0, 5.0, 8.0], [1.0, 4.0, 5.0, 9.0]
    difference = group_difference([1] * 3 + [0] * 4, ones + zeros)
    assert difference.delta.value == pytest.approx((1 + 2.5 + 3) / 12 * 2 - 1)
    assert difference.delta.ci_low < difference.delta.value < difference.delta.ci_high
    mirrored = group_difference([0] * 3 + [1] * 4, ones + zeros)
    assert mirrored.delta.value == pytest.approx(-difference.delta.value)
    assert mirrored.p_value == pytest.approx(difference.p_value)


def test_group_difference_leaves_out_missing_values():
    with_gap = group_difference([1, 1, 0, 0, 1], [3.0, 4.0, 1.0, 3.5, np.nan])
    assert with_gap == group_difference([1, 1, 0, 0], [3.0, 4.0, 1.0, 3.5])
    assert with_gap.delta.n == 4
    equal = group_difference([1, 1, 0, 0], [2.0] * 4)
    assert (equal.delta.value, equal.p_value) == (0, 1)
    assert not group_difference([1, 1, 0], [1.0, 2.0, np.nan]).delta.available
    with pytest.raises(ValueError, match="3 labels"):
        group_difference([0, 1, 1], [1.0])


SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)


@pytest.mark.parametrize(
    ("kind", "value", "interval"),
    [("agreement", 0.289763779528, (0.02, 0.76)), ("consistency", 0.714840714841, (0.34, 0.95))],
)
def test_icc_of_shrout_and_fleiss(kind, value, interval):
    """Six targets, four judges (Shrout & Fleiss 1979, table 2), by pingouin 0.7.0 in its own environment."""
    result = intraclass_correlation(SHROUT_FLEISS[:, :, None], kind=kind)
    assert result.value[0] == pytest.approx(value, abs=1e-10)
    assert (result.ci_low[0], result.ci_high[0]) == pytest.approx(interval, abs=0.005)
    assert (result.n, result.k) == (6, 4)


def test_icc_does_all_features_at_once():
    generator = np.random.default_rng(2)
    measurements = generator.normal(size=(12, 3, 50)) + 2 * generator.normal(size=(12, 1, 50))
    together = intraclass_correlation(measurements)
    for index in range(50):
        alone = intraclass_correlation(measurements[:, :, [index]])
        assert together.value[index] == pytest.approx(alone.value[0])
        assert together.ci_low[index] == pytest.approx(alone.ci_low[0])
    assert ((together.ci_low < together.value) & (together.value < together.ci_high)).all()


def test_an_offset_between_raters_counts_against_agreement_only():
    first = np.array([1.0, 2.0, 3.0, 5.0])
    shifted = np.stack([first, first + 2], axis=1)[:, :, None]
    assert intraclass_correlation(shifted, kind="consistency").value[0] == pytest.approx(1)
    assert intraclass_correlation(shifted).value[0] < 0.7


def test_icc_of_repeated_and_of_constant_features():
    first = np.array([0.1, 0.2, 0.7])
    measurements = np.stack([np.stack([first, first], axis=1), np.full((3, 2), 0.3)], axis=2)
    result = intraclass_correlation(measurements)
    assert (result.value[0], result.ci_low[0], result.ci_high[0]) == (1, 1, 1)
    assert np.isnan(result.value[1])
    with pytest.raises(ValueError, match="finite"):
        intraclass_correlation(np.full((3, 2, 1), np.nan))
    with pytest.raises(ValueError, match="subjects"):
        intraclass_correlation(np.zeros((3, 1, 1)))
