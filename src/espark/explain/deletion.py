"""Deletion and insertion: does the answer depend on the tiles that an explanation names?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.stats import rankdata

from espark.explain.tile_answer import TileAnswer
from espark.types import AnyArray, BoolArray, DoubleArray, IntArray

SHARES: tuple[float, ...] = tuple(round(0.1 * tenth, 1) for tenth in range(10))
"""Shares of the tiles that are deleted, or not yet inserted: 0 to 0.9."""

CHECKED_SHARE = 0.2
RANDOM = "random"

_RANDOM_ORDERS = 20


@dataclass(frozen=True)
class TileCurves:
    """Log-odds of one patient while tiles are removed, mean over the fold models that answered.

    Attributes:
        n_tiles: tiles that enter the bag of any of the models.
        deletion: by order, (shares,): without the first share of the tiles.
        insertion: by order, (shares,): with only the first 1 − share of the tiles.
        moved_at_random: mean absolute change of the log-odds over random orders without a fifth of the tiles.
    """

    n_tiles: int
    deletion: dict[str, DoubleArray]
    insertion: dict[str, DoubleArray]
    moved_at_random: float

    @property
    def full(self) -> float:
        """Log-odds with every tile."""
        return float(self.deletion[RANDOM][0])


def tile_curves(answers: Sequence[TileAnswer], scores: Mapping[str, AnyArray]) -> TileCurves:
    """Delete and insert tiles by several orders, and at random.

    Args:
        answers: one per fold model, of the same patient.
        scores: by order, (all tiles,) the tile with the highest score comes first; tiles with equal scores stay in
            the order of the slide.
    """
    there = np.any([answer.chosen for answer in answers], axis=0)
    tiles = np.flatnonzero(there)
    generator = np.random.default_rng(0)
    orders = {name: np.argsort(-np.asarray(values)[tiles], kind="stable") for name, values in scores.items()}
    drawn = [generator.permutation(len(tiles)) for _ in range(_RANDOM_ORDERS)]
    every = [*orders.values(), *(order[::-1] for order in orders.values()), *drawn]
    kept = np.concatenate([_without(order, tiles, there.size) for order in every])
    odds = np.mean([answer.of_parts(kept) for answer in answers], axis=0).reshape(len(every), len(SHARES))
    named = len(orders)
    at_random = odds[2 * named :]
    deletion = dict(zip(orders, odds[:named], strict=True)) | {RANDOM: at_random.mean(axis=0)}
    insertion = dict(zip(orders, odds[named : 2 * named], strict=True)) | {RANDOM: at_random.mean(axis=0)}
    at = SHARES.index(CHECKED_SHARE)
    return TileCurves(len(tiles), deletion, insertion, float(np.abs(at_random[:, at] - at_random[:, 0]).mean()))


def _without(order: IntArray, tiles: IntArray, n: int) -> BoolArray:
    """(shares, n) True for the tiles that stay when the first share of an order of ``tiles`` is removed."""
    kept = np.zeros((len(SHARES), n), dtype=bool)
    for row, share in zip(kept, SHARES, strict=True):
        row[tiles[order[round(share * len(tiles)) :]]] = True
    return kept


def rank_agreement(members: Sequence[AnyArray]) -> float:
    """Mean rank correlation (Spearman) between every two of several models over the tiles that any of them uses.

    Args:
        members: (tiles,) of each model, zero for a tile that it does not use.

    Returns:
        The mean; NaN with fewer than two models, fewer than three tiles, or a model with equal values for all.
    """
    values = np.stack([np.asarray(part, dtype=np.float64) for part in members])
    values = values[:, (values != 0).any(axis=0)]
    if len(values) < 2 or values.shape[1] < 3 or (np.ptp(values, axis=1) == 0).any():
        return float("nan")
    ranks = np.stack([rankdata(row) for row in values])
    correlation = np.corrcoef(ranks)
    return float(np.mean([correlation[one, other] for one, other in combinations(range(len(values)), 2)]))
