"""What decisions are worth: agreement with the outcome, each with an interval that holds at 0 and at 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from statsmodels.stats.contingency_tables import Table2x2
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from espark.statistics.estimate import NO_PATIENTS, ONE_CLASS, Z_95, Estimate, as_labels, as_scores

EMPTY_MARGIN = "not available: all patients on one side, or one class only"


@dataclass(frozen=True)
class Confusion:
    """Counts of decisions against outcomes.

    Attributes:
        tp: called 1, is 1.
        fp: called 1, is 0.
        fn: called 0, is 1.
        tn: called 0, is 0.
    """

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def positives(self) -> int:
        """Patients with label 1."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Patients with label 0."""
        return self.fp + self.tn

    @property
    def n(self) -> int:
        """All patients."""
        return self.positives + self.negatives


def confusion(y: npt.ArrayLike, decisions: npt.ArrayLike) -> Confusion:
    """Count decisions against outcomes.

    Args:
        y: (n,) labels, 0 or 1.
        decisions: (n,) decisions, 0 or 1.

    Raises:
        ValueError: when the lengths differ or a value is neither 0 nor 1.
    """
    labels, called = as_labels(y), as_labels(decisions)
    if labels.shape != called.shape:
        raise ValueError(f"{labels.size} labels need as many decisions, found {called.size}")
    return Confusion(
        tp=int((labels & called).sum()),
        fp=int((~labels & called).sum()),
        fn=int((labels & ~called).sum()),
        tn=int((~labels & ~called).sum()),
    )


def proportion(count: int, n: int, *, when_empty: str = NO_PATIENTS) -> Estimate:
    """A proportion with Wilson's score interval.

    Args:
        count: how many of them.
        n: of how many.
        when_empty: the reason given when ``n`` is 0.
    """
    if n == 0:
        return Estimate.missing(when_empty, 0)
    low, high = proportion_confint(count, n, method="wilson")
    return Estimate(count / n, float(low), float(high), "Wilson", n)


def accuracy(counts: Confusion) -> Estimate:
    """Share of right decisions."""
    return proportion(counts.tp + counts.tn, counts.n)


def sensitivity(counts: Confusion) -> Estimate:
    """Share of the patients with label 1 that were called 1."""
    return proportion(counts.tp, counts.positives, when_empty="not available: no patient with label 1")


def specificity(counts: Confusion) -> Estimate:
    """Share of the patients with label 0 that were called 0."""
    return proportion(counts.tn, counts.negatives, when_empty="not available: no patient with label 0")


def ppv(counts: Confusion) -> Estimate:
    """Share of the patients called 1 that have label 1, at the prevalence of these patients."""
    return proportion(counts.tp, counts.tp + counts.fp, when_empty="not available: no patient was called 1")


def npv(counts: Confusion) -> Estimate:
    """Share of the patients called 0 that have label 0, at the prevalence of these patients."""
    return proportion(counts.tn, counts.tn + counts.fn, when_empty="not available: no patient was called 0")


def balanced_accuracy(counts: Confusion) -> Estimate:
    """Mean of sensitivity and specificity.

    It is (1 + J) / 2 with Youden's J, a difference of two independent proportions, so that Newcombe's hybrid score
    interval of the difference carries over; unlike a bootstrap it does not collapse when every decision is right.
    """
    if not counts.positives or not counts.negatives:
        return Estimate.missing(ONE_CLASS, counts.n)
    value = (counts.tp / counts.positives + counts.tn / counts.negatives) / 2
    low, high = confint_proportions_2indep(
        counts.tp, counts.positives, counts.fp, counts.negatives, compare="diff", method="newcomb"
    )
    return Estimate(value, (1 + float(low)) / 2, (1 + float(high)) / 2, "Newcombe", counts.n)


def f1(counts: Confusion) -> Estimate:
    """Harmonic mean of PPV and sensitivity.

    F1 = 2J / (1 + J) with the Jaccard index J = TP / (TP + FP + FN), a proportion: its Wilson interval carries over.
    """
    involved = counts.tp + counts.fp + counts.fn
    if involved == 0:
        return Estimate.missing("not available: no patient has label 1 or was called 1", counts.n)
    index = proportion(counts.tp, involved)
    low, high = (2 * end / (1 + end) for end in (index.ci_low, index.ci_high))
    return Estimate(2 * counts.tp / (counts.tp + involved), low, high, "Wilson (Jaccard)", counts.n)


