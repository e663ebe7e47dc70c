"""The shape of every statistic, the checks on its inputs, and the resampling that gives it an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from espark.types import BoolArray, DoubleArray

Z_95 = float(norm.ppf(0.975))
"""Half-width of a 95 % interval in standard errors."""

ONE_CLASS = "not available: one class only"
NO_PATIENTS = "not available: no patients"


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Attributes:
        value: the statistic; NaN when it does not exist.
        ci_low: lower end of the interval; NaN when there is none.
        ci_high: upper end of the interval; NaN when there is none.
        method: how the interval was made, or why there is no value.
        n: patients (or other units) that the number rests on.
    """

    value: float
    ci_low: float
    ci_high: float
    method: str
    n: int

    @property
    def available(self) -> bool:
        """Whether there is a value at all."""
        return not math.isnan(self.value)

    @classmethod
    def missing(cls, reason: str, n: int) -> Estimate:
        """An estimate that does not exist, and why."""
        return cls(math.nan, math.nan, math.nan, reason, n)


def as_labels(y: npt.ArrayLike) -> BoolArray:
    """Labels as booleans.

    Args:
        y: (n,) labels, each 0 or 1.

    Raises:
        ValueError: when ``y`` is not one-dimensional or holds anything but 0 and 1.
    """
    values = np.asarray(y)
    if values.ndim != 1:
        raise ValueError(f"labels must be one-dimensional, found shape {values.shape}")
    if values.dtype == np.bool_:
        return values
    wrong = ~np.isin(values, (0, 1))
    if wrong.any():
        raise ValueError(f"labels must be 0 or 1, found {values[wrong][0]}")
    return values.astype(np.bool_)


def as_scores(values: npt.ArrayLike, n: int) -> DoubleArray:
    """Scores as doubles.

    Args:
        values: (n,) finite numbers.
        n: how many there must be.

    Raises:
        ValueError: when the length is another or a score is NaN or infinite.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.shape != (n,):
        raise ValueError(f"{n} labels need as many scores, found shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite; leave out patients without a prediction")
    return scores


def as_probabilities(values: npt.ArrayLike, n: int) -> DoubleArray:
    """Probabilities as doubles.

    Args:
        values: (n,) numbers in [0, 1].
        n: how many there must be.

    Raises:
        ValueError: when the length is another or a number lies outside [0, 1].
    """
    probabilities = as_scores(values, n)
    outside = (probabilities < 0) | (probabilities > 1)
    if outside.any():
        raise ValueError(f"probabilities must lie in [0, 1], found {probabilities[outside][0]}")
    return probabilities


def resample_counts(y: BoolArray, *, seed: int, n_resamples: int) -> DoubleArray:
    """How often each patient is drawn in each bootstrap sample, drawn within each class.

    Drawing within the classes keeps their numbers, so that a small cohort never yields a sample of one class.

    Args:
        y: (n,) labels.
        seed: seed of the generator.
        n_resamples: how many samples to draw.

    Returns:
        (n_resamples, n) counts; the counts of a class sum to its size in every row.
    """
    generator = np.random.default_rng(seed)
    counts = np.zeros((n_resamples, y.size))
    for label in (True, False):
        members = np.flatnonzero(y == label)
        if members.size:
            equal = np.full(members.size, 1 / members.size)
            counts[:, members] = generator.multinomial(members.size, equal, size=n_resamples)
    return counts


def bootstrap_estimate(
    statistic: Callable[[DoubleArray], DoubleArray], y: BoolArray, *, seed: int, n_resamples: int
) -> Estimate:
    """A statistic with its percentile interval from a bootstrap within the classes.

    Args:
        statistic: maps (b, n) weights of the patients to (b,) values.
        y: (n,) labels.
        seed: seed of the generator.
        n_resamples: how many samples to draw.
    """
    value = float(statistic(np.ones((1, y.size)))[0])
    draws = statistic(resample_counts(y, seed=seed, n_resamples=n_resamples))
    low, high = np.quantile(draws, (0.025, 0.975))
    method = f"bootstrap within classes, {n_resamples} samples, seed {seed}"
    return Estimate(value, float(low), float(high), method, y.size)
