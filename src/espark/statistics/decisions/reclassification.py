"""What a new model changes for single patients, against a reference model on the same patients."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from espark.statistics.estimate import ONE_CLASS, Z_95, Estimate, as_labels, as_probabilities
from espark.types import DoubleArray


@dataclass(frozen=True)
class Reclassification:
    """Patients whose decision the new model changes.

    Attributes:
        events_up: with label 1, called 0 before and 1 now: corrected.
        events_down: with label 1, called 1 before and 0 now: worsened.
        nonevents_up: with label 0, called 0 before and 1 now: worsened.
        nonevents_down: with label 0, called 1 before and 0 now: corrected.
        n_events: patients with label 1.
        n_nonevents: patients with label 0.
        nri_events: net share of patients with label 1 that moved up.
        nri_nonevents: net share of patients with label 0 that moved down.
        nri: their sum, the categorical net reclassification improvement.
        p_value: McNemar's exact test of corrected against worsened.
    """

    events_up: int
    events_down: int
    nonevents_up: int
    nonevents_down: int
    n_events: int
    n_nonevents: int
    nri_events: Estimate
    nri_nonevents: Estimate
    nri: Estimate
    p_value: float

    @property
    def corrected(self) -> int:
        """Patients called wrongly before and rightly now."""
        return self.events_up + self.nonevents_down

    @property
    def worsened(self) -> int:
        """Patients called rightly before and wrongly now."""
        return self.events_down + self.nonevents_up


def reclassification(y: npt.ArrayLike, reference: npt.ArrayLike, new: npt.ArrayLike) -> Reclassification:
    """Count how decisions move from a reference model to a new one.

    Intervals are Wald's for a net share of paired moves.

    Args:
        y: (n,) labels, 0 or 1.
        reference: (n,) decisions of the reference model, 0 or 1.
        new: (n,) decisions of the new model, 0 or 1.

    Raises:
        ValueError: when the lengths differ.

    Source: Pencina et al., Stat. Med. 27:157 (2008); Leening et al., Ann. Intern. Med. 160:122 (2014).
    """
    labels, before, after = as_labels(y), as_labels(reference), as_labels(new)
    if not labels.shape == before.shape == after.shape:
        raise ValueError(f"labels and decisions differ in number: {labels.size}, {before.size}, {after.size}")
    up, down = after & ~before, before & ~after
    events_up, events_down = int((labels & up).sum()), int((labels & down).sum())
    nonevents_up, nonevents_down = int((~labels & up).sum()), int((~labels & down).sum())
    n_events, n_nonevents = int(labels.sum()), int((~labels).sum())
    of_events = _net_share(events_up, events_down, n_events)
    of_nonevents = _net_share(nonevents_down, nonevents_up, n_nonevents)
    corrected, moved = events_up + nonevents_down, int((up | down).sum())
    return Reclassification(
        events_up=events_up,
        events_down=events_down,
        nonevents_up=nonevents_up,
        nonevents_down=nonevents_down,
        n_events=n_events,
        n_nonevents=n_nonevents,
        nri_events=of_events,
        nri_nonevents=of_nonevents,
        nri=_sum_of(of_events, of_nonevents, labels.size),
        p_value=float(binomtest(corrected, moved).pvalue) if moved else 1.0,
    )


def _net_share(better: int, worse: int, n: int) -> Estimate:
    if n == 0:
        return Estimate.missing(ONE_CLASS, 0)
    value = (better - worse) / n
    error = math.sqrt(((better + worse) / n - value**2) / n)
    return Estimate(value, max(-1.0, value - Z_95 * error), min(1.0, value + Z_95 * error), "Wald, paired", n)


def _sum_of(first: Estimate, second: Estimate, n: int) -> Estimate:
    """Sum of two independent estimates; the distances to their ends add up in squares."""
    if not (first.available and second.available):
        return Estimate.missing(ONE_CLASS, n)
    value = first.value + second.value
    below = math.hypot(first.value - first.ci_low, second.value - second.ci_low)
    above = math.hypot(first.ci_high - first.value, second.ci_high - second.value)
    return Estimate(value, value - below, value + above, "Wald, paired", n)


@dataclass(frozen=True)
class DiscriminationImprovement:
    """Integrated discrimination improvement.

    Attributes:
        idi: gain in mean probability with label 1, minus gain with label 0.
        p_value: two-sided, of no improvement.
    """

    idi: Estimate
    p_value: float


def integrated_discrimination(
    y: npt.ArrayLike, p_reference: npt.ArrayLike, p_new: npt.ArrayLike
) -> DiscriminationImprovement:
    """How much further apart the new model sets the classes' mean probabilities.

    Args:
        y: (n,) labels, 0 or 1.
        p_reference: (n,) probabilities of the reference model.
        p_new: (n,) probabilities of the new model.

    Source: Pencina et al., Stat. Med. 27:157 (2008).
    """
    labels = as_labels(y)
    gain = as_probabilities(p_new, labels.size) - as_probabilities(p_reference, labels.size)
    if labels.sum() < 2 or (~labels).sum() < 2:
        reason = "not available: fewer than two patients in a class"
        return DiscriminationImprovement(Estimate.missing(reason, labels.size), math.nan)
    value = float(gain[labels].mean() - gain[~labels].mean())
    error = math.hypot(_error_of_mean(gain[labels]), _error_of_mean(gain[~labels]))
    estimate = Estimate(value, value - Z_95 * error, value + Z_95 * error, "Wald, paired", labels.size)
    if error == 0:
        return DiscriminationImprovement(estimate, 1.0 if value == 0 else math.nan)
    return DiscriminationImprovement(estimate, float(2 * norm.sf(abs(value) / error)))


def _error_of_mean(values: DoubleArray) -> float:
    return float(values.std(ddof=1) / np.sqrt(values.size))
