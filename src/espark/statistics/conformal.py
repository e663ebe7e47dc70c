"""Prediction sets that hold the truth with a stated frequency, so that "not sure" is an answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from espark.statistics.estimate import Estimate, as_labels, as_probabilities
from espark.types import BoolArray, DoubleArray

ConformalSet = Literal["positive", "negative", "positive;negative", ""]

_NAMES: dict[tuple[bool, bool], ConformalSet] = {
    (True, False): "positive",
    (False, True): "negative",
    (True, True): "positive;negative",
    (False, False): "",
}


@dataclass(frozen=True)
class ConformalSets:
    """Split-conformal prediction sets of a binary label.

    A label is in the set when one minus its probability does not exceed the quantile. Both labels mean "not sure";
    none means that the patient fits neither. Coverage holds over patients exchangeable with those it was fitted on.

    Attributes:
        coverage: share of patients whose set should contain the true outcome.
        quantile_positive: highest 1 − p at which label 1 enters the set; 1 lets it in always.
        quantile_negative: highest p at which label 0 enters the set; 1 lets it in always.
        per_class: whether the coverage is promised within each class.
        n: patients it was fitted on.

    Source: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World (2005); Sadinle et al., JASA 114:223
    (2019).
    """

    coverage: float
    quantile_positive: float
    quantile_negative: float
    per_class: bool
    n: int

    @classmethod
    def fit(cls, y: npt.ArrayLike, p: npt.ArrayLike, coverage: float, *, per_class: bool = False) -> ConformalSets:
        """Fit on predictions for patients that the model did not see.

        Args:
            y: (n,) labels, 0 or 1.
            p: (n,) probabilities of label 1.
            coverage: wanted share of sets that hold the truth, in (0, 1).
            per_class: promise it within each class, which also holds where the prevalence is another; the sets get
                wider.

        Raises:
            ValueError: when ``coverage`` is not in (0, 1).
        """
        if not 0 < coverage < 1:
            raise ValueError(f"a coverage lies in (0, 1), found {coverage}")
        labels = as_labels(y)
        probabilities = as_probabilities(p, labels.size)
        scores = np.where(labels, 1 - probabilities, probabilities)
        groups = (labels, ~labels) if per_class else (np.ones_like(labels), np.ones_like(labels))
        positive, negative = (_finite_sample_quantile(scores[group], coverage) for group in groups)
        return cls(coverage, positive, negative, per_class, labels.size)

    def predict(self, p: npt.ArrayLike) -> list[ConformalSet]:
        """The set of each patient.

        Args:
            p: (n,) probabilities of label 1.
        """
        return [_NAMES[bool(positive), bool(negative)] for positive, negative in zip(*self._members(p), strict=True)]

    def covered(self, y: npt.ArrayLike, p: npt.ArrayLike) -> BoolArray:
        """Whether each patient's set holds the truth.

        Args:
            y: (n,) labels, 0 or 1.
            p: (n,) probabilities of label 1.
        """
        labels = as_labels(y)
        positive, negative = self._members(as_probabilities(p, labels.size))
        return np.where(labels, positive, negative)

    def _members(self, p: npt.ArrayLike) -> tuple[BoolArray, BoolArray]:
        values = np.asarray(p, dtype=np.float64)
        probabilities = as_probabilities(values, values.size)
        return 1 - probabilities <= self.quantile_positive, probabilities <= self.quantile_negative

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "kind": "split-conformal",
            "coverage": self.coverage,
            "quantile_positive": self.quantile_positive,
            "quantile_negative": self.quantile_negative,
            "per_class": self.per_class,
            "n": self.n,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ConformalSets:
        """From what ``to_dict`` gave.

        Raises:
            ValueError: when ``values`` are not those of conformal sets.
        """
        try:
            quantiles = (float(values["quantile_positive"]), float(values["quantile_negative"]))
            sets = cls(float(values["coverage"]), *quantiles, bool(values["per_class"]), int(values["n"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not split-conformal sets: {dict(values)!r}") from error
        usable = 0 < sets.coverage < 1 and all(0 <= quantile <= 1 for quantile in quantiles)
        if values.get("kind") != "split-conformal" or not usable:
            raise ValueError(f"not split-conformal sets: {dict(values)!r}")
        return sets


def _finite_sample_quantile(scores: DoubleArray, coverage: float) -> float:
    """The ⌈(n + 1) × coverage⌉-th smallest score; 1, which no score exceeds, where there are too few to promise it."""
    # The rounding guard keeps e.g. 0.95 × 20 from becoming 19.000000000000004, which would be rounded up to 20.
    rank = math.ceil(round((scores.size + 1) * coverage, 9))
    return float(np.sort(scores)[rank - 1]) if rank <= scores.size else 1.0


def coverage_estimate(covered: npt.ArrayLike) -> Estimate:
    """Share of patients whose set held the truth, with Wilson's interval.

    Args:
        covered: (n,) booleans of ``ConformalSets.covered``.
    """
    from espark.statistics.classification import proportion

    held = as_labels(covered)
    return proportion(int(held.sum()), held.size)
