"""How many patients a prediction model of a binary outcome needs at least.

The four criteria of Riley et al., "Calculating the sample size required for developing a clinical prediction model",
BMJ 368:m441 (2020). They are made for regression without a penalty, with a number of candidate parameters that was
fixed in advance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import norm

_MARGIN = 0.05
_SHRINKAGE = 0.9
_OPTIMISM = 0.05
_Z = 1.96


@dataclass(frozen=True)
class MinimumSize:
    """The smallest number of patients by each criterion.

    Attributes:
        overall_risk: the overall share of the outcome is known to ± 0.05 (criterion B1).
        mean_error: the mean absolute error of the probabilities is 0.05 (B2).
        shrinkage: effects have to be shrunk by at most a tenth (B3).
        optimism: the apparent R² of Nagelkerke is too large by at most 0.05 (B4).
    """

    overall_risk: int
    mean_error: int
    shrinkage: int
    optimism: int

    @property
    def required(self) -> int:
        """What all four need."""
        return max(self.overall_risk, self.mean_error, self.shrinkage, self.optimism)


def minimum_size(*, prevalence: float, parameters: int, cox_snell_r2: float) -> MinimumSize:
    """Minimum number of patients for the development of a model.

    Args:
        prevalence: share of patients with the outcome, above 0 and below 1.
        parameters: number of candidate parameters, at least 1.
        cox_snell_r2: R² of Cox and Snell that is expected, above 0 and below its largest value at this prevalence.

    Raises:
        ValueError: when a value is out of its range.

    Example:
        >>> minimum_size(prevalence=0.05, parameters=30, cox_snell_r2=0.05).shrinkage
        5249
    """
    if not 0 < prevalence < 1 or parameters < 1:
        raise ValueError(f"prevalence {prevalence} and {parameters} parameters")
    largest = largest_cox_snell_r2(prevalence)
    if not 0 < cox_snell_r2 < largest:
        raise ValueError(f"R² of {cox_snell_r2:g} is not between 0 and {largest:.3f}, the largest at this prevalence")
    error = -0.508 + 0.259 * math.log(prevalence) + 0.504 * math.log(parameters) - math.log(_MARGIN)
    optimism = cox_snell_r2 / (cox_snell_r2 + _OPTIMISM * largest)
    return MinimumSize(
        overall_risk=math.ceil((_Z / _MARGIN) ** 2 * prevalence * (1 - prevalence)),
        mean_error=math.ceil(math.exp(error / 0.544)),
        shrinkage=_for_shrinkage(_SHRINKAGE, parameters, cox_snell_r2),
        optimism=_for_shrinkage(optimism, parameters, cox_snell_r2),
    )


def _for_shrinkage(shrinkage: float, parameters: int, r2: float) -> int:
    return math.ceil(parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))


def largest_cox_snell_r2(prevalence: float) -> float:
    """R² of Cox and Snell of a model that is always right."""
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    return 1 - math.exp(2 * null)


def cox_snell_r2_of_auc(auc: float, prevalence: float) -> float:
    """R² of Cox and Snell of a calibrated model, from its AUC.

    The linear predictor is normal with one SD in patients with and without the outcome, as in Riley, Van Calster and
    Collins, Statistics in Medicine 40:859 (2021), who simulate what is integrated here.

    Args:
        auc: above 0.5 and below 1.
        prevalence: share of patients with the outcome.

    Example:
        >>> round(cox_snell_r2_of_auc(0.89, 0.174), 2)
        0.29
    """
    distance = math.sqrt(2) * float(norm.ppf(auc))
    x = np.linspace(-9.0, distance + 9.0, 20_001)
    density = prevalence * norm.pdf(x, distance) + (1 - prevalence) * norm.pdf(x)
    risk = expit(math.log(prevalence / (1 - prevalence)) + distance * x - distance**2 / 2)
    clipped = np.clip(risk, 1e-300, 1 - 1e-16)
    fit = np.trapezoid(density * (risk * np.log(clipped) + (1 - risk) * np.log1p(-clipped)), x)
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log(1 - prevalence)
    return float(1 - np.exp(2 * (null - fit)))
