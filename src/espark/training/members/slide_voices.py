"""One trained fold of CytoPath as a weighted mean of linear voices on summaries of the whole bag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from espark.cells import BIOMARKERS, COUNTED_CELLS
from espark.models.aggregators.aggregator import Aggregator, pad_bags
from espark.models.aggregators.summaries import Reading, SummaryKind, SummaryNet
from espark.training.fitting import seeded
from espark.training.inputs import Bag, Inputs
from espark.training.members.member import TileHead
from espark.training.members.networks import log_odds
from espark.training.members.state import MemberState
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.training.voices.chorus import Chorus
from espark.training.voices.ridge import Voice, all_directions, fit_voice
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray, SlideVoice

_READS: dict[SlideVoice, tuple[str, SummaryKind]] = {
    "biomarkers": ("counts", "ratios"),
    "amounts": ("counts", "ratios"),
    "profile": ("similarity", "mean"),
    "highest": ("similarity", "highest"),
    "vectors": ("features", "mean"),
}
"""By voice, the numbers of a tile that it reads, and their summary over the bag."""

_BIOMARKERS = tuple(
    (COUNTED_CELLS.index(above), COUNTED_CELLS.index(below))
    for above, below in (entry.ratio for entry in BIOMARKERS.values())
)
"""The ratios that the voice ``biomarkers`` reads. They were fixed before any outcome was looked at."""

_LIMIT = 5.0
"""Standardized summaries beyond it are clipped in training, so that one strange slide cannot decide a weight."""


@dataclass(frozen=True)
class WholeBags(TileSelector):
    """Lets every tile enter. The cut-offs are still fitted: they give the cell types that a tile is of.

    Attributes:
        reads: the parts of a bag that the voices read, side by side.
    """

    reads: tuple[str, ...] = ()

    def vectors(self, bag: Bag) -> FloatArray:
        """(tiles, numbers) what is read of each tile."""
        return np.concatenate([getattr(bag, part) for part in self.reads], axis=1)

    def tensor(self, bag: Bag) -> Tensor:
        """The same, as a tensor."""
        return torch.from_numpy(self.vectors(bag))

    def select(self, bag: Bag) -> BoolArray:
        """(tiles,) True."""
        return np.ones(len(bag), dtype=bool)

    def falls_back(self, bag: Bag) -> bool:
        """False: no tile has to stand in for another."""
        del bag
        return False


class SlideVoicesMember:
    """A fold of CytoPath.

    Args:
        selector: what is read of a tile, and the cut-offs of the cell types.
        net: summaries of a bag; it gets the linear answer of the voices.
        widths: how many numbers there are in each part that is read.
        chorus: the voices, on the standardized summaries.
    """

    def __init__(self, selector: WholeBags, net: SummaryNet, widths: tuple[int, ...], chorus: Chorus):
        self.selector = selector
        self.net = net.answering(torch.from_numpy(chorus.weights), chorus.intercept)
        self.widths = widths
        self.chorus = chorus

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Fit on the training part of a fold; patients without slides are left out."""
        keep = np.flatnonzero(inputs.has_slides)
        seen, targets = inputs.subset(keep), labels[keep]
        bags = [bag for bag in seen.bags if bag is not None]
        names = heard_voices(settings.cytopath.voices, seen)
        fitted = TileSelector.fit(bags, settings.cutoffs)
        whole = WholeBags(fitted.cutoffs, fitted.share, reads=_read_by(names))
        selector = replace(whole, mean=whole.with_mean(bags).mean)
        widths = tuple(int(getattr(bags[0], part).shape[1]) for part in selector.reads)
        net = _network(names, widths)
        with seeded(0), torch.no_grad():
            summaries = torch.cat([net.summaries(*pad_bags([selector.tensor(bag)])) for bag in bags])
        net.standardize(summaries)
        values = ((summaries - net.center) / net.scale).clamp(-_LIMIT, _LIMIT).double().numpy()
        with threadpool_limits(limits=1, user_api="blas"):  # no weight may depend on the number of cores
            chorus = Chorus.fit(_fit_voices(net, names, values, targets, seed), targets)
        crossed = np.full(len(inputs), np.nan)
        crossed[keep] = chorus.crossed
        return cls(selector, net, widths, replace(chorus, crossed=crossed))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with at least one tile."""
        return inputs.has_slides

    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without slides."""
        answers = np.full(len(inputs), np.nan)
        for index in np.flatnonzero(self.usable(inputs)):
            bag = inputs.bags[index]
            assert bag is not None
            answers[index] = self._answers([self.selector.tensor(bag)])[0]
        return answers

    def attention(self, bag: Bag) -> FloatArray:
        """(tiles,) the same for every tile."""
        return np.full(len(bag), 1 / max(1, len(bag)), dtype=np.float32)

    def tile_head(self, inputs: Inputs) -> tuple[Aggregator, TileHead]:
        """The network, and its own answer."""
        del inputs
        return self.net, lambda net, instances, mask: net.answer(instances, mask)[0]

    def answers_for(self, inputs: Inputs, choices: Sequence[IntArray]) -> DoubleArray:
        """(choices,) log-odds if only some tiles of the one patient entered; NaN without any."""
        bag = inputs.bags[0]
        assert bag is not None
        tiles = self.selector.tensor(bag)
        answers = self._answers([tiles[torch.from_numpy(places)] for places in choices])
        return np.where([len(places) > 0 for places in choices], answers, np.nan)

    @torch.no_grad()
    def _answers(self, bags: list[Tensor]) -> DoubleArray:
        """(bags,) log-odds; bag by bag, so that no answer depends on the bags beside it."""
        with seeded(0):
            return np.array([float(log_odds(self.net(*pad_bags([bag]))[0])[0]) for bag in bags])

    def shares(self) -> dict[str, float]:
        """By voice, its share of what all voices add."""
        return self.chorus.shares()

    def state(self) -> MemberState:
        """Cut-offs, what is read of a tile, and weights."""
        parts = {"cutoffs": self.selector.cutoffs, "mean": self.selector.mean}
        selector = MemberState({name: part for name, part in parts.items() if part is not None}).under("selector")
        numbers = {"center": self.net.center, "scale": self.net.scale, "widths": torch.tensor(self.widths)}
        return selector | MemberState(numbers).under("net") | self.chorus.state().under("chorus")

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described."""
        del inputs
        chorus, numbers = Chorus.restore(state.below("chorus")), state.below("net").tensors
        names = tuple(name for name in _READS if name in chorus.names)
        stored = state.below("selector").tensors
        share = settings.cutoffs.share
        selector = WholeBags(stored.get("cutoffs"), share, stored.get("mean"), reads=_read_by(names))
        widths = tuple(int(width) for width in numbers["widths"])
        net = _network(names, widths)
        net.center, net.scale = numbers["center"], numbers["scale"]
        return cls(selector, net, widths, chorus)


def heard_voices(wanted: Sequence[SlideVoice], inputs: Inputs) -> tuple[SlideVoice, ...]:
    """The voices that can read the tiles of all patients, in the order of the catalogue.

    Where none can, `profile` stands in, or `vectors` without a text side.
    """
    there = {"counts": inputs.has_counts, "similarity": inputs.has_text, "features": True}
    heard = tuple(name for name, (part, _) in _READS.items() if name in wanted and there[part])
    return heard or (("profile",) if inputs.has_text else ("vectors",))


def _read_by(names: Sequence[SlideVoice]) -> tuple[str, ...]:
    """What the voices read of a tile, each part once."""
    return tuple(dict.fromkeys(_READS[name][0] for name in names))


def _network(names: Sequence[SlideVoice], widths: Sequence[int]) -> SummaryNet:
    """Summaries of a bag, voice after voice; ``widths`` are those of what is read, part after part."""
    reads = _read_by(names)
    starts = dict(zip(reads, np.cumsum([0, *widths[:-1]]).tolist(), strict=True))
    stops = {part: starts[part] + width for part, width in zip(reads, widths, strict=True)}
    readings = []
    for name in names:
        part, kind = _READS[name]
        readings.append(Reading(kind, starts[part], stops[part], _BIOMARKERS if name == "biomarkers" else ()))
    return SummaryNet(sum(widths), readings)


def _fit_voices(
    net: SummaryNet, names: Sequence[SlideVoice], values: DoubleArray, labels: IntArray, seed: int
) -> dict[str, Voice]:
    """By name, each voice on its own summaries among the standardized summaries (patients, all)."""
    edges = np.cumsum([0, *(reading.width for reading in net.readings)])
    voices: dict[str, Voice] = {}
    for name, start, stop in zip(names, edges[:-1], edges[1:], strict=True):
        own = fit_voice(values[:, start:stop], labels, all_directions, seed)
        voices[name] = own.among(np.arange(start, stop), values.shape[1])
    return voices
