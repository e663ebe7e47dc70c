"""What CytoPath and eSPARK do with the tiles of a patient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from espark.models.aggregators.aggregator import Aggregator, pad_bags
from espark.training.fitting import seeded
from espark.training.inputs import Bag
from espark.training.members.state import MemberState
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.types import FloatArray
from espark.workspace.config import OptimizerSettings

_BFLOAT16_MULTIPLE = 64
"""Tiles of a bag in bfloat16 training: a kernel is compiled for every number of tiles it meets, so there are few."""


def fit_selector(bags: list[Bag], settings: ModelSettings) -> TileSelector:
    """Fit on the bags of the training patients of a fold."""
    chosen = settings.cytopath
    selector = TileSelector.fit(bags, settings.cutoffs) if chosen.cell_type_selection else TileSelector(None)
    return (selector.with_profile(bags) if chosen.tile_vector == "profile" else selector).with_mean(bags)


def selector_state(selector: TileSelector) -> MemberState:
    """What must be stored of it."""
    stored = {"cutoffs": selector.cutoffs, "mean": selector.mean, "profile": selector.profile}
    return MemberState({name: tensor for name, tensor in stored.items() if tensor is not None}).under("selector")


def restored_selector(settings: ModelSettings, state: MemberState) -> TileSelector:
    """What :func:`selector_state` described, in the state of a whole member."""
    tensors = state.below("selector").tensors
    return TileSelector(tensors.get("cutoffs"), settings.cutoffs.share, tensors.get("mean"), tensors.get("profile"))


def chosen_tiles(selector: TileSelector, bag: Bag) -> Tensor:
    """(chosen tiles, dim) the tiles that enter the bag."""
    chosen, vectors = selector.select(bag), selector.vectors(bag)
    # Where every tile enters, a large bag is not copied.
    return torch.from_numpy(vectors if chosen.all() else vectors[chosen])


def draw_tiles(bags: list[Tensor], batch: Tensor, most: int, settings: OptimizerSettings) -> tuple[Tensor, Tensor]:
    """Padded bags of a batch; a bag of more than ``most`` tiles gives a random part of them, in their order."""
    drawn = [bags[index] for index in batch.tolist()]
    drawn = [bag if len(bag) <= most else bag[torch.randperm(len(bag))[:most].sort()[0]] for bag in drawn]
    return pad_bags(drawn, multiple=_BFLOAT16_MULTIPLE if settings.precision == "bfloat16" else 1)


@torch.no_grad()
def tile_attention(net: Aggregator, selector: TileSelector, bag: Bag) -> FloatArray:
    """(tiles,) attention, zero for tiles that were not chosen."""
    chosen = selector.select(bag)
    weights = np.zeros(len(bag), dtype=np.float32)
    with seeded(0):
        _, attention = net.embed(*pad_bags([torch.from_numpy(selector.vectors(bag)[chosen])]))
    weights[chosen] = attention[0, : chosen.sum()].numpy()
    return weights
