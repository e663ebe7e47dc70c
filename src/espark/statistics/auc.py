"""The area under the ROC curve: its interval, comparisons, and what could have been reached or detected."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import norm, rankdata

from espark.statistics.estimate import (
    ONE_CLASS,
    Z_95,
    Estimate,
    as_labels,
    as_scores,
    bootstrap_estimate,
)
from espark.types import BoolArray, DoubleArray


@dataclass(frozen=True)
class AucDifference:
    """AUC of model A minus AUC of model B on the same patients.

    Attributes:
        difference: A minus B.
        ci_low: lower end of the 95 % interval.
        ci_high: upper end of the 95 % interval.
        p_value: two-sided, of no difference.
        method: the test, or why there is none.
        n: patients.
    """

    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    method: str
    n: int


def auc(y: npt.ArrayLike, p: npt.ArrayLike, *, scale: Literal["logit", "plain"] = "logit") -> Estimate:
    """Area under the ROC curve with DeLong's 95 % interval. Ties count one half.

    The interval is symmetric on the logit scale by default: it stays within (0, 1) and keeps its coverage in
    small cohorts and at high AUC, where the plain one is too narrow above and may pass 1. Where DeLong's variance is
    zero (every pair ordered alike, or one patient per class) neither says anything, and Newcombe's score interval
    stands in.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) scores; higher means more likely 1.
        scale: ``logit``, or ``plain`` (the interval most packages give, clipped to [0, 1]).

    Source: DeLong et al., Biometrics 44:837 (1988); Sun & Xu, IEEE Signal Process. Lett. 21:1389 (2014);
    Newcombe, Stat. Med. 25:559 (2006), method 5.
    """
    labels = as_labels(y)
    scores = as_scores(p, labels.size)
    if labels.all() or not labels.any():
        return Estimate.missing(ONE_CLASS, labels.size)
    values, covariance = delong(labels, scores[None])
    value, variance = float(values[0]), float(covariance[0, 0])
    if not variance > 0 or value in (0.0, 1.0):
        low, high = _newcombe_interval(value, int(labels.sum()), int((~labels).sum()))
        return Estimate(value, low, high, "Newcombe score (DeLong variance is zero)", labels.size)
    error = math.sqrt(variance)
    if scale == "plain":
        low, high = max(0.0, value - Z_95 * error), min(1.0, value + Z_95 * error)
        return Estimate(value, low, high, "DeLong", labels.size)
    centre, spread = logit(value), Z_95 * error / (value * (1 - value))
    return Estimate(value, float(expit(centre - spread)), float(expit(centre + spread)), "DeLong (logit)", labels.size)


def delong(y: BoolArray, scores: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """AUCs of several models on the same patients and DeLong's covariance between them.

    Args:
        y: (n,) labels with both classes.
        scores: (k, n) scores of k models.

    Returns:
        (k,) AUCs and their (k, k) covariance. With one patient in a class that class adds no variance, as it cannot
        be known.
    """
    positive, negative = scores[:, y], scores[:, ~y]
    n_positive, n_negative = positive.shape[1], negative.shape[1]
    overall = rankdata(scores, axis=1)
    # Placement values: the share of the other class that a patient is ordered rightly against.
    among_negative = (overall[:, y] - rankdata(positive, axis=1)) / n_negative
    among_positive = 1 - (overall[:, ~y] - rankdata(negative, axis=1)) / n_positive
    covariance = np.zeros((scores.shape[0], scores.shape[0]))
    for placements in (among_negative, among_positive):
        if placements.shape[1] > 1:
            covariance += np.atleast_2d(np.cov(placements)) / placements.shape[1]
    return among_negative.mean(axis=1), covariance


def paired_delong(y: npt.ArrayLike, p_a: npt.ArrayLike, p_b: npt.ArrayLike) -> AucDifference:
    """DeLong's test of two models on the same patients.

    Two models that order every pair alike differ by 0 with p = 1. Where the AUCs differ but DeLong's variance is zero
    (one model always right, the other always wrong) there is no interval and no p.

    Args:
        y: (n,) labels, 0 or 1.
        p_a: (n,) scores of model A.
        p_b: (n,) scores of model B.
    """
    labels = as_labels(y)
    scores = np.stack([as_scores(p_a, labels.size), as_scores(p_b, labels.size)])
    if labels.all() or not labels.any():
        return AucDifference(math.nan, math.nan, math.nan, math.nan, ONE_CLASS, labels.size)
    values, error = _difference_error(labels, scores)
    difference = float(values[0] - values[1])
    if error > 0:
        low, high = max(-1.0, difference - Z_95 * error), min(1.0, difference + Z_95 * error)
        p_value = float(2 * norm.sf(abs(difference) / error))
        return AucDifference(difference, low, high, p_value, "DeLong, paired", labels.size)
    if difference == 0:
        return AucDifference(0.0, 0.0, 0.0, 1.0, "DeLong, paired (equal ordering)", labels.size)
    reason = "not available: DeLong variance is zero"
    return AucDifference(difference, math.nan, math.nan, math.nan, reason, labels.size)


def _difference_error(y: BoolArray, scores: DoubleArray) -> tuple[DoubleArray, float]:
    """The two AUCs, and the standard error of their difference with rounding errors set to zero."""
    values, covariance = delong(y, scores)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    return values, math.sqrt(variance) if variance > 1e-14 else 0.0


def bootstrap_auc(y: npt.ArrayLike, p: npt.ArrayLike, *, seed: int = 0, n: int = 2000) -> Estimate:
    """Area under the ROC curve with a percentile interval from a seeded bootstrap within the classes.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) scores.
        seed: seed of the generator.
        n: how many samples to draw.
    """
    labels = as_labels(y)
    scores = as_scores(p, labels.size)
    if labels.all() or not labels.any():
        return Estimate.missing(ONE_CLASS, labels.size)
    wins = (np.sign(scores[labels][:, None] - scores[~labels][None]) + 1) / 2

    def statistic(weights: DoubleArray) -> DoubleArray:
        won = ((weights[:, labels] @ wins) * weights[:, ~labels]).sum(axis=1)
        return np.asarray(won / wins.size)

    return bootstrap_estimate(statistic, labels, seed=seed, n_resamples=n)


def average_precision(y: npt.ArrayLike, p: npt.ArrayLike, *, seed: int = 0, n: int = 2000) -> Estimate:
    """Average precision (area under the precision-recall steps) with a seeded bootstrap interval.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) scores.
        seed: seed of the generator.
        n: how many samples to draw.
    """
    labels = as_labels(y)
    scores = as_scores(p, labels.size)
    if labels.all() or not labels.any():
        return Estimate.missing(ONE_CLASS, labels.size)
    order = np.argsort(-scores, kind="stable")
    steps = np.append(np.flatnonzero(np.diff(scores[order])), labels.size - 1)

    def statistic(weights: DoubleArray) -> DoubleArray:
        chosen = weights[:, order]
        hits = np.cumsum(chosen * labels[order], axis=1)[:, steps]
        called = np.cumsum(chosen, axis=1)[:, steps]
        precision = np.divide(hits, called, out=np.zeros_like(hits), where=called > 0)
        recall_gain = np.diff(hits, axis=1, prepend=0) / hits[:, -1:]
        return np.asarray((precision * recall_gain).sum(axis=1))

    return bootstrap_estimate(statistic, labels, seed=seed, n_resamples=n)


def expected_auc(p_true: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """AUC of a score expected over labels drawn from the true probabilities: pair (i, j) weighs p_i (1 − p_j).

    With ``score`` = ``p_true`` this is the oracle's AUC, the ceiling of any model. NaN when no pair has weight.

    Args:
        p_true: (n,) true probabilities of label 1.
        score: (n,) scores.
    """
    scores = np.asarray(score, dtype=np.float64)
    probabilities = as_scores(p_true, scores.size)
    as_scores(scores, scores.size)
    _, groups = np.unique(scores, return_inverse=True)
    positive = np.bincount(groups, weights=probabilities)
    negative = np.bincount(groups, weights=1 - probabilities)
    below = np.cumsum(negative) - negative
    self_pairs = float((probabilities * (1 - probabilities)).sum())
    won = float((positive * (below + negative / 2)).sum()) - self_pairs / 2
    total = float(positive.sum() * negative.sum()) - self_pairs
    return won / total if total > 0 else math.nan


def attained_share(auc_value: float, oracle: float) -> float:
    """How much of what chance leaves open was reached: (AUC − ½) / (oracle AUC − ½); NaN when the oracle is chance."""
    return (auc_value - 0.5) / (oracle - 0.5) if oracle != 0.5 else math.nan


def detectable_auc_difference(
    y: npt.ArrayLike, p_a: npt.ArrayLike, p_b: npt.ArrayLike, *, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The AUC difference between two models that these patients could have detected.

    It uses DeLong's standard error of the observed difference: (z for alpha + z for power) × error. NaN with one class,
    and where the error is zero, as with models that order alike: such patients say nothing about power.

    Args:
        y: (n,) labels, 0 or 1.
        p_a: (n,) scores of model A.
        p_b: (n,) scores of model B.
        power: wanted probability of detection.
        alpha: two-sided level.
    """
    labels = as_labels(y)
    scores = np.stack([as_scores(p_a, labels.size), as_scores(p_b, labels.size)])
    if labels.all() or not labels.any():
        return math.nan
    _, error = _difference_error(labels, scores)
    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error if error else math.nan


