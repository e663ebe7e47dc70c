"""One trained fold of CytoPath."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from espark.models.aggregators.aggregator import Aggregator, pad_bags
from espark.models.aggregators.build import build_aggregator
from espark.training.fitting import fit, seeded
from espark.training.inputs import Bag, Inputs
from espark.training.members.bags import (
    chosen_tiles,
    draw_tiles,
    fit_selector,
    restored_selector,
    selector_state,
    tile_attention,
)
from espark.training.members.member import TileHead
from espark.training.members.networks import usable_log_odds
from espark.training.members.state import MemberState
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray


class CytoPathMember:
    """A fold of CytoPath.

    Args:
        selector: cut-offs fitted on the training part of the fold.
        net: the network, in evaluation mode.
    """

    def __init__(self, selector: TileSelector, net: Aggregator):
        self.selector = selector
        self.net = net.eval()

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Train on the training part of a fold; patients without slides are left out."""
        keep = np.flatnonzero(inputs.has_slides)
        inputs = inputs.subset(keep)
        bags = [bag for bag in inputs.bags if bag is not None]
        with seeded(seed):
            selector = fit_selector(bags, settings)
            dim = inputs.tile_dim if selector.profile is None else selector.profile.shape[1]
            member = cls(selector, cls._network(dim, settings))
            tiles = [member.chosen(bag) for bag in bags]
            targets, chosen = torch.from_numpy(labels[keep]), settings.cytopath

            def loss_of(batch: Tensor) -> Tensor:
                drawn = draw_tiles(tiles, batch, chosen.max_tiles, chosen)
                return member.net.loss(*drawn, targets[batch], chosen.label_smoothing)

            fit(member.net, inputs.patient_ids, targets, loss_of, chosen)
        return member

    @staticmethod
    def _network(dim: int, settings: ModelSettings) -> Aggregator:
        chosen = settings.cytopath
        return build_aggregator(chosen.aggregator, dim, hidden=chosen.hidden, attention=chosen.attention)

    def chosen(self, bag: Bag) -> Tensor:
        """(chosen tiles, dim) the tiles that enter the bag."""
        return chosen_tiles(self.selector, bag)

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with at least one tile."""
        return inputs.has_slides

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without slides."""
        answers = np.full(len(inputs), np.nan)
        with seeded(0):
            for index in np.flatnonzero(self.usable(inputs)):
                bag = inputs.bags[index]
                assert bag is not None
                logits, _ = self.net(*pad_bags([self.chosen(bag)]))
                answers[index] = usable_log_odds(logits, np.array([True]))[0]
        return answers

    def attention(self, bag: Bag) -> FloatArray:
        """(tiles,) attention, zero for tiles that were not chosen."""
        return tile_attention(self.net, self.selector, bag)

    def tile_head(self, inputs: Inputs) -> tuple[Aggregator, TileHead]:
        """The network, and its own answer from instances."""
        del inputs
        return self.net, lambda net, instances, mask: net.answer(instances, mask)[0]

    @torch.no_grad()
    def answers_for(self, inputs: Inputs, choices: Sequence[IntArray]) -> DoubleArray:
        """(choices,) log-odds if only some tiles of the one patient entered; NaN without any."""
        bag = inputs.bags[0]
        assert bag is not None
        vectors = self.selector.vectors(bag)
        with seeded(0):
            # Bag by bag, for some aggregators answer otherwise than by their slide vector.
            logits = [self.net(*pad_bags([torch.from_numpy(vectors[places])]))[0] for places in choices]
        return usable_log_odds(torch.cat(logits), np.array([len(places) > 0 for places in choices]))

    def state(self) -> MemberState:
        """Cut-offs and weights."""
        return selector_state(self.selector) | MemberState.of(self.net).under("net")

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described."""
        del inputs
        weights = state.below("net").tensors
        net = cls._network(weights["project.0.weight"].shape[1], settings)
        net.load_state_dict(weights)
        return cls(restored_selector(settings, state), net)
