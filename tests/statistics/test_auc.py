from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score

from espark.statistics.auc import (
    attained_share,
    auc,
    average_precision,
    bootstrap_auc,
    detectable_auc,
    detectable_auc_difference,
    expected_auc,
    paired_delong,
)

# Scores on a coarse grid, so that ties are common and monotone maps stay exact.
patients = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=2, max_size=40).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


def columns(rows):
    return np.array([label for label, _ in rows]), np.array([score for _, score in rows]) / 12


def delong_by_pairs(y, a, b):
    """DeLong's variances from the definition: every pair, then the variance of the row and column means."""

    def placements(score):
        wins = (np.sign(score[y][:, None] - score[~y][None]) + 1) / 2
        return wins.mean(axis=1), wins.mean(axis=0)

    (a_pos, a_neg), (b_pos, b_neg) = placements(a), placements(b)
    return np.cov(a_pos, b_pos) / a_pos.size + np.cov(a_neg, b_neg) / a_neg.size


# MLstatkit 0.1.91, Delong_test on the `two_models` patients (run in its own environment): AUCs, plain intervals, p.
MLSTATKIT = {
    569: (
        (0.7769475714814227, 0.738360747841195, 0.8155343951216504),
        (0.7209317689339887, 0.679225004903628, 0.7626385329643494),
        0.0741558460157606,
    ),
    60: (
        (0.7839607201309327, 0.646110412572864, 0.9218110276890014),
        (0.7847790507364976, 0.6542971566187568, 0.9152609448542384),
        0.9943689081490071,
    ),
}


@pytest.mark.parametrize("n", MLSTATKIT)
def test_delong_equals_mlstatkit(two_models, n):
    y, a, b = two_models.y[:n], two_models.a[:n], two_models.b[:n]
    of_a, of_b, p_value = MLSTATKIT[n]
    for scores, expected in ((a, of_a), (b, of_b)):
        estimate = auc(y, scores, scale="plain")
        assert (estimate.value, estimate.ci_low, estimate.ci_high) == pytest.approx(expected, abs=1e-9)
    comparison = paired_delong(y, a, b)
    assert comparison.difference == pytest.approx(of_a[0] - of_b[0], abs=1e-12)
    assert comparison.p_value == pytest.approx(p_value, abs=1e-9)


def test_the_interval_of_a_difference_follows_from_the_covariance(two_models):
    y = two_models.y.astype(bool)
    covariance = delong_by_pairs(y, two_models.a, two_models.b)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    comparison = paired_delong(y, two_models.a, two_models.b)
    assert comparison.ci_high - comparison.difference == pytest.approx(1.959963984540054 * error, abs=1e-12)
    detectable = detectable_auc_difference(y, two_models.a, two_models.b)
    assert detectable == pytest.approx((1.959963984540054 + 0.8416212335729143) * error, abs=1e-12)


@given(patients)
def test_auc_equals_scikit_learn_and_is_kept_by_monotone_maps(rows):
    y, scores = columns(rows)
    estimate = auc(y, scores)
    assert estimate.value == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
    for mapped in (expit(5 * scores - 2), scores**3, 1000 * scores):
        again = auc(y, mapped)
        assert (again.value, again.ci_low, again.ci_high) == pytest.approx(
            (estimate.value, estimate.ci_low, estimate.ci_high), abs=1e-9
        )


@given(patients)
def test_swapping_labels_or_signs_mirrors_the_interval(rows):
    y, scores = columns(rows)
    estimate = auc(y, scores)
    mirrored = (1 - estimate.value, 1 - estimate.ci_high, 1 - estimate.ci_low)
    for other in (auc(~y, scores), auc(y, -scores)):
        assert (other.value, other.ci_low, other.ci_high) == pytest.approx(mirrored, abs=1e-6)


@given(patients, st.randoms(use_true_random=False))
def test_the_order_of_patients_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    estimate, again = auc(*columns(rows)), auc(*columns(shuffled))
    assert (again.value, again.ci_low, again.ci_high) == pytest.approx(
        (estimate.value, estimate.ci_low, estimate.ci_high), abs=1e-9
    )


