"""Multiplicity, meta-analysis, decision curves and reclassification."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.tools import add_constant

from espark.statistics.decisions.decision_curve import decision_curve
from espark.statistics.decisions.reclassification import integrated_discrimination, reclassification
from espark.statistics.meta import random_effects
from espark.statistics.multiplicity import benjamini_hochberg, holm


def test_holm_and_benjamini_hochberg_by_hand():
    p_values = [0.01, 0.04, np.nan, 0.03, 0.005]
    assert holm(p_values) == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    assert benjamini_hochberg(p_values) == pytest.approx([0.02, 0.04, np.nan, 0.04, 0.02], nan_ok=True)
    assert holm([]).size == 0
    assert np.isnan(holm([np.nan])).all()
    assert holm([[0.01, 0.5], [0.02, 0.9]]).shape == (2, 2)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=15)
def test_correction_never_helps_and_keeps_the_order(p_values):
    p_values = np.array(p_values)
    order = np.argsort(p_values, kind="stable")
    for adjusted in (holm(p_values), benjamini_hochberg(p_values)):
        assert (adjusted >= p_values - 1e-12).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[order]) >= -1e-12).all()


BCG = np.array(
    [
        (4, 119, 11, 128),
        (6, 300, 29, 274),
        (3, 228, 11, 209),
        (62, 13536, 248, 12619),
        (33, 5036, 47, 5761),
        (180, 1361, 372, 1079),
        (8, 2537, 10, 619),
        (505, 87886, 499, 87892),
        (29, 7470, 45, 7232),
        (17, 1699, 65, 1600),
        (186, 50448, 141, 27197),
        (5, 2493, 3, 2338),
        (27, 16886, 29, 17825),
    ],
    dtype=float,
)


def test_the_bcg_trials_give_the_published_summary():
    """13 BCG vaccine trials (Colditz et al. 1994), log risk ratio: R's metafor, method DL."""
    cases, well, control_cases, control_well = BCG.T
    effects = np.log(cases / (cases + well)) - np.log(control_cases / (control_cases + control_well))
    variances = 1 / cases - 1 / (cases + well) + 1 / control_cases - 1 / (control_cases + control_well)
    summary = random_effects(effects, np.sqrt(variances))
    assert summary.effect.value == pytest.approx(-0.7141, abs=5e-5)
    assert (summary.effect.ci_high - summary.effect.value) / 1.959964 == pytest.approx(0.1787, abs=5e-5)
    assert summary.tau2 == pytest.approx(0.3088, abs=5e-5)
    assert summary.i2 == pytest.approx(0.9212, abs=5e-5)
    assert summary.p_heterogeneity < 1e-4
    assert summary.effect.n == 13


@pytest.mark.parametrize(("interval", "place"), [("normal", 1), ("hartung-knapp", 3)])
def test_the_summary_equals_that_of_statsmodels(interval, place):
    effects, errors = np.array([-0.6, 0.1, 0.4, 0.5, 1.2, 3.0]), np.array([0.2, 0.3, 0.15, 0.4, 0.25, 0.6])
    theirs = combine_effects(effects, errors**2, method_re="dl", use_t=place == 3)
    summary = random_effects(effects, errors, interval=interval)
    assert summary.effect.value == pytest.approx(theirs.mean_effect_re, abs=1e-9)
    assert (summary.tau2, summary.i2) == pytest.approx((theirs.tau2, theirs.i2), abs=1e-9)
    assert (summary.effect.ci_low, summary.effect.ci_high) == pytest.approx(tuple(theirs.conf_int()[place]), abs=1e-9)


def test_agreeing_centers_are_pooled_by_precision():
    summary = random_effects([1.0, 1.1], [0.1, 0.2])
    assert summary.tau2 == 0
    assert summary.i2 == 0
    assert summary.effect.value == pytest.approx((1.0 / 0.01 + 1.1 / 0.04) / (1 / 0.01 + 1 / 0.04))
    assert random_effects([0.5, 0.5], [0.1, 0.1]).i2 == 0


def test_few_or_no_centers():
    alone = random_effects([0.5, np.nan, 0.3], [0.25, 0.1, 0.0])
    assert (alone.effect.value, alone.effect.n) == (0.5, 1)
    assert alone.p_value == pytest.approx(0.0455, abs=1e-4)
    assert math.isnan(alone.p_heterogeneity)
    assert not random_effects([], []).effect.available


