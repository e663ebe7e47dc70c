from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from espark.statistics import classification as c

decided = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


@given(decided)
def test_values_equal_scikit_learn(rows):
    y, called = np.array(rows).T
    counts = c.confusion(y, called)
    assert [[counts.tn, counts.fp], [counts.fn, counts.tp]] == metrics.confusion_matrix(
        y, called, labels=[0, 1]
    ).tolist()
    expected = {
        c.accuracy: metrics.accuracy_score(y, called),
        c.sensitivity: metrics.recall_score(y, called, zero_division=math.nan),
        c.specificity: metrics.recall_score(~y, ~called, zero_division=math.nan),
        c.ppv: metrics.precision_score(y, called, zero_division=math.nan),
        c.npv: metrics.precision_score(~y, ~called, zero_division=math.nan),
        c.f1: metrics.f1_score(y, called, zero_division=math.nan),
    }
    for metric, value in expected.items():
        assert metric(counts).value == pytest.approx(value, nan_ok=True), metric.__name__
    balanced = c.balanced_accuracy(counts)
    assert balanced.available == (0 < y.sum() < y.size)
    if balanced.available:
        assert balanced.value == pytest.approx(metrics.balanced_accuracy_score(y, called))


@given(decided)
def test_every_interval_holds_its_value_and_has_width(rows):
    counts = c.confusion(*np.array(rows).T)
    for metric in (c.accuracy, c.balanced_accuracy, c.sensitivity, c.specificity, c.ppv, c.npv, c.f1):
        estimate = metric(counts)
        if estimate.available:
            assert -1e-12 <= estimate.ci_low <= estimate.value + 1e-12 <= estimate.ci_high + 2e-12 <= 1 + 3e-12
            assert estimate.ci_high - estimate.ci_low > 0.01
        else:
            assert estimate.method.startswith("not available: ")


def test_wilson_interval_of_the_textbook():
    """Altman et al., Statistics with Confidence (2000), and Newcombe, Stat. Med. 17:857 (1998), 81 of 263."""
    estimate = c.proportion(81, 263)
    assert (estimate.value, estimate.ci_low, estimate.ci_high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)


@given(st.integers(0, 50), st.integers(1, 50))
@settings(max_examples=40)
def test_shares_have_the_interval_of_statsmodels(hits, rest):
    estimate = c.proportion(hits, hits + rest)
    expected = proportion_confint(hits, hits + rest, method="wilson")
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.integers(1, 40), min_size=4, max_size=4))
@settings(max_examples=40)
def test_balanced_accuracy_has_the_interval_of_statsmodels(cells):
    """Newcombe's interval of a difference: sensitivity − (1 − specificity) is 2 · balanced accuracy − 1."""
    tp, fn, fp, tn = cells
    estimate = c.balanced_accuracy(c.Confusion(tp=tp, fn=fn, fp=fp, tn=tn))
    low, high = confint_proportions_2indep(tp, tp + fn, fp, fp + tn, method="newcomb", compare="diff")
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx(((1 + low) / 2, (1 + high) / 2), abs=1e-9)


def test_balanced_accuracy_has_newcombes_interval():
    """Newcombe, Stat. Med. 17:873 (1998), example (a): 56/70 against 48/80 differ by 0.2 (0.0524 to 0.3339)."""
    estimate = c.balanced_accuracy(c.Confusion(tp=56, fn=14, fp=48, tn=32))
    expected = tuple((1 + difference) / 2 for difference in (0.2, 0.0524, 0.3339))
    assert (estimate.value, estimate.ci_low, estimate.ci_high) == pytest.approx(expected, abs=3e-5)


def test_f1_interval_covers():
    generator = np.random.default_rng(0)
    y = generator.random((2000, 60)) < 0.3
    called = np.where(y, generator.random(y.shape) < 0.7, generator.random(y.shape) < 0.2)
    truth = 2 * 0.21 / (0.3 + 0.21 + 0.14)
    estimates = [c.f1(c.confusion(*row)) for row in zip(y, called, strict=True)]
    assert np.mean([e.ci_low <= truth <= e.ci_high for e in estimates]) == pytest.approx(0.95, abs=0.015)


def test_predictive_values_at_the_own_prevalence_are_the_observed_ones():
    counts = c.Confusion(tp=18, fp=12, fn=6, tn=64)
    positive, negative = c.ppv_npv_at_prevalence(counts, 0.24)
    assert positive.value == pytest.approx(c.ppv(counts).value)
    assert negative.value == pytest.approx(c.npv(counts).value)


def test_predictive_values_at_another_prevalence():
    """Worked by hand from the formulas of Mercaldo et al. (2007): sensitivity 0.8 of 50, specificity 0.9 of 100."""
    positive, negative = c.ppv_npv_at_prevalence(c.Confusion(tp=40, fn=10, fp=10, tn=90), 0.1)
    assert positive.value == pytest.approx(0.08 / 0.17)
    error = math.sqrt(0.2 / (0.8 * 50) + 0.9 / (0.1 * 100))
    odds = 0.8 * 0.1 / (0.1 * 0.9)
    low = odds * math.exp(-1.959963984540054 * error)
    assert positive.ci_low == pytest.approx(low / (1 + low))
    assert negative.value == pytest.approx(0.81 / 0.83)


def test_predictive_values_at_the_edge():
    positive, negative = c.ppv_npv_at_prevalence(c.Confusion(tp=10, fn=0, fp=0, tn=20), 0.3)
    assert positive.value == negative.value == 1
    assert 0.3 < positive.ci_low < 1
    nobody, everybody = c.ppv_npv_at_prevalence(c.Confusion(tp=0, fn=10, fp=0, tn=20), 0.3)
    assert not nobody.available
    assert everybody.value == pytest.approx(0.7)
    with pytest.raises(ValueError, match="prevalence"):
        c.ppv_npv_at_prevalence(c.Confusion(1, 1, 1, 1), 1.0)


scored = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=2, max_size=30).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


@given(scored, st.sampled_from([None, 0.0, 0.5, 0.8, 1.0]))
def test_no_threshold_is_better_than_youdens(rows, floor):
    y = np.array([row[0] for row in rows])
    p = np.array([row[1] for row in rows]) / 8

    def rates(threshold):
        counts = c.confusion(y, p >= threshold)
        return c.sensitivity(counts).value, c.specificity(counts).value

    threshold = c.youden_threshold(y, p, min_sensitivity=floor)
    sensitivity, specificity = rates(threshold)
    assert sensitivity >= (floor or 0) - 1e-9
    for other in np.r_[p, 2.0]:
        other_sensitivity, other_specificity = rates(other)
        if other_sensitivity >= (floor or 0):
            better = other_sensitivity + other_specificity - sensitivity - specificity
            assert better <= 1e-12
            if better > -1e-12:
                assert other_sensitivity <= sensitivity


def test_threshold_lies_halfway_and_ties_go_to_sensitivity():
    assert c.youden_threshold([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.8]) == pytest.approx(0.4)
    assert c.youden_threshold([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(0.15)
    assert c.youden_threshold([0, 1], [0.3, 0.3]) == 0.3
    neighbours = [0.5, np.nextafter(0.5, 1)]
    assert (np.array(neighbours) >= c.youden_threshold([0, 1], neighbours)).tolist() == [False, True]
    with pytest.raises(ValueError, match="both classes"):
        c.youden_threshold([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="sensitivity"):
        c.youden_threshold([0, 1], [0.1, 0.2], min_sensitivity=80)
    with pytest.raises(ValueError, match="as many decisions"):
        c.confusion([0, 1], [1])
