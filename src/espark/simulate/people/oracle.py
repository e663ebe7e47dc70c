"""What the best possible reader would answer, and how well: the ceiling for every method on simulated patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from espark.simulate.people import biology
from espark.types import DoubleArray

ORACLE_AUCS: dict[str, float] = {"slide": 0.805, "ct": 0.754, "both": 0.883}
"""Expected AUC of the oracle logits in an unlimited number of patients at the default effect (400,000 of them)."""


@dataclass(frozen=True)
class OracleLogits:
    """Logit of the true probability of a response given what an image shows, one entry per patient.

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
        """True probability of a response, 0–1."""
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
    """Logit of E[response | the seen latents], the latents being jointly normal."""
    loadings = biology.loadings()
    covariance = loadings @ loadings.T
    coefficients = effect * biology.COEFFICIENTS
    index = list(seen)
    weights = np.linalg.solve(covariance[np.ix_(index, index)], covariance[index] @ coefficients)
    variance = coefficients @ covariance @ coefficients - weights @ covariance[index] @ coefficients
    mean = biology.intercept(effect) + latents[:, index] @ weights
    return np.asarray(logit(biology.mean_probability(mean, np.sqrt(max(float(variance), 0.0)))), dtype=np.float64)
