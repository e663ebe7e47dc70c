"""The contract of all aggregators: a padded batch of bags in, logits and attention out."""

from __future__ import annotations

import abc
from typing import Self

import torch
from torch import Tensor, nn


class Aggregator(nn.Module, abc.ABC):
    """A layer over each tile vector, a pooling of the bag into one slide vector, a head with two classes.

    Padding never changes an answer. A bag without tiles has a slide vector of zeros.

    Args:
        features: length of a tile vector.
        hidden: length after the first layer; also the length of the slide vector.
    """

    head: nn.Linear

    def __init__(self, features: int, *, hidden: int):
        super().__init__()
        self.features = features
        self.hidden = hidden
        self.project = nn.Sequential(nn.Linear(features, hidden), nn.ReLU())

    @abc.abstractmethod
    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool each bag into one vector.

        Args:
            instances: (bags, tiles, hidden), tile vectors after the first layer.
            mask: (bags, tiles), True where a tile is real and False where it is padding.

        Returns:
            The slide vectors (bags, hidden), zero for an empty bag, and the attention (bags, tiles): not negative, zero
            on padding, with the sum 1 over the tiles of a bag that is not empty.
        """

    def embed(self, tiles: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The slide vector of each patient and the attention of each tile.

        Args:
            tiles: (patients, tiles, features).
            mask: (patients, tiles), False on padding.

        Returns:
            (patients, hidden) and (patients, tiles).
        """
        return self.pool(self.project(tiles), mask)

    def answer(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (bags, 2) of labels 0 and 1, and the attention; arguments as in :meth:`pool`."""
        slide, attention = self.pool(instances, mask)
        return self.head(slide), attention

    def forward(self, tiles: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (patients, 2) of labels 0 and 1, and the attention; arguments as in :meth:`embed`."""
        return self.answer(self.project(tiles), mask)

    def holding(self, instances: Tensor, mask: Tensor) -> Self:
        """The same network, with its choice of one best tile fixed for this bag, if it makes such a choice.

        The fixed network gives the same answer as the free one for this bag and for a bag with identical tiles. Between
        these two bags its answer has no jumps. Integrated gradients need this.

        Args:
            instances: (1, tiles, hidden).
            mask: (1, tiles).

        Returns:
            A network that shares its weights with this one; this network itself, when it makes no choice.
        """
        del instances, mask
        return self

    def loss(self, tiles: Tensor, mask: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
        """Mean loss of the patients in training: the cross-entropy, and any loss that the architecture adds.

        Args:
            tiles: (patients, tiles, features).
            mask: (patients, tiles), False on padding.
            labels: (patients,) 0 or 1.
            label_smoothing: label smoothing of the cross-entropy.
        """
        logits, _ = self(tiles, mask)
        return nn.functional.cross_entropy(logits, labels, label_smoothing=label_smoothing)


def pad_bags(bags: list[Tensor], *, multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Pad bags of different sizes to one batch.

    Args:
        bags: each (tiles, features); a bag may be empty.
        multiple: the number of tiles is increased to a multiple of it.

    Returns:
        Tiles (bags, most tiles, features), zero on padding, and the mask (bags, most tiles), False on padding.
    """
    sizes = torch.tensor([len(bag) for bag in bags])
    # A single bag needs no padding, and a large one should not be copied.
    tiles = bags[0][None] if len(bags) == 1 else nn.utils.rnn.pad_sequence(bags, batch_first=True)
    if missing := -tiles.shape[1] % multiple:
        tiles = nn.functional.pad(tiles, (0, 0, 0, missing))
    if tiles.shape[1] == 0:  # softmax needs a tile, even if it is padding
        tiles = bags[0].new_zeros(len(bags), 1, bags[0].shape[1])
    mask = torch.arange(tiles.shape[1])[None, :] < sizes[:, None]
    return tiles, mask


def without_padding(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores in at least float32, with the smallest possible number where the mask is False.

    This number is finite, so a softmax over a bag without tiles does not give NaN. The scores leave bfloat16 here,
    because the weights of many tiles sum to 1 and its eight bits are not precise enough for this.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the tiles, zero on padding and in a bag without tiles.

    Args:
        scores: (bags, tiles), one score for each tile.
        mask: (bags, tiles), 1 for a tile and 0 for padding.

    Returns:
        (bags, tiles), each bag with tiles sums to 1.
    """
    return torch.softmax(without_padding(scores, mask), dim=1) * mask


def weighted_sum(attention: Tensor, instances: Tensor) -> Tensor:
    """The tile vectors of each bag, weighted by attention and summed.

    Args:
        attention: (bags, tiles).
        instances: (bags, tiles, hidden), the tile vectors.

    Returns:
        (bags, hidden), the slide vectors.
    """
    return torch.einsum("bt,btf->bf", attention, instances)