def test_net_benefit_equals_dcurves(two_models):
    """dcurves 1.1.7, `dca` on the same patients (run in its own environment; it prints six digits)."""
    curve = decision_curve(two_models.y, two_models.a, thresholds=[0.1, 0.2, 0.3, 0.4, 0.5])
    assert curve.net_benefit == pytest.approx([0.302285, 0.249121, 0.211650, 0.121851, 0.024605], abs=1e-6)
    assert curve.treat_all == pytest.approx([0.302871, 0.215729, 0.103691, -0.045694, -0.254833], abs=1e-6)
    assert ((curve.ci_low < curve.net_benefit) & (curve.net_benefit < curve.ci_high)).all()


def test_perfect_model_gains_the_prevalence_everywhere():
    curve = decision_curve([0, 0, 1, 0], [0.0, 0.0, 1.0, 0.0])
    assert curve.net_benefit == pytest.approx(np.full(99, 0.25))
    assert curve.thresholds.size == 99
    low = decision_curve([0, 1], [0.5, 0.5], thresholds=[0.3])
    assert low.net_benefit == pytest.approx(low.treat_all)
    with pytest.raises(ValueError, match=r"\(0, 1\)"):
        decision_curve([0, 1], [0.1, 0.2], thresholds=[1.0])
    with pytest.raises(ValueError, match="patients"):
        decision_curve([], [])


def test_reclassification_by_hand():
    y = [1] * 10 + [0] * 20
    reference = [1] * 4 + [0] * 6 + [1] * 8 + [0] * 12
    new = [0] * 1 + [1] * 3 + [1] * 4 + [0] * 2 + [0] * 5 + [1] * 3 + [1] * 2 + [0] * 10
    moves = reclassification(y, reference, new)
    assert (moves.events_up, moves.events_down, moves.nonevents_up, moves.nonevents_down) == (4, 1, 2, 5)
    assert (moves.corrected, moves.worsened) == (9, 3)
    assert moves.nri_events.value == pytest.approx(0.3)
    assert moves.nri_nonevents.value == pytest.approx(0.15)
    errors = [math.sqrt((0.5 - 0.09) / 10), math.sqrt((0.35 - 0.0225) / 20)]
    assert moves.nri.value == pytest.approx(0.45)
    assert moves.nri.ci_high - 0.45 == pytest.approx(1.959963984540054 * math.hypot(*errors))
    assert moves.p_value == pytest.approx(mcnemar([[0, 9], [3, 0]], exact=True).pvalue, abs=1e-12)


def test_swapping_the_models_swaps_corrected_and_worsened():
    generator = np.random.default_rng(0)
    y, a, b = generator.random((3, 50)) < 0.5
    there, back = reclassification(y, a, b), reclassification(y, b, a)
    assert (there.corrected, there.worsened) == (back.worsened, back.corrected)
    assert there.nri.value == pytest.approx(-back.nri.value)
    same = reclassification(y, a, a)
    assert (same.corrected, same.worsened, same.p_value) == (0, 0, 1)


def test_reclassification_of_one_class():
    moves = reclassification([0, 0, 0], [1, 0, 1], [0, 0, 1])
    assert moves.nri_nonevents.value == pytest.approx(1 / 3)
    assert not moves.nri_events.available
    assert not moves.nri.available
    with pytest.raises(ValueError, match="differ in number"):
        reclassification([0, 1], [0], [0, 1])


def test_integrated_discrimination_by_hand():
    y = [1, 1, 1, 0, 0, 0]
    before, after = [0.4, 0.5, 0.6, 0.3, 0.4, 0.5], [0.6, 0.5, 0.9, 0.2, 0.2, 0.5]
    improvement = integrated_discrimination(y, before, after)
    assert improvement.idi.value == pytest.approx(0.5 / 3 + 0.3 / 3)
    errors = [np.std([0.2, 0.0, 0.3], ddof=1) / math.sqrt(3), np.std([0.1, 0.2, 0.0], ddof=1) / math.sqrt(3)]
    assert improvement.idi.ci_high - improvement.idi.value == pytest.approx(1.959963984540054 * math.hypot(*errors))
    assert integrated_discrimination(y, before, before).p_value == 1


def test_integrated_discrimination_is_a_regression_of_statsmodels(two_models):
    """The gain regressed on the outcome: with HC2 errors the slope has the variances of the two groups apart."""
    y, before, after = two_models.y, two_models.a, two_models.b
    fit = OLS(after - before, add_constant(y.astype(float))).fit(cov_type="HC2")
    found = integrated_discrimination(y, before, after)
    assert found.idi.value == pytest.approx(fit.params[1], abs=1e-12)
    assert (found.idi.ci_low, found.idi.ci_high) == pytest.approx(tuple(fit.conf_int()[1]), abs=1e-9)
    assert found.p_value == pytest.approx(fit.pvalues[1], abs=1e-9)


def test_integrated_discrimination_needs_two_of_a_class():
    assert not integrated_discrimination([1, 0, 0], [0.1] * 3, [0.2] * 3).idi.available