@given(patients)
def test_the_interval_lies_in_the_unit_and_holds_the_value(rows):
    estimate = auc(*columns(rows))
    assert 0 <= estimate.ci_low <= estimate.value + 1e-12
    assert estimate.value - 1e-12 <= estimate.ci_high <= 1
    assert estimate.ci_low < estimate.ci_high


def test_a_perfect_model_keeps_an_honest_interval():
    small = auc([0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    large = auc([0] * 50 + [1] * 50, np.arange(100))
    assert small.value == large.value == 1.0
    assert small.ci_high == large.ci_high == 1.0
    assert small.ci_low < 0.7 < 0.9 < large.ci_low < 1
    assert "Newcombe" in small.method
    # At the end of the interval the observed AUC lies 1.96 of Newcombe's standard errors away.
    low = small.ci_low
    shape = (1 - low) / (2 - low) + low / (1 + low)
    error = math.sqrt(low * (1 - low) * (1 + 2 * shape) / 9)
    assert (1 - low) / error == pytest.approx(1.959963984540054, abs=1e-6)


def test_the_logit_interval_covers_better_than_the_plain_one():
    """A cohort of 12 and 28 with true AUC 0.921 (two normal distributions, two standard deviations apart)."""
    generator = np.random.default_rng(0)
    y = np.r_[np.ones(12), np.zeros(28)].astype(int)
    covered = {"logit": 0, "plain": 0}
    for _ in range(1000):
        scores = generator.normal(size=40) + 2.0 * y
        for scale in ("logit", "plain"):
            estimate = auc(y, scores, scale=scale)
            covered[scale] += estimate.ci_low <= 0.92135 <= estimate.ci_high
    assert covered["logit"] > 930
    assert covered["logit"] > covered["plain"]


def test_one_class_gives_no_auc():
    for estimate in (auc([1, 1], [0.2, 0.4]), bootstrap_auc([0, 0], [0.2, 0.4]), average_precision([1, 1], [0.2, 0.4])):
        assert not estimate.available
        assert estimate.method == "not available: one class only"
        assert estimate.n == 2
    assert math.isnan(paired_delong([0, 0], [0.1, 0.2], [0.2, 0.1]).p_value)
    assert math.isnan(detectable_auc_difference([0, 0], [0.1, 0.2], [0.2, 0.1]))
    assert not auc([], []).available


def test_models_that_order_alike_do_not_differ():
    y, a = [0, 1, 0, 1, 1], np.array([0.1, 0.3, 0.4, 0.6, 0.9])
    comparison = paired_delong(y, a, a**2)
    assert (comparison.difference, comparison.ci_low, comparison.ci_high, comparison.p_value) == (0, 0, 0, 1)
    assert math.isnan(detectable_auc_difference(y, a, a**2))


def test_always_right_against_always_wrong_has_no_p():
    comparison = paired_delong([0, 0, 1, 1], [1, 2, 3, 4], [4, 3, 2, 1])
    assert comparison.difference == 1
    assert math.isnan(comparison.p_value)
    assert "variance is zero" in comparison.method


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="0 or 1, found 2"):
        auc([0, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="finite"):
        auc([0, 1], [0.1, np.nan])
    with pytest.raises(ValueError, match="3 labels"):
        auc([0, 1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="one-dimensional"):
        auc([[0, 1]], [[0.1, 0.2]])


def test_bootstrap_agrees_with_delong_and_is_seeded(two_models):
    analytic = auc(two_models.y, two_models.a, scale="plain")
    drawn = bootstrap_auc(two_models.y, two_models.a, seed=3, n=2000)
    assert drawn.value == pytest.approx(analytic.value, abs=1e-12)
    assert (drawn.ci_low, drawn.ci_high) == pytest.approx((analytic.ci_low, analytic.ci_high), abs=0.005)
    assert drawn == bootstrap_auc(two_models.y, two_models.a, seed=3, n=2000)
    assert drawn != bootstrap_auc(two_models.y, two_models.a, seed=4, n=2000)


@given(patients)
@settings(max_examples=50)
def test_average_precision_equals_scikit_learn(rows):
    y, scores = columns(rows)
    estimate = average_precision(y, scores, n=50)
    assert estimate.value == pytest.approx(average_precision_score(y, scores), abs=1e-12)
    assert 0 <= estimate.ci_low <= estimate.ci_high <= 1


def test_bootstrap_weights_equal_repeated_patients(two_models):
    """The interval of average precision, redone the slow way with the same draws."""
    from espark.statistics.estimate import resample_counts

    y, a = two_models.y[:80], two_models.a[:80]
    counts = resample_counts(y.astype(bool), seed=5, n_resamples=40).astype(int)
    assert (counts[:, y == 1].sum(axis=1) == y.sum()).all()
    values = [average_precision_score(np.repeat(y, row), np.repeat(a, row)) for row in counts]
    estimate = average_precision(y, a, seed=5, n=40)
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))), abs=1e-12)