def ppv_npv_at_prevalence(counts: Confusion, prevalence: float) -> tuple[Estimate, Estimate]:
    """PPV and NPV where a share ``prevalence`` of the patients has label 1.

    The interval is symmetric on the logit scale. Where sensitivity or specificity is 0 or 1, the counts get z²/2
    added on both sides for the interval (not for the value).

    Args:
        counts: decisions against outcomes.
        prevalence: share of label 1 where the model will be used, in (0, 1).

    Raises:
        ValueError: when ``prevalence`` is not in (0, 1).

    Source: Mercaldo, Lau & Zhou, Stat. Med. 26:2170 (2007).
    """
    if not 0 < prevalence < 1:
        raise ValueError(f"a prevalence lies in (0, 1), found {prevalence}")
    if not counts.positives or not counts.negatives:
        return Estimate.missing(ONE_CLASS, counts.n), Estimate.missing(ONE_CLASS, counts.n)
    positive = _predictive_value(
        hits=counts.tp, of=counts.positives, false=counts.fp, false_of=counts.negatives, prevalence=prevalence
    )
    negative = _predictive_value(
        hits=counts.tn, of=counts.negatives, false=counts.fn, false_of=counts.positives, prevalence=1 - prevalence
    )
    return positive, negative


def _predictive_value(*, hits: int, of: int, false: int, false_of: int, prevalence: float) -> Estimate:
    n = of + false_of
    wanted, unwanted = prevalence * hits / of, (1 - prevalence) * false / false_of
    if wanted + unwanted == 0:
        return Estimate.missing("not available: no such decision was made", n)
    method, added = "logit (Mercaldo)", 0.0
    if hits in (0, of) or false in (0, false_of):
        method, added = "adjusted logit (Mercaldo)", Z_95**2 / 2
    size, false_size = of + 2 * added, false_of + 2 * added
    rate, false_rate = (hits + added) / size, (false + added) / false_size
    centre = float(logit(prevalence)) + math.log(rate / false_rate)
    error = math.sqrt((1 - rate) / (rate * size) + (1 - false_rate) / (false_rate * false_size))
    low, high = float(expit(centre - Z_95 * error)), float(expit(centre + Z_95 * error))
    value = wanted / (wanted + unwanted)
    return Estimate(value, min(low, value), max(high, value), method, n)


def odds_ratio(counts: Confusion) -> Estimate:
    """Odds of label 1 among those called 1, over the odds among those called 0, with Woolf's interval.

    Where a cell is empty, one half is added to every cell (Haldane and Anscombe), which the method says. Where all
    patients lie on one side of the cut-off, or all have one label, there is no odds ratio.

    Args:
        counts: decisions against outcomes.

    Source: Woolf, Ann. Hum. Genet. 19:251 (1955); Haldane, Ann. Hum. Genet. 20:309 (1956).
    """
    table = np.array([[counts.tp, counts.fp], [counts.fn, counts.tn]], dtype=np.float64)
    if not table.sum(axis=0).all() or not table.sum(axis=1).all():
        return Estimate.missing(EMPTY_MARGIN, counts.n)
    empty = bool((table == 0).any())
    # The shift that statsmodels offers changes the empty cell alone.
    found = Table2x2(table + 0.5 if empty else table, shift_zeros=False)
    low, high = found.oddsratio_confint()
    method = "Woolf, 0.5 added to each cell (Haldane–Anscombe), for one is empty" if empty else "Woolf"
    return Estimate(float(found.oddsratio), float(low), float(high), method, counts.n)


def log_with_error(ratio: Estimate) -> tuple[float, float]:
    """Logarithm of an odds ratio and its standard error; NaN where it is not available."""
    if not ratio.available:
        return math.nan, math.nan
    return math.log(ratio.value), (math.log(ratio.ci_high) - math.log(ratio.value)) / Z_95


def youden_threshold(y: npt.ArrayLike, p: npt.ArrayLike, *, min_sensitivity: float | None = None) -> float:
    """The threshold with the highest sensitivity + specificity − 1. Patients at or above it are called 1.

    Candidates lie halfway between neighbouring scores. Of equally good ones the lowest is taken: the most sensitive.

    Args:
        y: (n,) labels, 0 or 1, with both classes.
        p: (n,) scores.
        min_sensitivity: only thresholds with at least this sensitivity count, in [0, 1].

    Raises:
        ValueError: when only one class is there or ``min_sensitivity`` is not in [0, 1].
    """
    labels = as_labels(y)
    scores = as_scores(p, labels.size)
    n_positive, n_negative = int(labels.sum()), int((~labels).sum())
    if not n_positive or not n_negative:
        raise ValueError("a threshold needs patients of both classes")
    if min_sensitivity is not None and not 0 <= min_sensitivity <= 1:
        raise ValueError(f"a sensitivity lies in [0, 1], found {min_sensitivity}")
    levels, groups = np.unique(scores, return_inverse=True)
    above = [np.bincount(groups[chosen], minlength=levels.size)[::-1].cumsum()[::-1] for chosen in (labels, ~labels)]
    # Whole numbers, so that equal thresholds are exactly equal.
    youden = above[0] * n_negative - above[1] * n_positive
    if min_sensitivity is not None:
        youden = np.where(above[0] >= min_sensitivity * n_positive - 1e-9, youden, np.iinfo(np.int64).min)
    best = int(np.argmax(youden))
    if best == 0:
        return float(levels[0])
    halfway = float((levels[best - 1] + levels[best]) / 2)
    return halfway if halfway > levels[best - 1] else float(levels[best])
