"""How far a feature agrees with itself when it is measured again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import f as f_distribution

from espark.types import DoubleArray


@dataclass(frozen=True)
class IntraclassCorrelation:
    """Intraclass correlations of single measurements, one entry per feature; NaN for a constant feature.

    Attributes:
        value: correlation, at most 1.
        ci_low: lower end of its 95 % interval.
        ci_high: upper end.
        n: subjects.
        k: measurements of each.
    """

    value: DoubleArray
    ci_low: DoubleArray
    ci_high: DoubleArray
    n: int
    k: int


def intraclass_correlation(
    measurements: npt.ArrayLike, *, kind: Literal["agreement", "consistency"] = "agreement"
) -> IntraclassCorrelation:
    """ICC of single measurements in a two-way layout, all features at once.

    Args:
        measurements: (n, k, f) value of feature f in subject n, measured k times (raters, segmentations, scans).
        kind: ``agreement`` is ICC(2,1), in which a constant offset between raters counts against it;
            ``consistency`` is ICC(3,1), in which it does not.

    Raises:
        ValueError: when there are fewer than two subjects or measurements, or a value is missing.

    Source: Shrout & Fleiss, Psychol. Bull. 86:420 (1979); McGraw & Wong, Psychol. Methods 1:30 (1996).
    """
    values = np.asarray(measurements, dtype=np.float64)
    if values.ndim != 3 or min(values.shape[:2]) < 2:
        raise ValueError(f"needs (subjects ≥ 2, measurements ≥ 2, features), found shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("measurements must be finite; leave out subjects that were not measured every time")
    n, k, _ = values.shape
    between, raters, residual = _mean_squares(values)
    # A feature without any spread has no correlation; a perfectly repeated one has an infinite F.
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "consistency":
            value = (between - residual) / (between + (k - 1) * residual)
            low, high = _consistency_interval(between / residual, n, k)
        else:
            value = (between - residual) / (between + (k - 1) * residual + k * (raters - residual) / n)
            low, high = _agreement_interval(between, raters, residual, value, n, k)
    exact = (residual == 0) & (between > 0) & ((raters == 0) | (kind == "consistency"))
    return IntraclassCorrelation(value, np.where(exact, 1.0, low), np.where(exact, 1.0, high), n, k)


def _mean_squares(values: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Mean squares between subjects, between raters, and of the residual."""
    n, k, _ = values.shape
    centred = values - values.mean(axis=(0, 1))
    subjects, raters = centred.mean(axis=1), centred.mean(axis=0)
    residual = centred - subjects[:, None] - raters[None]
    total = (centred**2).sum(axis=(0, 1))
    residual_sum = (residual**2).sum(axis=(0, 1))
    # Rounding errors of an exact repetition are not a disagreement.
    residual_sum = np.where(residual_sum <= 1e-24 * np.maximum(total, 1e-300), 0.0, residual_sum)
    rater_sum = n * (raters**2).sum(axis=0)
    rater_sum = np.where(rater_sum <= 1e-24 * np.maximum(total, 1e-300), 0.0, rater_sum)
    return (
        np.asarray(k * (subjects**2).sum(axis=0) / (n - 1)),
        rater_sum / (k - 1),
        residual_sum / ((n - 1) * (k - 1)),
    )


def _consistency_interval(f_value: DoubleArray, n: int, k: int) -> tuple[DoubleArray, DoubleArray]:
    of_residual = (n - 1) * (k - 1)
    low = f_value / f_distribution.ppf(0.975, n - 1, of_residual)
    high = f_value * f_distribution.ppf(0.975, of_residual, n - 1)
    return (low - 1) / (low + k - 1), (high - 1) / (high + k - 1)


def _agreement_interval(
    between: DoubleArray, raters: DoubleArray, residual: DoubleArray, value: DoubleArray, n: int, k: int
) -> tuple[DoubleArray, DoubleArray]:
    a = k * value / (n * (1 - value))
    b = 1 + k * value * (n - 1) / (n * (1 - value))
    freedom = (a * raters + b * residual) ** 2 / (
        (a * raters) ** 2 / (k - 1) + (b * residual) ** 2 / ((n - 1) * (k - 1))
    )
    f_low, f_high = f_distribution.ppf(0.975, n - 1, freedom), f_distribution.ppf(0.975, freedom, n - 1)
    noise = k * raters + (k * n - k - n) * residual
    low = n * (between - f_low * residual) / (f_low * noise + n * between)
    high = n * (f_high * between - residual) / (noise + n * f_high * between)
    return low, high
