"""CytoPath as published: tile vectors, pooled by gated attention."""

from __future__ import annotations

from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator
from espark.models.aggregators.attention import GatedAttention


class CytoPathNet(Aggregator):
    """A layer over each tile vector, gated attention, two classes.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
        attention: width of the attention.
    """

    def __init__(self, features: int, *, hidden: int = 256, attention: int = 128):
        super().__init__(features, hidden=hidden)
        self.attention = GatedAttention(hidden, attention)
        self.head = nn.Linear(hidden, 2)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The attention-weighted mean of the tiles, and the attention."""
        pooled: tuple[Tensor, Tensor] = self.attention(instances, mask)
        return pooled
