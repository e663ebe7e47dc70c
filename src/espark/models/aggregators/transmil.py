"""TransMIL: tiles on a square grid, Nyström attention between them, and a class token for the answer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from espark.models.aggregators.aggregator import Aggregator
from espark.models.aggregators.nystrom import NystromAttention

_KERNELS = (7, 5, 3)  # sizes of the convolutions that encode the position
_SMALL_BAG = 4096


class TransMilNet(Aggregator):
    """TransMIL (Shao et al., TransMIL: transformer based correlated multiple instance learning, NeurIPS 2021, alg. 2).

    The tiles are placed row by row on a square. The first tiles are repeated to fill its empty places. Convolutions
    over the square encode the position. **So the order of the tiles matters**: give them in the order in which they are
    stored, row by row over the slide. Each bag is computed separately, because the square and the landmarks depend on
    the number of tiles. Padding is removed first.

    The attention is the row of the class token in the last layer, as mean over the heads. The weight of a repeated tile
    is added to the tile. Negative weights, which the Nyström approximation may give, are set to 0, and the sum is
    scaled to 1.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer and of a token, a multiple of ``heads``; also length of the slide vector.
        heads: number of heads of the attention.
        landmarks: number of landmarks of the attention; half of ``hidden`` when None.
        exact: longest sequence of tokens with exact attention instead of landmarks. The published network always
            approximates. For a small bag, this costs ten times as much and is less exact.
    """

    def __init__(
        self, features: int, *, hidden: int = 256, heads: int = 8, landmarks: int | None = None, exact: int = 1024
    ):
        super().__init__(features, hidden=hidden)
        self.token = nn.Parameter(torch.randn(1, 1, hidden))
        few = landmarks or max(1, hidden // 2)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.layers = nn.ModuleList(NystromAttention(hidden, heads=heads, landmarks=few, exact=exact) for _ in range(2))
        self.position = nn.ModuleList(
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden) for kernel in _KERNELS
        )
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 2)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The final class token of each bag, and its attention."""
        vectors, attention = [], torch.zeros_like(mask, dtype=instances.dtype)
        for index, (bag, real) in enumerate(zip(instances, mask, strict=True)):
            if not real.any():
                vectors.append(torch.zeros_like(bag[0]))
                continue
            vector, weights = self._one(bag[real])
            vectors.append(vector)
            attention[index, real] = weights
        return torch.stack(vectors), attention

    def _one(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """Slide vector (hidden,) and attention (tiles,) of one bag (tiles, hidden)."""
        count = len(tiles)
        places = (math.isqrt(count - 1) + 1) ** 2
        tokens = torch.cat([self.token, tiles[None], tiles[None, : places - count]], dim=1)
        for part in (self._first_layer, self._place):
            # Each part is computed again in the backward pass. This halves the memory for a large bag.
            again = self.training and tokens.shape[1] > _SMALL_BAG
            tokens = checkpoint(part, tokens, use_reentrant=False) if again else part(tokens)
        last: NystromAttention = self.layers[1]  # type: ignore[assignment]
        attended, weights = last.of_first(self.norms[1](tokens))
        vector = self.norm(tokens[:, :1] + attended)[0, 0]
        return vector, _attention(weights[1:], count)

    def _first_layer(self, tokens: Tensor) -> Tensor:
        """(1, 1 + places, hidden) from (1, 1 + places, hidden)."""
        return tokens + self.layers[0](self.norms[0](tokens))  # type: ignore[no-any-return]

    def _place(self, tokens: Tensor) -> Tensor:
        """Add the position: three convolutions over the square, computed as one with the sum of their kernels."""
        side = math.isqrt(tokens.shape[1] - 1)
        square = tokens[:, 1:].mT.unflatten(2, (side, side))  # (1, hidden, side, side)
        reach = max(_KERNELS) // 2
        convolutions = [one for one in self.position if isinstance(one, nn.Conv2d)]
        kernels = [nn.functional.pad(one.weight, [reach - one.kernel_size[0] // 2] * 4) for one in convolutions]
        kernel = torch.stack(kernels).sum(dim=0)
        bias = torch.stack([one.bias for one in convolutions if one.bias is not None]).sum(dim=0)
        moved = nn.functional.conv2d(square, kernel, bias, padding=reach, groups=self.hidden)
        return torch.cat([tokens[:, :1], (square + moved).flatten(2).mT], dim=1)


def _attention(weights: Tensor, count: int) -> Tensor:
    """(count,) from the weights of ``count`` tiles, followed by the weights of the repeated first tiles."""
    repeated = len(weights) - count
    own = weights[:count].clone()
    own[:repeated] += weights[count:]
    own = own.clamp(min=0)
    total = own.sum()
    return own / total if total > 0 else torch.full_like(own, 1 / count)
