"""Slides as a few numbers over all tiles: means, means of the highest tiles, and ratios of the amounts of cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, without_padding

SummaryKind = Literal["mean", "highest", "ratios"]

_HIGHEST = 0.1
"""Share of the tiles whose mean is the summary ``highest``."""

_FLOOR = 0.02
"""Cells in a tile that are added to every mean amount, so that an absent cell type has a ratio too."""


@dataclass(frozen=True)
class Reading:
    """One summary of some numbers of the tiles.

    Attributes:
        kind: ``mean`` and ``highest``: one number for each of them; ``ratios``: the logarithm of the ratio of two mean
            amounts, for each pair.
        start: place of the first number in a tile vector.
        stop: place after the last one.
        pairs: of ``ratios``, the places of the amounts that are compared, from 0 at ``start``; every two of them when
            empty.
    """

    kind: SummaryKind
    start: int
    stop: int
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def width(self) -> int:
        """How many numbers the summary has."""
        count = self.stop - self.start
        return len(self.compared) if self.kind == "ratios" else count

    @property
    def compared(self) -> tuple[tuple[int, int], ...]:
        """The pairs of amounts whose ratio is taken."""
        return self.pairs or tuple(itertools.combinations(range(self.stop - self.start), 2))

    def of(self, tiles: Tensor, mask: Tensor) -> Tensor:
        """(bags, width) from tiles (bags, tiles, features) and the mask of real tiles."""
        own = tiles[:, :, self.start : self.stop]
        if self.kind == "highest":
            return _mean_of_highest(own, mask)
        mean = (own * mask[:, :, None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        if self.kind == "mean":
            return mean
        amounts = (mean.clamp(min=0) + _FLOOR).log()
        first, second = torch.tensor(self.compared, device=tiles.device).reshape(-1, 2).unbind(dim=1)
        return amounts[:, first] - amounts[:, second]


def _mean_of_highest(values: Tensor, mask: Tensor) -> Tensor:
    """(bags, features): mean of the highest tenth of the tiles, feature by feature; of one tile at least."""
    count = (mask.sum(dim=1) * _HIGHEST).ceil().clamp(min=1)[:, None]  # (bags, 1)
    ranked = without_padding(values, mask[:, :, None].expand_as(values)).sort(dim=1, descending=True)[0]
    place = torch.arange(values.shape[1], device=values.device)[None, :, None]
    enters = (place < count[:, :, None]) & mask.any(dim=1)[:, None, None]
    return (ranked.masked_fill(~enters, 0.0) / count[:, :, None]).sum(dim=1).to(values.dtype)


class SummaryNet(Aggregator):
    """A linear answer from summaries of the bag. No tile counts more than another before it is looked at.

    The weights come from outside (`espark.training.members.slide_voices`); nothing here is trained by gradients. The
    slide vector holds the standardized summaries.

    Args:
        features: length of a tile vector.
        readings: the summaries, in their order.
    """

    def __init__(self, features: int, readings: Sequence[Reading]):
        width = sum(reading.width for reading in readings)
        super().__init__(features, hidden=width)
        self.readings = tuple(readings)
        self.project = nn.Sequential(nn.Identity())
        self.head = nn.Linear(width, 2)
        self.center: Tensor
        self.scale: Tensor
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def summaries(self, tiles: Tensor, mask: Tensor) -> Tensor:
        """(bags, summaries) before they are standardized."""
        return torch.cat([reading.of(tiles, mask) for reading in self.readings], dim=1)

    def standardize(self, summaries: Tensor) -> None:
        """Take mean and SD of summaries (patients, summaries); one that is constant carries nothing from then on."""
        spread = summaries.double().std(dim=0, correction=0)
        self.center = summaries.double().mean(dim=0).float()
        self.scale = torch.where(spread > 1e-6, spread, torch.inf).float()

    def answering(self, weights: Tensor, intercept: float) -> Self:
        """This network, with the log-odds ``intercept + weights · standardized summaries`` as its answer."""
        with torch.no_grad():
            self.head.weight.copy_(torch.stack([torch.zeros_like(weights), weights]))
            self.head.bias.copy_(torch.tensor([0.0, intercept]))
        return self.eval().requires_grad_(False)

    def pool(self, instances: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The standardized summaries, and 1/n for each of n tiles. A bag without tiles is the average patient's."""
        vectors = (self.summaries(instances, mask) - self.center) / self.scale
        there = mask.any(dim=1, keepdim=True)
        return vectors.masked_fill(~there, 0.0), mask / mask.sum(dim=1, keepdim=True).clamp(min=1)
