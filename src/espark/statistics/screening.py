"""Thousands of features against the outcome, one at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import mannwhitneyu, norm

from espark.statistics.auc import auc
from espark.statistics.estimate import ONE_CLASS, Z_95, Estimate, as_labels
from espark.statistics.logistic import fit_slopes
from espark.types import BoolArray, DoubleArray, IntArray


@dataclass(frozen=True)
class UnivariateScreen:
    """Univariate logistic regressions, one entry per feature; NaN where a feature could not be tested.

    Attributes:
        odds_ratio: per standard deviation; 0 or infinite where the feature separates the classes.
        ci_low: lower end of Wald's 95 % interval; NaN where the feature separates the classes.
        ci_high: upper end.
        p_value: two-sided, Wald; of the score test where the feature separates the classes.
        separated: whether the feature separates the classes.
        n: patients with a value.
    """

    odds_ratio: DoubleArray
    ci_low: DoubleArray
    ci_high: DoubleArray
    p_value: DoubleArray
    separated: BoolArray
    n: IntArray


def univariate_logistic(y: npt.ArrayLike, features: npt.ArrayLike) -> UnivariateScreen:
    """Logistic regression of the outcome on each feature alone, all features at once.

    A feature is standardized by the mean and standard deviation of the patients that have it. Features that are
    constant, or whose patients are all of one class, get NaN. Where a cut on the feature separates the classes,
    Wald's test breaks down (its p goes to 1 as the finding gets stronger): there the score test is used, which needs
    no fit.

    Args:
        y: (n,) labels, 0 or 1.
        features: (n, f) values; NaN where a patient has none.

    Raises:
        ValueError: when there are not as many rows as labels.
    """
    labels = as_labels(y)
    values = np.asarray(features, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] != labels.size:
        raise ValueError(f"{labels.size} labels need as many rows of features, found shape {values.shape}")
    present = np.isfinite(values)
    n = present.sum(axis=0)
    standardized, testable = _standardize(values, present)
    positives = (present & labels[:, None]).sum(axis=0)
    testable &= (positives > 0) & (positives < n)
    apart, direction = _separation(labels, standardized, present)
    fitted = testable & ~apart
    slope, error = np.full(n.size, np.nan), np.full(n.size, np.nan)
    slope[fitted], error[fitted] = fit_slopes(labels, standardized[:, fitted], present[:, fitted])
    p_value = 2 * norm.sf(np.abs(slope / error))
    apart &= testable
    slope[apart] = direction[apart] * np.inf
    p_value[apart] = _score_test(labels, standardized[:, apart], present[:, apart])
    with np.errstate(over="ignore"):
        odds = (np.exp(slope), np.exp(slope - Z_95 * error), np.exp(slope + Z_95 * error))
    return UnivariateScreen(*odds, p_value, apart, n.astype(np.int64))


def _standardize(values: DoubleArray, present: BoolArray) -> tuple[DoubleArray, BoolArray]:
    """Features with mean 0 and standard deviation 1 (absent values 0), and which of them vary at all."""
    n = np.maximum(present.sum(axis=0), 1)
    filled = np.where(present, values, 0.0)
    centred = np.where(present, filled - filled.sum(axis=0) / n, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(n - 1, 1))
    # Rounding leaves a constant feature a spread of the order of its own last digits.
    varies = spread > 1e-12 * np.maximum(1.0, np.abs(filled).max(axis=0, initial=0.0))
    return centred / np.where(varies, spread, 1.0), varies


def _separation(labels: BoolArray, x: DoubleArray, present: BoolArray) -> tuple[BoolArray, DoubleArray]:
    """Whether a cut splits the classes (patients on it aside), and whether the ones lie above (1) or below (−1)."""
    ones, zeros = present & labels[:, None], present & ~labels[:, None]
    lowest = [np.where(group, x, np.inf).min(axis=0, initial=np.inf) for group in (ones, zeros)]
    highest = [np.where(group, x, -np.inf).max(axis=0, initial=-np.inf) for group in (ones, zeros)]
    above, below = lowest[0] >= highest[1], lowest[1] >= highest[0]
    return above | below, np.where(above, 1.0, -1.0)


def _score_test(labels: BoolArray, x: DoubleArray, present: BoolArray) -> DoubleArray:
    """p of the score test of a zero slope."""
    n = present.sum(axis=0)
    prevalence = (present & labels[:, None]).sum(axis=0) / n
    score = np.where(present, (labels[:, None] - prevalence) * x, 0.0).sum(axis=0)
    variance = prevalence * (1 - prevalence) * (x**2).sum(axis=0)
    return np.asarray(2 * norm.sf(np.abs(score) / np.sqrt(variance)))


@dataclass(frozen=True)
class GroupDifference:
    """How a quantity differs between patients with label 1 and with label 0.

    Attributes:
        delta: Cliff's delta (rank-biserial correlation): −1 all ones lie below all zeros, 1 all above.
        p_value: two-sided, Mann–Whitney; NaN with one class.
    """

    delta: Estimate
    p_value: float


def group_difference(y: npt.ArrayLike, values: npt.ArrayLike) -> GroupDifference:
    """Mann–Whitney test with Cliff's delta. Patients without a value (NaN) are left out.

    Delta is 2 AUC − 1, so that its interval is that of the AUC.

    Args:
        y: (n,) labels, 0 or 1.
        values: (n,) the quantity.

    Raises:
        ValueError: when the lengths differ.
    """
    labels = as_labels(y)
    quantity = np.asarray(values, dtype=np.float64)
    if quantity.shape != labels.shape:
        raise ValueError(f"{labels.size} labels need as many values, found shape {quantity.shape}")
    known = np.isfinite(quantity)
    labels, quantity = labels[known], quantity[known]
    if labels.all() or not labels.any():
        return GroupDifference(Estimate.missing(ONE_CLASS, labels.size), math.nan)
    area = auc(labels, quantity)
    value, low, high = (2 * end - 1 for end in (area.value, area.ci_low, area.ci_high))
    p_value = float(mannwhitneyu(quantity[labels], quantity[~labels]).pvalue) if np.ptp(quantity) else 1.0
    return GroupDifference(Estimate(value, low, high, f"Cliff's delta, {area.method}", labels.size), p_value)
