"""All figures of one model on one cohort."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from espark.statistics import calibration, classification
from espark.statistics.auc import auc, average_precision
from espark.statistics.classification import Confusion
from espark.statistics.estimate import Estimate, as_labels, as_probabilities

_OF_DECISIONS: dict[str, Callable[[Confusion], Estimate]] = {
    "accuracy": classification.accuracy,
    "balanced_accuracy": classification.balanced_accuracy,
    "sensitivity": classification.sensitivity,
    "specificity": classification.specificity,
    "ppv": classification.ppv,
    "npv": classification.npv,
    "f1": classification.f1,
}

METRICS: tuple[str, ...] = (
    "auc",
    "average_precision",
    *_OF_DECISIONS,
    "brier",
    "calibration_intercept",
    "calibration_slope",
)
"""Names of the metrics, in the order in which tables show them."""


def evaluate_predictions(
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    *,
    threshold: float | None = None,
    decisions: npt.ArrayLike | None = None,
    seed: int = 0,
    n_bootstrap: int = 2000,
) -> dict[str, Estimate]:
    """Every metric of ``METRICS`` for one cohort.

    With one class, what needs both is "not available"; the rest is given.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) probabilities.
        threshold: patients at or above it are called 1.
        decisions: (n,) decisions, 0 or 1, instead of a threshold; cross-fitted ones have no single threshold.
        seed: seed of the bootstrap.
        n_bootstrap: samples of the bootstrap, for average precision and the Brier score.

    Raises:
        ValueError: unless exactly one of ``threshold`` and ``decisions`` is given.
    """
    if (threshold is None) == (decisions is None):
        raise ValueError("give either a threshold or decisions")
    labels = as_labels(y)
    probabilities = as_probabilities(p, labels.size)
    called = np.asarray(decisions) if threshold is None else probabilities >= threshold
    counts = classification.confusion(labels, called)
    estimates = {
        "auc": auc(labels, probabilities),
        "average_precision": average_precision(labels, probabilities, seed=seed, n=n_bootstrap),
        **{name: of(counts) for name, of in _OF_DECISIONS.items()},
        "brier": calibration.brier(labels, probabilities, seed=seed, n=n_bootstrap),
        "calibration_intercept": calibration.calibration_intercept(labels, probabilities),
        "calibration_slope": calibration.calibration_slope(labels, probabilities),
    }
    return {name: estimates[name] for name in METRICS}
