"""Whether acting on a model does more good than treating everybody or nobody."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from espark.statistics.estimate import as_labels, as_probabilities, resample_counts
from espark.types import DoubleArray

DEFAULT_THRESHOLDS: DoubleArray = np.arange(1, 100) / 100


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit over threshold probabilities.

    Attributes:
        thresholds: (k,) probabilities of the outcome from which on one would act, in (0, 1).
        net_benefit: (k,) true positives minus weighted false positives, per patient.
        ci_low: (k,) lower end of its 95 % bootstrap interval.
        ci_high: (k,) upper end.
        treat_all: (k,) net benefit of acting in every patient; acting in none has 0.
        n: patients.
    """

    thresholds: DoubleArray
    net_benefit: DoubleArray
    ci_low: DoubleArray
    ci_high: DoubleArray
    treat_all: DoubleArray
    n: int


def decision_curve(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    *,
    thresholds: npt.ArrayLike = DEFAULT_THRESHOLDS,
    seed: int = 0,
    n_resamples: int = 1000,
) -> DecisionCurve:
    """Net benefit of acting on every patient whose probability is at or above a threshold.

    Args:
        y: (n,) labels, 0 or 1, n > 0.
        p: (n,) probabilities.
        thresholds: (k,) threshold probabilities in (0, 1).
        seed: seed of the bootstrap, which draws within the classes.
        n_resamples: how many samples to draw.

    Raises:
        ValueError: when a threshold is not in (0, 1) or there is no patient.

    Source: Vickers & Elkin, Med. Decis. Making 26:565 (2006).
    """
    labels = as_labels(y)
    probabilities = as_probabilities(p, labels.size)
    cuts = np.asarray(thresholds, dtype=np.float64)
    if not ((cuts > 0) & (cuts < 1)).all():
        raise ValueError("threshold probabilities lie in (0, 1)")
    if labels.size == 0:
        raise ValueError("a decision curve needs patients")
    # A true positive gains 1, a false positive costs the odds of the threshold.
    odds = cuts / (1 - cuts)
    gain = np.where(labels[:, None], 1.0, -odds[None]) * (probabilities[:, None] >= cuts[None])
    draws = resample_counts(labels, seed=seed, n_resamples=n_resamples) @ gain / labels.size
    low, high = np.quantile(draws, (0.025, 0.975), axis=0)
    treat_all = labels.mean() - (1 - labels.mean()) * odds
    return DecisionCurve(cuts, gain.mean(axis=0), low, high, treat_all, labels.size)
