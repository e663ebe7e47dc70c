"""Integrated gradients from the answer back to every tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espark.explain.tile_answer import TileAnswer
from espark.models.aggregators.aggregator import Aggregator
from espark.training.fitting import seeded
from espark.types import DoubleArray

_POINTS = (32, 128, 512, 2048, 8192)
_ENOUGH = 0.005
_AT_ONCE = 20_000
_SMALLEST = 1e-3
"""Smaller differences in log-odds are replaced by this value when the error of completeness is divided by them."""


@dataclass(frozen=True)
class SlideAttribution:
    """What each tile adds to the log-odds of the outcome.

    Attributes:
        values: (tiles,) in log-odds; zero for a tile that was not chosen.
        explained: difference in log-odds between the patient's bag and a bag of mean tiles.
        completeness: the sum of the values minus that difference, relative to the latter.
    """

    values: DoubleArray
    explained: float
    completeness: float


def slide_attribution(answer: TileAnswer) -> SlideAttribution:
    """Attribute one answer to the tiles of the bag, compared with a bag of the same number of mean tiles.

    Integrated gradients (Sundararajan, Taly and Yan, ICML 2017) along the straight line from the mean tile of the
    patients that the model was trained on to each tile, all tiles at once, summed over the features of a tile. The
    first layer is linear up to its activation, so the line is followed after this layer, which gives the same sums. The
    integral is taken by Gauss and Legendre's rule, with more points when the values are not complete. When a network
    picks one tile out of the bag, this choice is fixed along the line (`Aggregator.holding`), but not at its two ends.

    Raises:
        ValueError: when the model was stored without its mean tile.
    """
    if answer.baseline is None:
        raise ValueError("the model was stored without the mean tile of its training patients; train it again")
    with seeded(0):
        with torch.no_grad():
            layer, activation = answer.net.project[0], answer.net.project[1:]
            start, end = layer(answer.baseline), layer(answer.tiles)  # (hidden,), (tiles, hidden)
            instances = activation(end)[None]
            ones = torch.ones(instances.shape[:2], dtype=torch.bool)
            net = answer.net.holding(instances, ones)
            mean = activation(start.expand_as(end))[None]
            explained = float(answer.log_odds(answer.net, instances) - answer.log_odds(answer.net, mean))
        for points in _POINTS:
            values = _integral(answer, net, start, end, points)
            error = (float(values.sum()) - explained) / max(abs(explained), _SMALLEST)
            if abs(error) <= _ENOUGH:
                break
    by_tile = np.zeros(len(answer.chosen))
    by_tile[answer.chosen] = values
    return SlideAttribution(by_tile, explained, error)


def _integral(answer: TileAnswer, net: Aggregator, start: Tensor, end: Tensor, points: int) -> DoubleArray:
    """(tiles,) the path integral by Gauss and Legendre's rule with ``points`` points."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    places = torch.from_numpy((nodes + 1) / 2).to(end.dtype)
    shares = torch.from_numpy(weights / 2).to(end.dtype)
    step = max(1, _AT_ONCE // max(1, len(end)))
    line = end - start
    total = torch.zeros_like(end)
    for place, share in zip(places.split(step), shares.split(step), strict=True):
        between = (start + place[:, None, None] * line).requires_grad_()  # (points, tiles, hidden)
        odds = answer.log_odds(net, answer.net.project[1:](between))
        (slope,) = torch.autograd.grad((odds * share).sum(), between)
        total += slope.sum(dim=0)
    return (line.double() * total.double()).sum(dim=1).numpy()


def mean_attribution(parts: Sequence[SlideAttribution]) -> SlideAttribution:
    """The mean over fold models. The completeness is that of the worst model."""
    return SlideAttribution(
        np.mean([part.values for part in parts], axis=0),
        float(np.mean([part.explained for part in parts])),
        max((part.completeness for part in parts), key=abs),
    )
