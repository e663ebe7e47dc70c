"""What small changes of the contour and of the slices do to one patient's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from espark.explain.attribution import CtAttributor
from espark.outcome import BOTH
from espark.training.inputs import Inputs
from espark.training.operating_point import OperatingPoint
from espark.types import DoubleArray, FloatArray


@dataclass(frozen=True)
class ChangedAnswer:
    """The answer after one change.

    Attributes:
        change: the change, as it continues "with …", such as ``a contour 1 mm wider``.
        probability: calibrated probability of the outcome.
        conformal_set: the outcomes that cannot be ruled out.
    """

    change: str
    probability: float
    conformal_set: str


@dataclass(frozen=True)
class Robustness:
    """One patient's answer, and what it is after small changes of the contour and of the slices.

    Attributes:
        probability: with the contour as it was given or found.
        conformal_set: the same.
        changed: the answer after each change; one at least.
    """

    probability: float
    conformal_set: str
    changed: tuple[ChangedAnswer, ...]

    @property
    def low(self) -> float:
        """Lowest probability, without and with changes."""
        return min(self.probability, *(answer.probability for answer in self.changed))

    @property
    def high(self) -> float:
        """Highest probability, without and with changes."""
        return max(self.probability, *(answer.probability for answer in self.changed))

    @property
    def sets(self) -> tuple[str, ...]:
        """The set without a change, then after each change; one that fits neither outcome is read as both."""
        found = (self.conformal_set, *(answer.conformal_set for answer in self.changed))
        return tuple(found_set or BOTH for found_set in found)

    @property
    def union(self) -> str:
        """The outcomes that cannot be ruled out in all of them together."""
        return self.sets[0] if len(set(self.sets)) == 1 else BOTH

    @property
    def holds(self) -> bool:
        """Whether every change leaves the answer as it is."""
        return len(set(self.sets)) == 1


def robustness(
    attributors: Sequence[CtAttributor],
    one: Inputs,
    changes: Sequence[str],
    rows: FloatArray,
    point: OperatingPoint,
    *,
    pooled: bool,
) -> Robustness:
    """Ask a model again with the radiomics of each change, everything else about the patient held fixed.

    Args:
        attributors: the members that are asked.
        one: the patient, with a CT.
        changes: their names.
        rows: (changes, features) radiomics of the patient after each change.
        point: what the answer is calibrated with, and its conformal sets.
        pooled: whether the members' log-odds are averaged before they are calibrated, as for a development patient,
            or their probabilities after it, as for everybody else.
    """
    every = np.concatenate([one.radiomics, rows])
    log_odds = np.stack([attributor.log_odds_of(one, every) for attributor in attributors])
    probabilities = _calibrated(log_odds, point, pooled=pooled)
    sets = point.sets.predict(probabilities.tolist())
    changed = [ChangedAnswer(*entry) for entry in zip(changes, probabilities[1:].tolist(), sets[1:], strict=True)]
    return Robustness(float(probabilities[0]), sets[0], tuple(changed))


def _calibrated(log_odds: DoubleArray, point: OperatingPoint, *, pooled: bool) -> DoubleArray:
    """(rows,) from log-odds (members, rows)."""
    if pooled:
        return point.calibrator.apply(expit(log_odds.mean(axis=0)))
    members: DoubleArray = np.stack([point.calibrator.apply(row) for row in expit(log_odds)])
    return np.asarray(members.mean(axis=0))
