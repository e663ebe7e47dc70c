"""CLAM with a single attention branch: gated attention, and a loss on the tiles with the most and least attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, without_padding
from espark.models.aggregators.attention import GatedAttention

_SAMPLED = 8
_BAG_WEIGHT = 0.7


class ClamSBNet(Aggregator):
    """CLAM-SB (Lu et al., Data-efficient and weakly supervised computational pathology, Nat Biomed Eng 2021).

    In training, a classifier separates the 8 tiles with the most and the 8 tiles with the least attention in each bag
    (in a small bag, one half each). Each label has its own classifier. 0.7 of the loss is the cross-entropy of the bag,
    0.3 the cross-entropy of the tiles. A bag of one tile has no such pair and adds nothing to the loss of the tiles.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
        attention: width of the attention.
    """

    def __init__(self, features: int, *, hidden: int = 256, attention: int = 128):
        super().__init__(features, hidden=hidden)
        self.attention = GatedAttention(hidden, attention)
        self.instance_heads = nn.ModuleList(nn.Linear(hidden, 2) for _ in range(2))
        self.head = nn.Linear(hidden, 2)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The attention-weighted mean of the tiles, and the attention."""
        pooled: tuple[Tensor, Tensor] = self.attention(instances, mask)
        return pooled

    def loss(self, tiles: Tensor, mask: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Cross-entropy of the bags and of their tiles with most and least attention; arguments as in the contract."""
        instances = self.project(tiles)  # (bags, tiles, hidden)
        slide, attention = self.pool(instances, mask)
        of_bags = nn.functional.cross_entropy(self.head(slide), labels, label_smoothing=label_smoothing)
        return _BAG_WEIGHT * of_bags + (1 - _BAG_WEIGHT) * self.instance_loss(instances, attention, mask, labels)

    def instance_loss(self, instances: Tensor, attention: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        """Mean over the bags of the cross-entropy of their tiles with most (1) and least (0) attention.

        Args:
            instances: (bags, tiles, hidden).
            attention: (bags, tiles).
            mask: (bags, tiles), False on padding.
            labels: (bags,) 0 or 1.
        """
        losses = [instances.new_zeros(())]
        for bag, weights, real, label in zip(instances, attention.detach(), mask, labels.tolist(), strict=True):
            count = min(_SAMPLED, int(real.sum()) // 2)
            if count == 0:
                continue
            most = without_padding(weights, real).topk(count).indices
            least = without_padding(-weights, real).topk(count).indices
            targets = torch.tensor([1] * count + [0] * count, device=bag.device)
            logits = self.instance_heads[label](bag[torch.cat([most, least])])
            losses.append(nn.functional.cross_entropy(logits, targets))
        return torch.stack(losses).sum() / len(labels)
