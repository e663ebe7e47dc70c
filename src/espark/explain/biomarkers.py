"""The cut-off of a biomarker: fitted on development patients alone, then used for all other patients.

The side on which the outcome is expected was fixed in advance (`espark.cells.BIOMARKERS`), so that a cut-off can never
reverse a biomarker. This side is called favorable: it favors the outcome.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from espark.cells import Side
from espark.statistics.classification import (
    confusion,
    odds_ratio,
    proportion,
    sensitivity,
    specificity,
    youden_threshold,
)
from espark.statistics.estimate import Estimate
from espark.types import BoolArray, DoubleArray, IntArray


def fit_cutoff(values: DoubleArray, labels: IntArray, favorable: Side) -> float:
    """The cut-off with the highest Youden index, halfway between neighboring values.

    Args:
        values: (n,) the biomarker of development patients.
        labels: (n,) 0 or 1.
        favorable: the side on which the outcome is expected; a patient exactly at the cut-off belongs to this side.

    Returns:
        The cut-off; NaN when one class is missing.
    """
    if len(set(labels.tolist())) < 2:
        return math.nan
    sign = 1.0 if favorable == "high" else -1.0
    return sign * youden_threshold(labels, sign * values)


def on_favorable_side(values: DoubleArray, cutoff: float, favorable: Side) -> BoolArray:
    """(n,) whether each value is on the side where the outcome is expected; the cut-off itself is."""
    return np.asarray(values >= cutoff if favorable == "high" else values <= cutoff)


def cross_fitted_sides(values: DoubleArray, labels: IntArray, folds: IntArray, favorable: Side) -> BoolArray:
    """(n,) the side of each development patient, by the cut-off from the other folds.

    When the other folds have only one class, there is no cut-off, and no patient of the fold is on the favorable side.
    """
    sides = np.zeros(len(values), dtype=bool)
    for fold in np.unique(folds):
        inside = folds == fold
        cutoff = fit_cutoff(values[~inside], labels[~inside], favorable)
        sides[inside] = on_favorable_side(values[inside], cutoff, favorable)
    return sides


def cutoff_metrics(labels: IntArray, sides: BoolArray) -> Mapping[str, Estimate]:
    """How the sides of a cut-off relate to the outcome.

    ``positive_favorable`` and ``positive_unfavorable`` are the shares of patients with the outcome on each side.

    Args:
        labels: (n,) 0 or 1.
        sides: (n,) whether each patient is on the favorable side.
    """
    counts = confusion(labels, sides)
    reason = "not available: no patient on this side of the cut-off"
    return {
        "sensitivity": sensitivity(counts),
        "specificity": specificity(counts),
        "positive_favorable": proportion(counts.tp, counts.tp + counts.fp, when_empty=reason),
        "positive_unfavorable": proportion(counts.fn, counts.fn + counts.tn, when_empty=reason),
        "odds_ratio": odds_ratio(counts),
    }