def detectable_auc(n_positive: int, n_negative: int, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest AUC that a cohort of this size can distinguish from chance.

    Args:
        n_positive: patients with label 1, at least 1.
        n_negative: patients with label 0, at least 1.
        power: wanted probability of detection.
        alpha: two-sided level.

    Returns:
        An AUC in (0.5, 1]; NaN when even a perfect model could not be distinguished from chance.

    Source: Hanley & McNeil, Radiology 143:29 (1982), for the standard errors at chance and at the AUC sought.
    """
    at_chance = float(norm.ppf(1 - alpha / 2)) * math.sqrt(_hanley_mcneil_variance(0.5, n_positive, n_negative))

    def shortfall(value: float) -> float:
        spread = float(norm.ppf(power)) * math.sqrt(_hanley_mcneil_variance(value, n_positive, n_negative))
        return value - 0.5 - at_chance - spread

    return float(brentq(shortfall, 0.5, 1.0)) if shortfall(1.0) > 0 else math.nan


def _hanley_mcneil_variance(value: float, n_positive: int, n_negative: int) -> float:
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = (n_positive - 1) * (q1 - value**2) + (n_negative - 1) * (q2 - value**2)
    return (value * (1 - value) + spread) / (n_positive * n_negative)


def _newcombe_interval(value: float, n_positive: int, n_negative: int) -> tuple[float, float]:
    """Newcombe's method 5: the AUCs whose own standard error would still reach the one observed."""
    mean_size = (n_positive + n_negative) / 2

    def excess(candidate: float) -> float:
        shape = (1 - candidate) / (2 - candidate) + candidate / (1 + candidate)
        variance = candidate * (1 - candidate) * (1 + (mean_size - 1) * shape) / (n_positive * n_negative)
        return (candidate - value) ** 2 - Z_95**2 * variance

    low = 0.0 if value <= 0 else float(brentq(excess, 0.0, value - 1e-12))
    high = 1.0 if value >= 1 else float(brentq(excess, value + 1e-12, 1.0))
    return low, high
