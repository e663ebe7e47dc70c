"""One effect from several centers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, norm
from scipy.stats import t as student

from espark.statistics.estimate import Z_95, Estimate


@dataclass(frozen=True)
class MetaSummary:
    """Random-effects summary.

    Attributes:
        effect: mean effect with its interval; ``n`` is the number of centers.
        p_value: two-sided, of no effect.
        tau2: variance of the effect between centers.
        i2: share of the variation that is between centers, 0–1.
        p_heterogeneity: of equal effects in all centers (Cochran's Q); NaN with one center.
    """

    effect: Estimate
    p_value: float
    tau2: float
    i2: float
    p_heterogeneity: float


def random_effects(
    effects: npt.ArrayLike,
    standard_errors: npt.ArrayLike,
    *,
    interval: Literal["normal", "hartung-knapp"] = "normal",
) -> MetaSummary:
    """Summary of effects after DerSimonian and Laird.

    Centers with a NaN effect, or without a positive finite standard error, are left out. With few centers the normal
    interval is too narrow, for it takes the variance between them as known; Hartung and Knapp's, with Student's t,
    is not. Where the centers agree more than by chance, theirs would be narrower than the normal one: then the normal
    standard error stays, with Student's t.

    Args:
        effects: (k,) effect of each center.
        standard_errors: (k,) their standard errors.
        interval: how interval and p are made.

    Source: DerSimonian & Laird, Control. Clin. Trials 7:177 (1986); Hartung & Knapp, Stat. Med. 20:3875 (2001);
    Röver, Knapp & Friede, BMC Med. Res. Methodol. 15:99 (2015), for the standard error that is not let fall.
    """
    values, errors = np.asarray(effects, dtype=np.float64), np.asarray(standard_errors, dtype=np.float64)
    usable = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    values, errors = values[usable], errors[usable]
    if values.size == 0:
        missing = Estimate.missing("not available: no center has an effect", 0)
        return MetaSummary(missing, math.nan, math.nan, math.nan, math.nan)
    if values.size == 1:
        return MetaSummary(*_normal(float(values[0]), float(errors[0]), 1), 0.0, 0.0, math.nan)
    fixed = 1 / errors**2
    q = float((fixed * (values - (fixed * values).sum() / fixed.sum()) ** 2).sum())
    freedom = values.size - 1
    # statsmodels has this estimator too, but lets the variance fall below 0 where centers agree more than by chance.
    tau2 = max(0.0, (q - freedom) / float(fixed.sum() - (fixed**2).sum() / fixed.sum()))
    weights = 1 / (errors**2 + tau2)
    mean, error = float((weights * values).sum() / weights.sum()), float(weights.sum() ** -0.5)
    if interval == "hartung-knapp":
        inflation = float((weights * (values - mean) ** 2).sum()) / freedom
        summary = _student(mean, error * math.sqrt(max(1.0, inflation)), values.size)
    else:
        summary = _normal(mean, error, values.size)
    i2 = max(0.0, 1 - freedom / q) if q > 0 else 0.0
    return MetaSummary(*summary, tau2, i2, float(chi2.sf(q, freedom)))


def _normal(value: float, error: float, n: int) -> tuple[Estimate, float]:
    method = "random effects (DerSimonian–Laird)" if n > 1 else "one center, normal"
    estimate = Estimate(value, value - Z_95 * error, value + Z_95 * error, method, n)
    return estimate, float(2 * norm.sf(abs(value) / error))


def _student(value: float, error: float, n: int) -> tuple[Estimate, float]:
    half = float(student.ppf(0.975, n - 1)) * error
    method = "random effects (DerSimonian–Laird, Hartung–Knapp)"
    return Estimate(value, value - half, value + half, method, n), float(2 * student.sf(abs(value) / error, n - 1))
