"""An aggregator: from the tiles of a patient to one vector."""

from __future__ import annotations

from torch import Tensor, nn

from espark.plugins import Aggregator, masked_softmax, weighted_sum


class PlainAttention(Aggregator):
    """Attention without a gate (Ilse, Tomczak and Welling, Attention-based deep multiple instance learning, eq. 8).

    Args:
        features: length of a tile vector.
        hidden: length after the first layer, which the base class has; also the length of the slide vector.
        attention: width of the attention.
    """

    def __init__(self, features: int, *, hidden: int, attention: int):
        super().__init__(features, hidden=hidden)
        self.score = nn.Sequential(nn.Linear(hidden, attention), nn.Tanh(), nn.Linear(attention, 1))
        self.head = nn.Linear(hidden, 2)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The attention-weighted mean of the tiles, and that attention."""
        attention = masked_softmax(self.score(instances).squeeze(-1), mask)  # (bags, tiles)
        return weighted_sum(attention, instances), attention
