"""Tests within centers, odds ratios at a cut-off, and the summary over few centers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import fisher_exact, mannwhitneyu, norm
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests

from espark.statistics.auc import paired_delong
from espark.statistics.classification import Confusion, log_with_error, odds_ratio
from espark.statistics.meta import random_effects
from espark.statistics.multiplicity import benjamini_hochberg
from espark.statistics.screening import group_difference
from espark.statistics.stratified import stratified_auc_difference, stratified_difference


@pytest.fixture
def centers():
    """Three centers of unlike size and level, the quantity rounded so that there are ties."""
    generator = np.random.default_rng(3)
    center = np.repeat(["A", "B", "C"], [40, 25, 12])
    y = generator.random(77) < 0.4
    level = np.repeat([0.0, 3.0, -2.0], [40, 25, 12])
    return y, np.round(generator.normal(size=77) + level + 0.6 * y, 1), center


def brute_delta(y, values):
    return np.sign(values[y][:, None] - values[~y][None]).mean()


def test_cliffs_delta_counts_pairs(centers):
    y, values, _ = centers
    found = group_difference(y, values)
    assert found.delta.value == pytest.approx(brute_delta(y, values))
    assert found.p_value == pytest.approx(mannwhitneyu(values[y], values[~y]).pvalue)


def test_one_stratum_is_the_plain_test(centers):
    y, values, _ = centers
    assert stratified_difference(y, values, ["A"] * len(y)) == group_difference(y, values)


def test_van_elteren_is_mann_whitney_in_copies_of_one_center(centers):
    """k equal strata add up: z grows by √k, and z of one stratum is that of scipy without correction."""
    y, values, _ = centers
    p_one = mannwhitneyu(values[y], values[~y], method="asymptotic", use_continuity=False).pvalue
    z_one = norm.isf(p_one / 2)
    copies = stratified_difference(np.tile(y, 3), np.tile(values, 3), np.repeat(["A", "B", "C"], len(y)))
    assert copies.p_value == pytest.approx(2 * norm.sf(z_one * math.sqrt(3)), rel=1e-9)
    assert copies.delta.value == pytest.approx(brute_delta(y, values))


def test_van_elteren_agrees_with_permutation_within_centers(centers):
    y, values, center = centers
    found = stratified_difference(y, values, center)
    generator = np.random.default_rng(0)
    groups = [np.flatnonzero(center == name) for name in "ABC"]

    def statistic(labels):
        total = weight_sum = 0.0
        for group in groups:
            inside = labels[group]
            weight = inside.sum() * (~inside).sum() / (len(group) + 1)
            total += weight * brute_delta(inside, values[group])
            weight_sum += weight
        return total / weight_sum

    assert found.delta.value == pytest.approx(statistic(y))
    drawn = []
    for _ in range(2000):
        shuffled = y.copy()
        for group in groups:
            shuffled[group] = generator.permutation(y[group])
        drawn.append(abs(statistic(shuffled)))
    share = np.mean(np.array(drawn) >= abs(found.delta.value) - 1e-12)
    assert found.p_value == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 2000) + 0.002)


def test_the_level_of_a_center_does_not_matter(centers):
    y, values, center = centers
    shifted = values + 50.0 * (center == "B")
    one, other = stratified_difference(y, values, center), stratified_difference(y, shifted, center)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.delta.value == pytest.approx(other.delta.value)
    turned = stratified_difference(~y, values, center)
    assert turned.delta.value == pytest.approx(-one.delta.value)
    assert turned.delta.ci_low == pytest.approx(-one.delta.ci_high)


def test_a_center_with_one_class_and_missing_values_are_left_out(centers):
    y, values, center = centers
    y = np.where(center == "C", False, y)
    values = np.where(np.arange(77) % 9 == 0, np.nan, values)
    known = np.isfinite(values) & (center != "C")
    found = stratified_difference(y, values, center)
    assert found == stratified_difference(y[known], values[known], center[known])
    assert found.delta.n == known.sum()
    nothing = stratified_difference(np.zeros(77, bool), values, center)
    assert not nothing.delta.available and math.isnan(nothing.p_value)
    with pytest.raises(ValueError, match="as many strata"):
        stratified_difference(y, values, ["A"])


def test_null_quantities_are_found_as_often_as_they_should():
    generator = np.random.default_rng(5)
    center = np.repeat(["A", "B"], [60, 30])
    p_values = []
    for _ in range(700):
        y = generator.random(90) < 0.3
        p_values.append(stratified_difference(y, generator.normal(size=90) + 5 * (center == "B"), center).p_value)
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.025)


def test_auc_differences_within_strata(centers):
    y, values, center = centers
    other = values + np.random.default_rng(1).normal(size=77)
    alone = paired_delong(y, values, other)
    estimate, found = stratified_auc_difference(y, values, other, ["A"] * 77)
    assert (found.difference, found.ci_low, found.ci_high) == pytest.approx(
        (alone.difference, alone.ci_low, alone.ci_high)
    )
    estimate, found = stratified_auc_difference(y, values, other, center)
    areas, weights = [], []
    for name in "ABC":
        inside = center == name
        areas.append([(brute_delta(y[inside], score[inside]) + 1) / 2 for score in (values, other)])
        weights.append(y[inside].sum() * (~y[inside]).sum() / (inside.sum() + 1))
    pooled = np.average(areas, axis=0, weights=weights)
    assert estimate.value == pytest.approx(pooled[0])
    assert found.difference == pytest.approx(pooled[0] - pooled[1])
    assert found.ci_low < found.difference < found.ci_high
    same = stratified_auc_difference(y, values, values, center)[1]
    assert (same.difference, same.ci_low, same.ci_high, same.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert not stratified_auc_difference(np.ones(77, bool), values, other, center)[0].available


def test_odds_ratio_by_hand():
    """Doll and Hill 1950, smokers among men with and without lung cancer: 647, 622, 2, 27."""
    found = odds_ratio(Confusion(tp=647, fp=622, fn=2, tn=27))
    assert found.value == pytest.approx(647 * 27 / (622 * 2))
    error = math.sqrt(1 / 647 + 1 / 622 + 1 / 2 + 1 / 27)
    assert math.log(found.ci_high / found.value) == pytest.approx(1.959964 * error, rel=1e-6)
    assert log_with_error(found) == pytest.approx((math.log(found.value), error), rel=1e-6)
    assert found.method == "Woolf"
    assert fisher_exact([[647, 622], [2, 27]]).statistic == pytest.approx(found.value)


def test_an_empty_cell_is_corrected_and_an_empty_margin_is_not_available():
    found = odds_ratio(Confusion(tp=8, fp=5, fn=0, tn=9))
    assert found.value == pytest.approx(8.5 * 9.5 / (5.5 * 0.5))
    assert "Haldane" in found.method and math.isfinite(found.ci_high)
    for counts in (Confusion(0, 0, 4, 9), Confusion(4, 9, 0, 0), Confusion(4, 0, 3, 0), Confusion(0, 0, 0, 0)):
        assert not odds_ratio(counts).available
        assert math.isnan(log_with_error(odds_ratio(counts))[0])


def test_hartung_knapp_equals_statsmodels():
    effects, errors = np.array([-0.6, 0.0, -2.3, -0.2, -1.2]), np.array([0.13, 0.44, 0.29, 0.18, 0.24])
    found = random_effects(effects, errors, interval="hartung-knapp")
    reference = combine_effects(effects, errors**2, method_re="dl", use_t=True)
    assert found.effect.value == pytest.approx(reference.mean_effect_re)
    assert found.tau2 == pytest.approx(reference.tau2)
    assert (found.effect.ci_low, found.effect.ci_high) == pytest.approx(reference.conf_int(use_t=True)[3], rel=1e-9)


def test_hartung_knapp_never_narrows_the_interval_and_needs_two_centers():
    """Where centers agree more than by chance, the normal error stays and Student's t widens it."""
    wide = random_effects([0.50, 0.51, 0.49], [0.2, 0.2, 0.2], interval="hartung-knapp")
    plain = random_effects([0.50, 0.51, 0.49], [0.2, 0.2, 0.2])
    assert wide.effect.ci_high - wide.effect.value == pytest.approx(4.302653 * 0.2 / math.sqrt(3), rel=1e-5)
    assert wide.p_value > plain.p_value
    assert random_effects([0.5], [0.2], interval="hartung-knapp") == random_effects([0.5], [0.2])


def test_benjamini_hochberg_equals_its_definition():
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, np.nan])
    assert benjamini_hochberg(p)[:8] == pytest.approx(multipletests(p[:8], method="fdr_bh")[1])
    by_hand = [min(8 * p[j] / (j + 1) for j in range(i, 8)) for i in range(8)]
    assert benjamini_hochberg(p)[:8] == pytest.approx(by_hand)
    assert math.isnan(benjamini_hochberg(p)[8])
