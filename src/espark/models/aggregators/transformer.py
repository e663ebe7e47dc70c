"""A small transformer over sets: tiles attend to each other through a few learned points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, masked_softmax, weighted_sum


class TransformerNet(Aggregator):
    """A block of induced self-attention and a class token (Lee et al., Set transformer, ICML 2019, eq. 6 to 11).

    It uses no positions, so the order of the tiles does not matter. It uses induced points, so time and memory grow
    with the number of tiles and not with its square. The attention is that of the class token, as mean over the heads.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer and of a token, a multiple of ``heads``; also length of the slide vector.
        heads: number of heads of the attention.
        points: number of induced points.
    """

    def __init__(self, features: int, *, hidden: int = 256, heads: int = 4, points: int = 32):
        super().__init__(features, hidden=hidden)
        self.heads = heads
        self.points = nn.Parameter(nn.init.xavier_uniform_(torch.empty(points, hidden)))
        self.token = nn.Parameter(torch.randn(hidden) / hidden**0.5)
        self.gather = AttentionBlock(hidden, heads)
        self.spread = AttentionBlock(hidden, heads)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 2)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The final class token of each bag, and its attention."""
        points = self.points.expand(len(instances), -1, -1)
        seen = self.spread(instances, self.gather(points, instances, mask))  # (bags, tiles, hidden)
        keys = self.key(seen).unflatten(-1, (self.heads, -1))  # (bags, tiles, heads, hidden / heads)
        scores = torch.einsum("bthd,hd->bht", keys, self.token.unflatten(0, (self.heads, -1))) / keys.shape[-1] ** 0.5
        weights = [masked_softmax(of_head, mask) for of_head in scores.unbind(1)]  # each (bags, tiles)
        values = self.value(seen).chunk(self.heads, dim=-1)
        gathered = torch.cat([weighted_sum(w, v) for w, v in zip(weights, values, strict=True)], dim=-1)
        slide = self.norm(self.token + gathered) * mask.any(dim=1, keepdim=True)
        return slide, torch.stack(weights).mean(dim=0)


class AttentionBlock(nn.Module):
    """Multi-head attention of one set to another, then a layer over each vector (MAB of the set transformer)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.norm_attention = nn.LayerNorm(width)
        self.layer = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.norm_layer = nn.LayerNorm(width)

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor | None = None) -> Tensor:
        """(bags, n, width) from ``asking`` (bags, n, width), ``asked`` (bags, m, width) and its mask (bags, m)."""
        query = self.query(asking).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        parts = self.key_value(asked).chunk(2, dim=-1)
        key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        # A bag without tiles attends to its padding, because attention to nothing would be NaN.
        seen = None if mask is None else (mask | ~mask.any(dim=1, keepdim=True))[:, None, None, :]
        attended = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        middle = self.norm_attention(asking + self.out(attended.transpose(1, 2).flatten(2)))
        answer: Tensor = self.norm_layer(middle + self.layer(middle))
        return answer
