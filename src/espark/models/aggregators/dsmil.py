"""DSMIL: the most important tile, and every tile weighted by its similarity to this tile."""

from __future__ import annotations

import copy
import math
from typing import Self

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, masked_softmax, weighted_sum
from espark.models.aggregators.plain_pooling import best_or_held, one_hot_of_best


class DsmilNet(Aggregator):
    """DSMIL (Li, Li and Eliceiri, Dual-stream multiple instance learning network, CVPR 2021, eq. 3 to 7).

    The first stream classifies every tile and finds the critical tile. The second stream weights every tile by the
    similarity of its query to the query of the critical tile. The logits are the mean of both streams, and so is the
    loss. The attention and the slide vector come from the second stream. The outcome is the only class of interest.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
        attention: length of a query.
    """

    def __init__(self, features: int, *, hidden: int = 256, attention: int = 128):
        super().__init__(features, hidden=hidden)
        self.query = nn.Sequential(
            nn.Linear(hidden, attention), nn.ReLU(), nn.Linear(attention, attention), nn.Tanh()
        )  # fmt: skip
        self.instance_head = nn.Linear(hidden, 2)
        self.head = nn.Linear(hidden, 2)
        self.held: Tensor | None = None

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The second stream: tiles weighted by their similarity to the critical tile."""
        slide, attention, _ = self._streams(instances, mask)
        return slide, attention

    def answer(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Mean logits (bags, 2) of both streams, and the attention."""
        slide, attention, critical = self._streams(instances, mask)
        return (self.head(slide) + critical) / 2, attention

    def holding(self, instances: Tensor, mask: Tensor) -> Self:
        """The same network with its critical tile fixed."""
        twin = copy.copy(self)
        twin.held = one_hot_of_best(self.instance_head(instances), mask)
        return twin

    def loss(self, tiles: Tensor, mask: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Mean of the cross-entropies of both streams; arguments as in the contract."""
        slide, _, critical = self._streams(self.project(tiles), mask)
        of_streams = [
            nn.functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)
            for logits in (self.head(slide), critical)
        ]
        return torch.stack(of_streams).mean()

    def _streams(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Slide vector (bags, hidden), attention (bags, tiles) and logits of the critical tile (bags, 2)."""
        logits = self.instance_head(instances)  # (bags, tiles, 2)
        best = best_or_held(self.held, logits, mask)  # (bags, tiles)
        queries = self.query(instances)  # (bags, tiles, attention)
        likeness = torch.einsum("btq,bq->bt", queries, weighted_sum(best, queries)) / math.sqrt(queries.shape[-1])
        attention = masked_softmax(likeness, mask)
        return weighted_sum(attention, instances), attention, weighted_sum(best, logits)
