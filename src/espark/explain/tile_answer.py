"""One fold model's answer for one patient, as a function of only the tiles in the bag."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espark.models.aggregators.aggregator import Aggregator
from espark.training.fitting import seeded
from espark.training.inputs import Inputs
from espark.training.members.bags import chosen_tiles
from espark.training.members.member import LooksAtTiles, Member, TileHead
from espark.training.members.networks import log_odds
from espark.types import BoolArray, DoubleArray

_AT_ONCE = 50_000
"""Number of tile vectors that go through the network at once."""


@dataclass(frozen=True)
class TileAnswer:
    """The log-odds of the outcome as a function of the bag, with everything else about the patient held fixed.

    Attributes:
        chosen: (all tiles,) True for tiles that enter the bag of this model.
        tiles: (chosen tiles, dim).
        baseline: (dim,) the mean tile of the training patients; None for a model stored without it.
        net: the aggregator.
        head: the part after the first layer of the aggregator.
    """

    chosen: BoolArray
    tiles: Tensor
    baseline: Tensor | None
    net: Aggregator
    head: TileHead

    @torch.no_grad()
    def of_parts(self, kept: BoolArray) -> DoubleArray:
        """Log-odds with only some of the patient's tiles.

        Args:
            kept: (parts, all tiles) True for the tiles that stay; tiles that are not chosen have no effect.

        Returns:
            (parts,) log-odds. For a bag without a tile, the slide vector is zeros.
        """
        with seeded(0):
            instances = self.net.project(self.tiles)[None]
            masks = torch.from_numpy(np.ascontiguousarray(kept[:, self.chosen]))
            step = max(1, _AT_ONCE // max(1, len(self.tiles)))
            parts = [self._log_odds(self.net, instances, part) for part in masks.split(step)]
        return torch.cat(parts).double().numpy()

    def log_odds(self, net: Aggregator, instances: Tensor) -> Tensor:
        """(bags,) log-odds of instances (bags, chosen tiles, hidden), all of them real."""
        return self._log_odds(net, instances, torch.ones(instances.shape[:2], dtype=torch.bool))

    def _log_odds(self, net: Aggregator, instances: Tensor, masks: Tensor) -> Tensor:
        return log_odds(self.head(net, instances.expand(len(masks), -1, -1), masks))


def tile_answer(member: Member, inputs: Inputs) -> TileAnswer:
    """How one fold model's answer for one patient depends on the patient's tiles.

    Args:
        member: a fold of CytoPath or eSPARK.
        inputs: one patient, with at least one tile.

    Raises:
        ValueError: when the model does not look at slides, or there is no tile.
    """
    bag = inputs.bags[0]
    if bag is None or len(bag) == 0:
        raise ValueError(f"{inputs.patient_ids[0]} has no tile")
    if not isinstance(member, LooksAtTiles):
        raise ValueError(f"{type(member).__name__} does not look at slides")
    net, head = member.tile_head(inputs)
    selector = member.selector
    return TileAnswer(selector.select(bag), chosen_tiles(selector, bag), selector.mean, net, head)
