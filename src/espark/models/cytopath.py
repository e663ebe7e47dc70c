"""CytoPath: tile vectors, pooled by gated attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.attention import GatedAttention


class CytoPathNet(nn.Module):
    """A layer over each tile vector, gated attention, two classes.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
        attention: width of the attention.
    """

    def __init__(self, features: int, *, hidden: int = 256, attention: int = 128):
        super().__init__()
        self.project = nn.Sequential(nn.Linear(features, hidden), nn.ReLU())
        self.attention = GatedAttention(hidden, attention)
        self.head = nn.Linear(hidden, 2)

    def embed(self, tiles: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The slide vector of each patient and the attention of each tile.

        Args:
            tiles: (patients, tiles, features).
            mask: (patients, tiles), False on padding.

        Returns:
            (patients, hidden) and (patients, tiles).
        """
        pooled: tuple[Tensor, Tensor] = self.attention(self.project(tiles), mask)
        return pooled

    def forward(self, tiles: Tensor, mask: Tensor) -> Tensor:
        """Logits (patients, 2) of no response and response; arguments as in :meth:`embed`."""
        slide, _ = self.embed(tiles, mask)
        logits: Tensor = self.head(slide)
        return logits


def pad_bags(bags: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Pad bags of different size to one batch.

    Args:
        bags: each (tiles, features); a bag may be empty.

    Returns:
        Tiles (bags, most tiles, features), zero on padding, and the mask (bags, most tiles), False on padding.
    """
    sizes = torch.tensor([len(bag) for bag in bags])
    tiles = nn.utils.rnn.pad_sequence(bags, batch_first=True)
    if tiles.shape[1] == 0:  # softmax needs a tile, even if it is padding
        tiles = bags[0].new_zeros(len(bags), 1, bags[0].shape[1])
    mask = torch.arange(tiles.shape[1])[None, :] < sizes[:, None]
    return tiles, mask
