"""Logistic regression with a ridge penalty whose strength inner folds choose, on directions that the fold fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from espark.types import DoubleArray, IntArray

Directions = Callable[[DoubleArray, IntArray], DoubleArray]
"""From values (patients, features) and labels (patients,) to orthonormal directions (features, directions)."""

_STRENGTHS = np.logspace(-4.5, 0.5, 11)
"""scikit-learn's C: the smaller, the stronger the penalty."""

_INNER_FOLDS = 5


@dataclass(frozen=True)
class Voice:
    """One linear answer.

    Attributes:
        weights: (features,) log-odds a unit of a feature.
        intercept: log-odds where every feature is 0.
        crossed: (training patients,) log-odds of each by a fit that did not see the patient.
    """

    weights: DoubleArray
    intercept: float
    crossed: DoubleArray

    def log_odds(self, values: DoubleArray) -> DoubleArray:
        """(patients,) from values (patients, features)."""
        return linear(values, self.weights, self.intercept)

    def among(self, places: IntArray, features: int) -> Voice:
        """The same voice where its features are at ``places`` among more features, which it does not hear."""
        weights = np.zeros(features)
        weights[places] = self.weights
        return replace(self, weights=weights)


def linear(values: DoubleArray, weights: DoubleArray, intercept: float) -> DoubleArray:
    """(patients,) from values (patients, features), each summed alone: no answer depends on the patients beside it."""
    answers: DoubleArray = np.einsum("pf,f->p", values, weights) + intercept
    return answers


def prior_log_odds(labels: IntArray) -> float:
    """Log-odds of the outcome among the patients; half a patient is added to each class."""
    positive = int(labels.sum())
    return float(np.log((positive + 0.5) / (len(labels) - positive + 0.5)))


def fit_voice(values: DoubleArray, labels: IntArray, directions: Directions, seed: int) -> Voice:
    """Fit a voice, with the strength of its penalty chosen by the likelihood in inner folds.

    The directions are fitted again in each inner fold, so that no choice is made on a patient whom it is judged by.
    With fewer than two patients of a class, or without any feature, the voice gives everybody the share of the outcome.

    Args:
        values: (patients, features) about their training mean, without NaN.
        labels: (patients,) 0 or 1.
        directions: along which the regression may lie.
        seed: of the inner folds.
    """
    rarest = int(np.bincount(labels, minlength=2).min())
    prior = prior_log_odds(labels)
    if rarest < 2 or values.shape[1] == 0:
        return Voice(np.zeros(values.shape[1]), prior, np.full(len(labels), prior))
    splitter = StratifiedKFold(min(_INNER_FOLDS, rarest), shuffle=True, random_state=seed % 2**32)
    crossed = np.empty((len(_STRENGTHS), len(labels)))
    for seen, held_out in splitter.split(values, labels):
        basis = directions(values[seen], labels[seen])
        for row, strength in zip(crossed, _STRENGTHS, strict=True):
            weights, intercept = _ridge(values[seen], labels[seen], basis, strength)
            row[held_out] = values[held_out] @ weights + intercept
    best = int(np.argmin([log_loss(labels, row) for row in crossed]))
    fitted = _ridge(values, labels, directions(values, labels), _STRENGTHS[best])
    return Voice(*fitted, crossed[best])


def log_loss(labels: IntArray, log_odds: DoubleArray) -> float:
    """Mean negative log-likelihood of labels (patients,) under log-odds (patients,)."""
    return float(np.logaddexp(0, np.where(labels == 1, -log_odds, log_odds)).mean())


def _ridge(values: DoubleArray, labels: IntArray, basis: DoubleArray, strength: float) -> tuple[DoubleArray, float]:
    """Weights (features,) and intercept of a ridge along the directions."""
    if basis.shape[1] == 0:
        return np.zeros(len(basis)), float(logit(labels.mean()))
    model = LogisticRegression(C=strength, solver="newton-cholesky", tol=1e-6, max_iter=100)
    model.fit(values @ basis, labels)
    return basis @ model.coef_[0], float(model.intercept_[0])


def all_directions(values: DoubleArray, labels: IntArray) -> DoubleArray:
    """Directions of a ridge on all features."""
    del labels
    return principal_directions(values)


def principal_directions(values: DoubleArray, most: int | None = None) -> DoubleArray:
    """(features, directions) principal directions of values (patients, features), the widest first.

    A ridge along all of them is a ridge on the features themselves, in fewer numbers than features.

    Args:
        values: of training patients.
        most: how many are kept at most; None for all that are not empty.
    """
    _, widths, directions = np.linalg.svd(values - values.mean(axis=0), full_matrices=False)
    kept = int((widths > 1e-6 * widths[0]).sum()) if len(widths) and widths[0] > 0 else 0
    found: DoubleArray = directions[: kept if most is None else min(kept, most)].T
    return found
