"""What the best possible reader would answer, and how well: the ceiling for every method on simulated patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from espark.simulate import biology
from espark.types import DoubleArray

ORACLE_AUCS: dict[str, float] = {"slide": 0.805, "ct": 0.754, "both": 0.883}
"""Expected AUC of the oracle logits in an unlimited number of patients at the default effect (400,000 of them)."""


@dataclass(frozen=True)
class OracleLogits:
    """Logit of the true probability of pCR given what an image shows, one entry per patient.

    Attributes:
        slide: given the slide latents alone.
        ct: given the CT latents alone.
        both: given both; its logistic function is the true probability.
    """

    slide: DoubleArray
    ct: DoubleArray
    both: DoubleArray

    @property
    def probability(self) -> DoubleArray:
        """True probability of pCR, 0–1."""
        return np.asarray(expit(self.both), dtype=np.float64)


def oracle_logits(latents: DoubleArray, effect: float) -> OracleLogits:
    """Oracle logits of patients.

    What a modality does not show is averaged out with its distribution given what it does show.

    Args:
        latents: shape (patients, nodes of the graph).
        effect: scale of the effects; 1 is the documented trial.
    """
    return OracleLogits(
        slide=_conditional(latents, biology.SLIDE_INDICES, effect),
        ct=_conditional(latents, biology.CT_INDICES, effect),
        both=biology.intercept(effect) + effect * latents @ biology.COEFFICIENTS,
    )


def _conditional(latents: DoubleArray, seen: Sequence[int], effect: float) -> DoubleArray:
    """Logit of E[pCR | the seen latents], the latents being jointly normal."""
    loadings = biology.loadings()
    covariance = loadings @ loadings.T
    coefficients = effect * biology.COEFFICIENTS
    index = list(seen)
    weights = np.linalg.solve(covariance[np.ix_(index, index)], covariance[index] @ coefficients)
    variance = coefficients @ covariance @ coefficients - weights @ covariance[index] @ coefficients
    mean = biology.intercept(effect) + latents[:, index] @ weights
    return np.asarray(logit(biology.mean_probability(mean, np.sqrt(max(float(variance), 0.0)))), dtype=np.float64)


def expected_auc(probability: DoubleArray, score: DoubleArray) -> float:
    """AUC of ``score`` expected under the true probabilities: pairs (i, j) count with weight p_i (1 − p_j).

    It removes the noise of drawn labels. A pair of equal scores counts half.

    Args:
        probability: true probability of pCR, shape (n,), 0–1.
        score: any score, shape (n,).

    Raises:
        ValueError: for fewer than two patients or when no pair can have different labels.
    """
    if len(probability) < 2:
        raise ValueError("an AUC needs at least two patients")
    _, group = np.unique(score, return_inverse=True)
    positive = np.bincount(group, probability)
    negative = np.bincount(group, 1.0 - probability)
    below = np.cumsum(negative) - negative
    # A patient is no pair with itself: its own p (1 − p) leaves both the ties and the total.
    own = float(probability @ (1.0 - probability))
    wins = float(positive @ below) + 0.5 * (float(positive @ negative) - own)
    total = float(probability.sum() * (1.0 - probability).sum()) - own
    if total <= 0:
        raise ValueError("every pair of patients is certain to have equal labels")
    return wins / total
