"""Whether a predicted 30 % means 30 %: measures of calibration, and the calibrator that a model carries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.proportion import proportion_confint

from espark.statistics.estimate import (
    NO_PATIENTS,
    ONE_CLASS,
    Z_95,
    Estimate,
    as_labels,
    as_probabilities,
    bootstrap_estimate,
)
from espark.statistics.logistic import fit_slopes
from espark.types import BoolArray, DoubleArray, IntArray

_EDGE = 1e-6
_LEAST_SLOPE = 0.01
_ANCHOR_SD = 0.15
# Beyond any shift that can be needed: logits end at ±13.8, and a share of 1 in 10⁹ lies at 20.7.
_FARTHEST = 60.0


def to_logit(p: npt.ArrayLike) -> DoubleArray:
    """Log odds of probabilities, which are first kept within [1e-6, 1 − 1e-6]."""
    return np.asarray(logit(np.clip(np.asarray(p, dtype=np.float64), _EDGE, 1 - _EDGE)))


def brier(y: npt.ArrayLike, p: npt.ArrayLike, *, seed: int = 0, n: int = 2000) -> Estimate:
    """Mean squared difference between probability and outcome (0 best), with a seeded bootstrap interval.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) probabilities.
        seed: seed of the generator.
        n: how many samples to draw.
    """
    labels = as_labels(y)
    losses = (as_probabilities(p, labels.size) - labels) ** 2
    if labels.size == 0:
        return Estimate.missing(NO_PATIENTS, 0)
    return bootstrap_estimate(lambda weights: weights @ losses / labels.size, labels, seed=seed, n_resamples=n)


def calibration_intercept(y: npt.ArrayLike, p: npt.ArrayLike) -> Estimate:
    """Calibration in the large: the shift on the logit scale that makes the mean prediction right (0 best).

    Logistic regression of the outcome on a constant, with the logit of the prediction as offset; Wald interval.
    Above 0 the predictions are too low.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) probabilities.
    """
    labels = as_labels(y)
    offset = to_logit(as_probabilities(p, labels.size))
    if labels.all() or not labels.any():
        return Estimate.missing(ONE_CLASS, labels.size)
    shift = float(brentq(lambda a: expit(offset + a).sum() - labels.sum(), -_FARTHEST, _FARTHEST, xtol=1e-12))
    spread = expit(offset + shift) * expit(-offset - shift)
    return _wald(shift, float(spread.sum() ** -0.5), labels.size)


def calibration_slope(y: npt.ArrayLike, p: npt.ArrayLike) -> Estimate:
    """Slope of the outcome's log odds on the predicted logit (1 best; below 1 the predictions are too extreme).

    Logistic regression with a free constant; Wald interval. Predictions that separate the classes, or that are all
    equal, have no finite slope.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) probabilities.
    """
    labels = as_labels(y)
    predicted = to_logit(as_probabilities(p, labels.size))
    if labels.all() or not labels.any():
        return Estimate.missing(ONE_CLASS, labels.size)
    if np.ptp(predicted) == 0:
        return Estimate.missing("not available: all predictions are equal", labels.size)
    if separated(labels, predicted):
        return Estimate.missing("not available: the predictions separate the classes", labels.size)
    scale = float(predicted.std())
    slope, error = fit_slopes(
        labels, ((predicted - predicted.mean()) / scale)[:, None], np.ones((labels.size, 1), bool)
    )
    return _wald(float(slope[0]) / scale, float(error[0]) / scale, labels.size)


def separated(y: BoolArray, x: DoubleArray) -> bool:
    """Whether a cut on ``x`` splits the classes (patients on the cut aside): no finite logistic slope exists then."""
    ones, zeros = x[y], x[~y]
    return bool(ones.min() >= zeros.max() or zeros.min() >= ones.max())


def _wald(value: float, error: float, n: int) -> Estimate:
    return Estimate(value, value - Z_95 * error, value + Z_95 * error, "logistic regression, Wald", n)


@dataclass(frozen=True)
class CalibrationCurve:
    """Observed against predicted, in groups of about equal size.

    Attributes:
        predicted: (k,) mean prediction of each group.
        observed: (k,) share of label 1 in it.
        ci_low: (k,) lower end of Wilson's 95 % interval.
        ci_high: (k,) upper end.
        n: (k,) patients.
    """

    predicted: DoubleArray
    observed: DoubleArray
    ci_low: DoubleArray
    ci_high: DoubleArray
    n: IntArray


def calibration_curve(y: npt.ArrayLike, p: npt.ArrayLike, *, n_groups: int = 10) -> CalibrationCurve:
    """Group patients by predicted risk and compare with what happened.

    Equal predictions stay in one group, so that there may be fewer groups than asked for.

    Args:
        y: (n,) labels, 0 or 1.
        p: (n,) probabilities.
        n_groups: how many groups at most.
    """
    labels = as_labels(y)
    predictions = as_probabilities(p, labels.size)
    edges = np.unique(np.quantile(predictions, np.linspace(0, 1, n_groups + 1)[1:-1])) if labels.size else np.zeros(0)
    _, groups = np.unique(np.searchsorted(edges, predictions, side="left"), return_inverse=True)
    n = np.bincount(groups).astype(np.int64)
    events = np.bincount(groups, weights=labels)
    low, high = proportion_confint(events, n, method="wilson")
    predicted = np.bincount(groups, weights=predictions) / n
    return CalibrationCurve(predicted, events / n, np.asarray(low), np.asarray(high), n)


@dataclass(frozen=True)
class PlattCalibrator:
    """Maps a model's probability to a calibrated one: logit(calibrated) = intercept + slope × logit(p).

    The slope is always positive, so that calibration never changes the order of patients.

    Attributes:
        intercept: shift on the logit scale.
        slope: stretch on the logit scale, above 0.
        n: patients it was fitted on.

    Example:
        >>> calibrator = PlattCalibrator.fit([0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
        >>> bool(calibrator.slope > 0)
        True

    Source: Platt, Advances in Large Margin Classifiers (1999).
    """

    intercept: float
    slope: float
    n: int

    @classmethod
    def fit(cls, y: npt.ArrayLike, p: npt.ArrayLike) -> PlattCalibrator:
        """Fit on predictions for patients that the model did not see.

        The slope per standard deviation of the logits has a standard normal prior: it takes the place of Platt's
        smoothed labels, keeps separated classes finite and weighs like a handful of patients. A slope that comes out
        negative, or equal predictions, give a slope of 0.01 per standard deviation: in effect everybody gets the
        prevalence.

        Args:
            y: (n,) labels, 0 or 1, with both classes.
            p: (n,) probabilities.

        Raises:
            ValueError: when only one class is there.
        """
        labels = as_labels(y)
        logits = to_logit(as_probabilities(p, labels.size))
        if labels.all() or not labels.any():
            raise ValueError("a calibrator needs patients of both classes")
        centre, spread = float(logits.mean()), float(logits.std())
        if spread < _EDGE:
            spread, slope, intercept = 1.0, _LEAST_SLOPE, float(logit(labels.mean()))
        else:
            model = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-10)
            model.fit((logits[:, None] - centre) / spread, labels)
            slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
            if slope < _LEAST_SLOPE:
                slope, intercept = _LEAST_SLOPE, float(logit(labels.mean()))
        return cls(intercept=intercept - slope * centre / spread, slope=slope / spread, n=labels.size)

    @classmethod
    def fit_anchored(cls, y: npt.ArrayLike, p: npt.ArrayLike) -> PlattCalibrator:
        """Fit with a slope near 1, for probabilities that are meant as such.

        The slope has a normal prior with mean 1 and SD 0.15. So where few patients show little, the probabilities stay
        what the model made them, instead of moving with the noise of these patients.

        Args:
            y: (n,) labels, 0 or 1, with both classes.
            p: (n,) probabilities.

        Raises:
            ValueError: when only one class is there.
        """
        labels = as_labels(y)
        logits = to_logit(as_probabilities(p, labels.size))
        if labels.all() or not labels.any():
            raise ValueError("a calibrator needs patients of both classes")

        centre = float(logits.mean())
        moved = logits - centre

        def loss(theta: DoubleArray) -> tuple[float, DoubleArray]:
            log_odds = theta[0] + theta[1] * moved
            off, error = (theta[1] - 1) / _ANCHOR_SD, expit(log_odds) - labels
            value = np.logaddexp(0, np.where(labels, -log_odds, log_odds)).sum() + off**2 / 2
            return float(value), np.array([error.sum(), error @ moved + off / _ANCHOR_SD])

        start = np.array([logit(labels.mean()), 1.0])
        bounds = [(None, None), (_LEAST_SLOPE, None)]
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-13, "gtol": 1e-9})
        intercept, slope = found.x.tolist()
        return cls(intercept=intercept - slope * centre, slope=slope, n=labels.size)

    def apply(self, p: npt.ArrayLike) -> DoubleArray:
        """Calibrated probabilities.

        Args:
            p: probabilities of any shape.

        Returns:
            Probabilities of the same shape, in the same order.
        """
        return np.asarray(expit(self.intercept + self.slope * to_logit(p)))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"kind": "platt", "intercept": self.intercept, "slope": self.slope, "n": self.n}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PlattCalibrator:
        """From what ``to_dict`` gave.

        Raises:
            ValueError: when ``values`` are not a Platt calibrator's.
        """
        try:
            calibrator = cls(float(values["intercept"]), float(values["slope"]), int(values["n"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a Platt calibrator: {dict(values)!r}") from error
        finite = math.isfinite(calibrator.intercept) and math.isfinite(calibrator.slope)
        if values.get("kind") != "platt" or not calibrator.slope > 0 or not finite:
            raise ValueError(f"not a Platt calibrator: {dict(values)!r}")
        return calibrator
