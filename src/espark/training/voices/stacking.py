"""Several answers in log-odds become one: a weighted sum whose weights are fitted on answers for unseen patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit

from espark.training.members.state import MemberState
from espark.training.voices.ridge import linear, log_loss, prior_log_odds
from espark.types import DoubleArray, IntArray

_LEAST = 0.1
"""Lowest weight, as a share of the weight expected: every part is heard, so that no two patients are quite alike."""


def shares_of(names: Sequence[str], spreads: DoubleArray) -> dict[str, float]:
    """By part, its share of what all parts add.

    Args:
        names: of the parts.
        spreads: (parts,) SD over the training patients of what each part adds.
    """
    return dict(zip(names, (spreads / max(float(spreads.sum()), 1e-12)).tolist(), strict=True))


@dataclass(frozen=True)
class Stack:
    """A weighted sum of log-odds; a part that is missing in a patient adds nothing.

    Attributes:
        weights: (parts,), above 0.
        centers: (parts,) what each part answers for the average training patient.
        intercept: log-odds of the average training patient.
        spreads: (parts,) SD over the training patients of what each part adds.
    """

    weights: DoubleArray
    centers: DoubleArray
    intercept: float
    spreads: DoubleArray

    @classmethod
    def fit(cls, parts: DoubleArray, labels: IntArray, *, expected: float, trust: float) -> Stack:
        """Fit by likelihood, with a prior around the weights that are expected without any patient.

        Args:
            parts: (patients, parts) log-odds from fits that did not see the patient; NaN where a part is missing.
            labels: (patients,) 0 or 1.
            expected: weight of each part before a patient was seen: one for parts that know different things, one by
                their number for parts that know the same.
            trust: SD of a normal prior on how far a part may move the log-odds of a typical patient from what the
                expected weight gives; the larger, the more the patients decide.
        """
        known = np.isfinite(parts)
        count = np.maximum(known.sum(axis=0), 1)
        centers = np.where(known, parts, 0).sum(axis=0) / count
        moved = np.where(known, parts - centers, 0.0)
        sd = np.sqrt((moved**2).sum(axis=0) / count)
        prior = np.full(parts.shape[1], expected)

        def loss(theta: DoubleArray) -> tuple[float, DoubleArray]:
            odds = theta[0] + moved @ theta[1:]
            off = (theta[1:] - prior) * sd / trust
            error = expit(odds) - labels
            value = len(labels) * log_loss(labels, odds) + 0.5 * float(off @ off)
            return value, np.concatenate([[error.sum()], error @ moved + off * sd / trust])

        start = np.concatenate([[prior_log_odds(labels)], prior])
        bounds = [(None, None), *((_LEAST * expected, None) for _ in prior)]
        best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "gtol": 1e-8})
        weights = np.asarray(best.x[1:])
        return cls(weights, centers, float(best.x[0]), weights * sd)

    def log_odds(self, parts: DoubleArray) -> DoubleArray:
        """(patients,) from (patients, parts); NaN where every part is missing."""
        known = np.isfinite(parts)
        moved = np.where(known, parts - self.centers, 0.0)
        return np.where(known.any(axis=1), linear(moved, self.weights, self.intercept), np.nan)

    @property
    def constant(self) -> float:
        """What the sum adds where every part is 0."""
        return self.intercept - float(self.weights @ self.centers)

    def state(self) -> MemberState:
        """All that must be stored."""
        table = np.stack([self.weights, self.centers, self.spreads])
        return MemberState(
            {"parts": torch.from_numpy(table), "intercept": torch.tensor([self.intercept], dtype=torch.float64)}
        )

    @classmethod
    def restore(cls, state: MemberState) -> Stack:
        """What :meth:`state` described."""
        weights, centers, spreads = state.tensors["parts"].numpy()
        return cls(weights, centers, float(state.tensors["intercept"][0]), spreads)
