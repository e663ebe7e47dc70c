"""ROC, distributions, comparisons, calibration and decision curves: the drawn values are those handed in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import auc as area_under

from another_outcome import MPR
from espark.outcome import Outcome
from espark.plots.results.ablation import ArmAuc, arms_figure
from espark.plots.results.calibration import CalibrationInput, calibration_figure
from espark.plots.results.comparison import AucEntry, PairedPredictions, auc_comparison_figure, corrections_figure
from espark.plots.results.decision_curve import decision_curve_figure
from espark.plots.results.distributions import (
    CohortPredictions,
    patient_position_figure,
    prediction_distribution_figure,
    swarm_offsets,
)
from espark.plots.results.roc import RocInput, roc_figure, roc_panels_figure
from espark.plots.style import SINGLE_COLUMN
from espark.statistics.auc import auc
from espark.statistics.calibration import calibration_curve, calibration_intercept, calibration_slope
from espark.statistics.decisions.decision_curve import decision_curve
from espark.statistics.decisions.reclassification import reclassification

Cohort = tuple[np.ndarray, np.ndarray]


@pytest.fixture
def cohorts() -> dict[str, Cohort]:
    generator = np.random.default_rng(0)

    def draw(n: int) -> Cohort:
        y = (np.arange(n) % 3 == 0).astype(int)
        return y, expit(generator.normal(size=n) + 1.5 * y - 1)

    return {"CC development": draw(60), "HN": draw(24), "ST": draw(15)}


def roc_inputs(cohorts: dict[str, Cohort]) -> list[RocInput]:
    return [RocInput(name, y, p, auc(y, p)) for name, (y, p) in cohorts.items()]


def test_roc_curves_enclose_the_auc_of_the_legend(cohorts, check_saved, words):
    figure = check_saved(lambda: roc_figure(roc_inputs(cohorts), outcome=MPR, title="eSPARK"))
    curves = [line for line in figure.axes[0].lines if line.get_label() != "_chance"]
    for line, given in zip(curves, roc_inputs(cohorts), strict=True):
        assert area_under(*line.get_data()) == pytest.approx(given.estimate.value)
    text = words(figure)
    estimate = auc(*cohorts["HN"])
    area = f"AUC {estimate.value:.2f} (95 % CI {estimate.ci_low:.2f}–{estimate.ci_high:.2f})"
    assert f"HN, n = 24, 8 with MPR\n{area}" in text
    assert len({line.get_color() for line in curves}) == 3
    assert len({str(line.get_linestyle()) + str(line._unscaled_dash_pattern) for line in curves}) == 3


def test_roc_of_one_class_says_why_it_is_empty(check_saved, words):
    alone = RocInput("ST", np.zeros(4), np.linspace(0, 1, 4), auc(np.zeros(4), np.linspace(0, 1, 4)))
    figure = check_saved(lambda: roc_figure([alone], outcome=MPR))
    assert "ST, n = 4, 0 with MPR\nAUC not available: one class only" in words(figure)
    check_saved(lambda: roc_figure([], outcome=MPR))


def test_roc_panels_hold_one_cohort_each(cohorts, check_saved):
    panels = {name: [RocInput(model, y, p, auc(y, p)) for model in ("A", "B")] for name, (y, p) in cohorts.items()}
    figure = check_saved(lambda: roc_panels_figure(panels, outcome=MPR))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["CC development (n = 60, 20 with MPR)", "HN (n = 24, 8 with MPR)", "ST (n = 15, 5 with MPR)"]
    check_saved(lambda: roc_panels_figure({"alone": panels["HN"]}, outcome=MPR))


def test_distributions_show_every_patient_and_the_medians(cohorts, check_saved):
    groups = [CohortPredictions(name, y, p) for name, (y, p) in cohorts.items()]
    figure = check_saved(lambda: prediction_distribution_figure(groups, outcome=MPR, threshold=0.4))
    axes = figure.axes[0]
    points = [np.asarray(cloud.get_offsets())[:, 1] for cloud in axes.collections]
    for cloud, (cohort, outcome) in zip(points, [(c, o) for c in cohorts for o in (0, 1)], strict=True):
        y, p = cohorts[cohort]
        assert sorted(cloud) == pytest.approx(sorted(p[y == outcome]))
    medians = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 1.8]
    assert medians == pytest.approx([np.median(cloud) for cloud in points])
    assert [label.get_text() for label in axes.get_xticklabels()][:2] == ["no MPR\nn = 40", "MPR\nn = 20"]


def test_distributions_of_odd_cohorts(check_saved, words):
    gaps = CohortPredictions("ST", np.array([np.nan, 1, 1]), np.array([0.2, 0.4, np.nan]))
    figure = check_saved(lambda: prediction_distribution_figure([gaps], outcome=MPR))
    assert "unknown\nn = 1" in words(figure)
    assert "no predictions" in words(prediction_distribution_figure([], outcome=MPR))


def test_a_swarm_keeps_equal_points_apart():
    offsets = swarm_offsets(np.full(9, 0.5), bins=40)
    assert len(set(offsets)) == 9
    assert np.abs(offsets).max() <= 1
    assert swarm_offsets(np.array([0.1, 0.5, 0.9]), bins=40).tolist() == [0, 0, 0]
    assert swarm_offsets(np.array([1.0]), bins=40).size == 1


def test_the_patient_stands_where_the_probability_is(cohorts, check_saved, words):
    y, p = cohorts["CC development"]
    figure = check_saved(lambda: patient_position_figure(p, y, 0.62, (0.5, 0.7), outcome=MPR, threshold=0.4))
    axes = figure.axes[0]
    assert any(np.allclose(line.get_xdata(), 0.62) for line in axes.lines)
    text = words(figure)
    assert "This patient: 62 %" in text
    assert f"higher than {100 * (p < 0.62).mean():.0f} % of 60 development patients" in text
    assert "50 % to 70 %" in text
    shown = np.concatenate([np.asarray(cloud.get_offsets())[:, 0] for cloud in axes.collections])
    assert sorted(shown) == pytest.approx(sorted(p))


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_patient_without_a_cohort(probability, check_saved, words):
    nobody = (np.zeros(0), np.zeros(0))
    figure = check_saved(lambda: patient_position_figure(*nobody, probability, outcome=MPR, threshold=0.5))
    assert "higher than" not in words(figure)


def test_auc_comparison_draws_value_and_interval(cohorts, check_saved, words):
    entries = [AucEntry(model, name, auc(y, p)) for name, (y, p) in cohorts.items() for model in ("MScaleCT", "eSPARK")]
    entries.append(AucEntry("eSPARK", "XX", auc([0, 0], [0.1, 0.2]), 0))
    figure = check_saved(lambda: auc_comparison_figure(entries, outcome=MPR, colors={"eSPARK": "#0072B2"}))
    assert {"HN\n(n = 24)", "XX\n(n = 2, 0 with MPR)"} <= {
        label.get_text() for label in figure.axes[0].get_yticklabels()
    }
    bars = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 1.4]
    for line, entry in zip(bars, entries, strict=False):
        assert tuple(line.get_xdata()) == (entry.estimate.ci_low, entry.estimate.ci_high)
    assert "not available" in words(figure)
    assert "no AUC" in words(auc_comparison_figure([], outcome=MPR))


def test_corrections_count_what_changed(cohorts, check_saved, words):
    y, p = cohorts["CC development"]
    worse = expit(np.random.default_rng(1).normal(size=60))
    moves = reclassification(y, worse > 0.5, p > 0.5)
    patients = PairedPredictions(y, worse, p, worse > 0.5, p > 0.5)
    figure = check_saved(lambda: corrections_figure(patients, {"CC": moves}, outcome=MPR))
    text = words(figure)
    assert f"corrected ({moves.corrected})" in text
    assert f"worsened ({moves.worsened})" in text
    widths = [patch.get_width() for patch in figure.axes[1].patches]
    assert sum(width for width in widths if width > 0) == moves.corrected
    assert -sum(width for width in widths if width < 0) == moves.worsened
    # What is told by color is told by shape or in words too.
    assert f"n = 60, p = {moves.p_value:.2g}" in text and "McNemar" in text and "MScaleCT (n = 60)" in text
    assert f"{moves.corrected} ({moves.events_up} with MPR)" in text
    assert f"{moves.worsened} ({moves.events_down} with MPR)" in text
    faces = {
        tuple(cloud.get_facecolor()[0][:3]) for cloud in figure.axes[0].collections[4:] if len(cloud.get_offsets())
    }
    assert (1.0, 1.0, 1.0) in faces  # the worsened are open
    empty = PairedPredictions(*(np.zeros(0),) * 5)
    assert "no cohort" in words(corrections_figure(empty, {}, outcome=MPR))


def test_calibration_draws_the_curve(cohorts, check_saved, words):
    y, p = cohorts["CC development"]
    curve = calibration_curve(y, p, n_groups=5)
    one_class = calibration_curve([0, 0], [0.1, 0.3])
    inputs = [
        CalibrationInput("CC", curve, p, calibration_intercept(y, p), calibration_slope(y, p)),
        CalibrationInput(
            "ST",
            one_class,
            [0.1, 0.3],
            calibration_intercept([0, 0], [0.1, 0.3]),
            calibration_slope([0, 0], [0.1, 0.3]),
        ),
    ]
    figure = check_saved(lambda: calibration_figure(inputs, outcome=MPR, title="eSPARK"))
    assert figure.axes[0].lines[1].get_ydata() == pytest.approx(curve.observed)
    text = words(figure)
    assert f"slope {calibration_slope(y, p).value:.2f}" in text
    assert "slope not available" in text


LONG = Outcome(column="response", name="a confirmed response", positive="complete or partial response")


@pytest.mark.parametrize("kind", ["roc", "panels", "distribution", "patient", "auc", "corrections", "calibration"])
def test_a_long_name_of_an_outcome_has_room(kind, cohorts, check_saved):
    y, p = cohorts["CC development"]
    moves = {"CC": reclassification(y, p[::-1] > 0.5, p > 0.5)}
    curve = CalibrationInput("CC", calibration_curve(y, p), p, calibration_intercept(y, p), calibration_slope(y, p))
    draw = {
        "roc": lambda: roc_figure(roc_inputs(cohorts), outcome=LONG),
        "panels": lambda: roc_panels_figure({"CC": roc_inputs(cohorts)}, outcome=LONG),
        "distribution": lambda: prediction_distribution_figure(
            [CohortPredictions(name, *answers) for name, answers in cohorts.items()], outcome=LONG
        ),
        "patient": lambda: patient_position_figure(p, y, 0.6, outcome=LONG, width=SINGLE_COLUMN),
        "auc": lambda: auc_comparison_figure([AucEntry("eSPARK", "CC", auc(y, p), 20)], outcome=LONG),
        "corrections": lambda: corrections_figure(
            PairedPredictions(y, p[::-1], p, p[::-1] > 0.5, p > 0.5), moves, outcome=LONG
        ),
        "calibration": lambda: calibration_figure([curve], outcome=LONG),
    }[kind]
    check_saved(draw)


def test_decision_curve_draws_the_net_benefit(cohorts, check_saved, words):
    curve = decision_curve(*cohorts["HN"], n_resamples=50)
    curves = {"CytoPath": curve, "eSPARK": curve}
    figure = check_saved(lambda: decision_curve_figure(curves, outcome=MPR, title="HN"))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(lines) == {"treat none", "treat all", "CytoPath", "eSPARK"}
    assert lines["eSPARK"].get_ydata() == pytest.approx(curve.net_benefit)
    assert figure.axes[0].get_title() == "HN (n = 24)"
    assert "eSPARK, 95 % CI" in words(figure)
    looks = {(line.get_color(), str(line.get_linestyle())) for line in figure.axes[0].lines}
    assert len(looks) == len(lines)


def test_the_ablation_draws_both_arms_of_every_aggregator(cohorts, check_saved, words):
    entries = [
        ArmAuc(title, name, "chosen" if selection else "all tiles", auc(y, p if selection else p[::-1]))
        for name, (y, p) in cohorts.items()
        for title in ("Mean", "DSMIL")
        for selection in (True, False)
    ]
    entries.append(ArmAuc("Mean", "XX (out of fold)", "chosen", auc([0, 0], [0.1, 0.2])))
    figure = check_saved(lambda: arms_figure(entries))
    bars = [line for axes in figure.axes for line in axes.lines if line.get_linewidth() == 1.2]
    for line, entry in zip(bars, entries[:-1], strict=True):
        assert tuple(line.get_xdata()) == (entry.estimate.ci_low, entry.estimate.ci_high)
    text = words(figure)
    assert "HN (n = 24)" in text
    assert "not available" in text and "XX (out of fold, n = 2)" in text
    assert [len(axes.lines) for axes in figure.axes][-1] == 0, "no line through the reason"
    assert "no AUC" in words(arms_figure([]))