@given(st.lists(st.tuples(st.floats(0.05, 0.95), st.integers(0, 5)), min_size=2, max_size=25))
def test_expected_auc_equals_the_sum_over_pairs(rows):
    p = np.array([row[0] for row in rows])
    score = np.array([row[1] for row in rows], dtype=float)
    weights = p[:, None] * (1 - p)[None]
    np.fill_diagonal(weights, 0)
    wins = (np.sign(score[:, None] - score[None]) + 1) / 2
    assert expected_auc(p, score) == pytest.approx((weights * wins).sum() / weights.sum(), abs=1e-10)


def test_expected_auc_is_the_mean_over_drawn_labels():
    generator = np.random.default_rng(1)
    p = expit(generator.normal(size=300))
    score = p + generator.normal(scale=0.2, size=300)
    drawn = [roc_auc_score(generator.random(300) < p, score) for _ in range(400)]
    assert np.mean(drawn) == pytest.approx(expected_auc(p, score), abs=0.005)


def test_expected_auc_with_certain_labels_is_the_auc(two_models):
    assert expected_auc(two_models.y, two_models.a) == pytest.approx(auc(two_models.y, two_models.a).value, abs=1e-12)
    assert math.isnan(expected_auc([1.0, 1.0], [0.2, 0.3]))


def test_no_score_beats_the_oracle():
    p = np.random.default_rng(2).random(200)
    oracle = expected_auc(p, p)
    assert expected_auc(p, p + np.random.default_rng(3).normal(scale=0.3, size=200)) < oracle
    assert attained_share(oracle, oracle) == 1
    assert attained_share(0.5, oracle) == 0
    assert math.isnan(attained_share(0.7, 0.5))


def test_detectable_auc_has_the_power_it_claims():
    """Simulated binormal cohorts at the detectable AUC are told from chance about as often as asked."""
    from scipy.stats import norm

    sought = detectable_auc(30, 60, power=0.8)
    assert 0.65 < sought < 0.7
    generator = np.random.default_rng(4)
    y = np.r_[np.ones(30), np.zeros(60)].astype(int)
    shift = math.sqrt(2) * norm.ppf(sought)
    found = sum(auc(y, generator.normal(size=90) + shift * y, scale="plain").ci_low > 0.5 for _ in range(600))
    assert found / 600 == pytest.approx(0.8, abs=0.06)
    assert detectable_auc(300, 600) < sought < detectable_auc(10, 20)
    assert math.isnan(detectable_auc(1, 1))


def test_expected_auc_needs_a_pair():
    assert math.isnan(expected_auc([0.3], [1.0]))


@given(st.permutations(range(6)))
def test_expected_auc_ignores_the_order_of_patients(order: list[int]) -> None:
    probability = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.9])
    score = np.array([0.0, 3.0, 1.0, 2.0, 2.0, 5.0])
    shuffled = expected_auc(probability[order], score[order])
    assert shuffled == pytest.approx(expected_auc(probability, score))
