"""Gated attention pooling over a padded batch of bags."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import masked_softmax, weighted_sum


class GatedAttention(nn.Module):
    """Gated attention (Ilse, Tomczak and Welling, Attention-based deep multiple instance learning, ICML 2018, eq. 9).

    Args:
        features: length of an instance vector.
        width: width of the attention.
    """

    def __init__(self, features: int, width: int):
        super().__init__()
        self.signal = nn.Linear(features, width)
        self.gate = nn.Linear(features, width)
        self.score = nn.Linear(width, 1)

    def forward(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool each bag into one vector.

        Args:
            instances: (bags, tiles, features).
            mask: (bags, tiles), True where a tile is real and False where it is padding.

        Returns:
            The pooled vectors (bags, features), zero for an empty bag, and the attention (bags, tiles), which is zero
            on padding and sums to 1 over the tiles of a bag that is not empty.
        """
        scores = self.score(torch.tanh(self.signal(instances)) * torch.sigmoid(self.gate(instances))).squeeze(-1)
        attention = masked_softmax(scores, mask)  # (bags, tiles)
        return weighted_sum(attention, instances), attention
