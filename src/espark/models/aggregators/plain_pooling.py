"""The two baselines without attention: the mean of all tiles, and the tile with the highest log-odds of the outcome."""

from __future__ import annotations

import copy
from typing import Self

from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, weighted_sum, without_padding


class MeanNet(Aggregator):
    """The slide vector is the mean of the tiles; the attention is uniform.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
    """

    def __init__(self, features: int, *, hidden: int = 256):
        super().__init__(features, hidden=hidden)
        self.head = nn.Linear(hidden, 2)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of the tiles, and 1/n for each of n tiles."""
        attention = mask / mask.sum(dim=1, keepdim=True).clamp(min=1)  # (bags, tiles)
        return weighted_sum(attention, instances), attention


class MaxNet(Aggregator):
    """The slide vector is the vector of the tile with the highest log-odds of the outcome. It has all the attention.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
    """

    def __init__(self, features: int, *, hidden: int = 256):
        super().__init__(features, hidden=hidden)
        self.head = nn.Linear(hidden, 2)
        self.held: Tensor | None = None

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The tile with the highest log-odds of the outcome, and a one-hot attention."""
        attention = best_or_held(self.held, self.head(instances), mask)
        return weighted_sum(attention, instances), attention

    def holding(self, instances: Tensor, mask: Tensor) -> Self:
        """The same network with its chosen tile fixed."""
        twin = copy.copy(self)
        twin.held = one_hot_of_best(self.head(instances), mask)
        return twin


def best_or_held(held: Tensor | None, logits: Tensor, mask: Tensor) -> Tensor:
    """The choice ``held`` (1, tiles) for every bag; without one, the choice of :func:`one_hot_of_best`."""
    return one_hot_of_best(logits, mask) if held is None else held.expand(len(logits), -1)


def one_hot_of_best(logits: Tensor, mask: Tensor) -> Tensor:
    """(bags, tiles): 1 for the tile with the highest log-odds, from logits (bags, tiles, 2); zero in an empty bag."""
    odds = without_padding(logits[..., 1] - logits[..., 0], mask)
    best = nn.functional.one_hot(odds.argmax(dim=1), odds.shape[1])
    return (best * mask).to(logits.dtype)
