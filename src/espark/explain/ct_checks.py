"""Checks of CT attributions: do the fold models agree, and does the answer move without the features they name?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from espark.types import BoolArray, DoubleArray

FRACTIONS: tuple[float, ...] = (0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
"""Shares of the features that are removed or put back. For each share, 1 − share is in the list too: to remove a random
share is to put back a random rest, so that one set of random orders serves both curves."""

TOP_SHARE = 0.2
"""Share of the features at which deletion is summarized."""

Answer = Callable[[BoolArray], DoubleArray]
"""From (rows, features) of what is kept to the log-odds (rows,); all other features are set to the development mean."""


@dataclass(frozen=True)
class Agreement:
    """Similarity of the attributions of several models: means over all pairs of models; NaN without a pair.

    Attributes:
        cosine: cosine of the attributions, −1 to 1.
        rank: Spearman's correlation of the attributions, −1 to 1.
    """

    cosine: float
    rank: float


@dataclass(frozen=True)
class DeletionCurves:
    """How far one answer moves when features are removed, and when they are put back. All in log-odds.

    Movement is towards the answer for the mean development patient when features are removed, and towards the patient's
    own answer when they are put back. Each array is (fractions,), in the order of ``FRACTIONS``.

    Attributes:
        distance: distance of the patient's answer from the answer for the mean development patient.
        deleted: movement when the features with the most influence are removed first.
        deleted_random: movement when features are removed in random order, mean over the orders.
        inserted: movement when the features with the most influence are put back first.
        inserted_random: movement when features are put back in random order, mean over the orders.
    """

    distance: float
    deleted: DoubleArray
    deleted_random: DoubleArray
    inserted: DoubleArray
    inserted_random: DoubleArray

    def gain(self, *, inserted: bool = False, share: float = TOP_SHARE) -> float:
        """How much further the chosen order moves the answer than a random one, at a share of the features."""
        place = FRACTIONS.index(share)
        chosen, random = (self.inserted, self.inserted_random) if inserted else (self.deleted, self.deleted_random)
        return float(chosen[place] - random[place])


def agreement(values: DoubleArray) -> Agreement:
    """Similarity of the attributions of several models for one patient.

    Args:
        values: (models, features). Features without an attribution in any model are left out, because they would
            always agree.
    """
    used = values[:, (values != 0).any(axis=0)]
    if len(used) < 2 or used.shape[1] < 2:
        return Agreement(float("nan"), float("nan"))
    ranks = rankdata(used, axis=1)
    return Agreement(_mean_cosine(used), _mean_cosine(ranks - ranks.mean(axis=1, keepdims=True)))


def _mean_cosine(rows: DoubleArray) -> float:
    """Mean cosine over all pairs of rows; a row of zeros is at a right angle to every other."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(length > 0, length, 1.0)
    pairs = (unit @ unit.T)[np.triu_indices(len(rows), k=1)]
    return float(pairs.mean())


def deletion_curves(answer: Answer, values: DoubleArray, *, orders: int, seed: int) -> DeletionCurves:
    """Remove the features with the most influence on one answer, and put them back, compared with random orders.

    The features are ordered by how much they move the answer in its own direction, away from the answer for the mean
    patient: first the features that support the answer most, last the features against it.

    Args:
        answer: the model with everything else about the patient held fixed.
        values: (features,) attributions. Features with 0 are left out, because their removal changes nothing.
        orders: random orders, at least 1.
        seed: seed of the random orders; the same for every patient, so that no curve depends on other patients.
    """
    used = np.flatnonzero(values)
    own, mean = answer(np.stack([np.ones(len(values), bool), np.zeros(len(values), bool)]))
    direction = 1.0 if own >= mean else -1.0
    generator = np.random.default_rng(seed)
    chosen = used[np.argsort(-direction * values[used], kind="stable")]
    random = [generator.permutation(used) for _ in range(orders)]
    taken = [_first(order, len(values)) for order in (chosen, *random)]  # each (fractions, features)
    answers = answer(np.concatenate([*(~part for part in taken), taken[0]])).reshape(orders + 2, len(FRACTIONS))
    away = direction * (own - answers)  # of the patient's answer
    left_random = away[1:-1].mean(axis=0)
    distance = direction * float(own - mean)
    return DeletionCurves(
        distance=distance,
        deleted=away[0],
        deleted_random=left_random,
        inserted=distance - away[-1],
        inserted_random=distance - left_random[::-1],
    )


def _first(order: DoubleArray, features: int) -> BoolArray:
    """(fractions, features): the first of an order, up to each fraction."""
    marked = np.zeros((len(FRACTIONS), features), dtype=bool)
    for row, fraction in zip(marked, FRACTIONS, strict=True):
        row[order[: round(fraction * len(order))]] = True
    return marked
