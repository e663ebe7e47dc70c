"""Logistic regression on one variable at a time, for many variables at once."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from espark.types import BoolArray, DoubleArray

_MAX_STEPS = 50
_TOLERANCE = 1e-10


def fit_slopes(labels: BoolArray, x: DoubleArray, present: BoolArray) -> tuple[DoubleArray, DoubleArray]:
    """Maximum-likelihood slopes and their standard errors, one logistic regression per feature, all in step.

    Steps are halved where they would lose likelihood, so that extreme values do not make a fit run away.

    Args:
        labels: (n,) labels; every feature needs patients of both classes, overlapping in its values.
        x: (n, f) features of about unit spread; any number where absent.
        present: (n, f) which values count.

    Returns:
        (f,) slopes and (f,) standard errors.
    """
    y, weight = labels[:, None].astype(np.float64), present.astype(np.float64)
    prevalence = (weight * y).sum(axis=0) / weight.sum(axis=0)
    intercept, slope = np.log(prevalence / (1 - prevalence)), np.zeros(x.shape[1])
    likelihood = _log_likelihood(y, x, weight, intercept, slope)
    for _ in range(_MAX_STEPS):
        step_a, step_b, _ = _newton_step(y, x, weight, intercept, slope)
        factor = np.ones(x.shape[1])
        for _ in range(20):
            reached = _log_likelihood(y, x, weight, intercept + factor * step_a, slope + factor * step_b)
            worse = reached < likelihood - 1e-9
            if not worse.any():
                break
            factor[worse] /= 2
        intercept, slope, likelihood = intercept + factor * step_a, slope + factor * step_b, reached
        if np.abs(factor * step_b).max(initial=0.0) < _TOLERANCE:
            break
    return slope, np.sqrt(_newton_step(y, x, weight, intercept, slope)[2])


def _newton_step(
    y: DoubleArray, x: DoubleArray, weight: DoubleArray, intercept: DoubleArray, slope: DoubleArray
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Step of the intercepts, step of the slopes, and the variance of the slopes."""
    p = expit(intercept + slope * x)
    residual, information = weight * (y - p), weight * p * (1 - p)
    score_a, score_b = residual.sum(axis=0), (residual * x).sum(axis=0)
    i_aa, i_ab, i_bb = information.sum(axis=0), (information * x).sum(axis=0), (information * x**2).sum(axis=0)
    determinant = i_aa * i_bb - i_ab**2
    step_a = (i_bb * score_a - i_ab * score_b) / determinant
    step_b = (i_aa * score_b - i_ab * score_a) / determinant
    return step_a, step_b, i_aa / determinant


def _log_likelihood(
    y: DoubleArray, x: DoubleArray, weight: DoubleArray, intercept: DoubleArray, slope: DoubleArray
) -> DoubleArray:
    logit = intercept + slope * x
    return np.asarray((weight * (y * logit - np.logaddexp(0, logit))).sum(axis=0))
