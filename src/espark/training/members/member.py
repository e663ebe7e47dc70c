"""What a trained fold can do.

Every fold answers. What only some folds can do is a protocol of its own: code that needs it asks for the protocol, not
for the name of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from espark.models.aggregators.aggregator import Aggregator
from espark.training.inputs import Bag, Inputs
from espark.training.members.state import MemberState
from espark.training.preprocessing import TileSelector
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

TileHead = Callable[[Aggregator, Tensor, Tensor], Tensor]
"""From a network, instances (bags, tiles, hidden) and their mask to logits (bags, 2)."""

CtAnswer = Callable[[Tensor], Tensor]
"""From standardized radiomics (rows, features) in double precision to log-odds (rows,)."""


class Standardizer(Protocol):
    """Brings radiomics to one scale, on which 0 is a typical training patient."""

    @property
    def enters(self) -> BoolArray:
        """(features,) which features can change an answer."""
        ...

    def at_clip(self, row: FloatArray) -> BoolArray:
        """(features,) which values of one patient (features,) are so far out that a larger one would change nothing."""
        ...

    def transform(self, radiomics: FloatArray) -> Tensor:
        """(patients, features) standardized, without NaN."""
        ...


class Member(Protocol):
    """A trained fold: preprocessing and network together."""

    def usable(self, inputs: Inputs) -> BoolArray:
        """(patients,) whether there is anything this model can look at."""
        ...

    def logits(self, inputs: Inputs) -> DoubleArray:
        """(patients,) log-odds of the outcome, not calibrated; NaN for a patient that is not usable."""
        ...

    def state(self) -> MemberState:
        """Everything that must be stored."""
        ...


@runtime_checkable
class LooksAtTiles(Member, Protocol):
    """A fold that pools tiles.

    Attributes:
        selector: which tiles enter a bag, and what the fold sees of a tile.
    """

    selector: TileSelector

    def attention(self, bag: Bag) -> FloatArray:
        """(tiles,) attention of each tile, summing to 1 and zero for a tile that was not chosen."""
        ...

    def tile_head(self, inputs: Inputs) -> tuple[Aggregator, TileHead]:
        """The network that pools the tiles, and what follows its first layer.

        Args:
            inputs: one patient; everything but the tiles is held fixed.
        """
        ...

    def answers_for(self, inputs: Inputs, choices: Sequence[IntArray]) -> DoubleArray:
        """(choices,) log-odds of the outcome if only some tiles entered the bag; NaN where nothing is left to look at.

        Args:
            inputs: one patient, with slides.
            choices: of each, the places of the tiles that enter, among all tiles of the patient.
        """
        ...


@runtime_checkable
class LooksAtCt(Member, Protocol):
    """A fold that looks at radiomics."""

    @property
    def scaler(self) -> Standardizer:
        """Standardizes the radiomics."""
        ...

    def ct_answer(self) -> Callable[[Inputs], CtAnswer]:
        """For one patient, how the answer depends on the radiomics when everything else is held fixed.

        The networks are copied in double precision, once for all patients.
        """
        ...


@runtime_checkable
class HasParts(Member, Protocol):
    """A fold whose answer is a sum of parts."""

    def shares(self) -> Mapping[str, float]:
        """By part, its share of what all parts add to the log-odds of the training patients (SD over them)."""
        ...


def entering_features(members: Iterable[Member], features: int) -> BoolArray:
    """(features,) which radiomic features can change the answer of any of the members."""
    found = np.zeros(features, dtype=bool)
    for member in members:
        if isinstance(member, LooksAtCt):
            found |= member.scaler.enters
    return found


def features_at_clip(members: Iterable[Member], row: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Which radiomic features of a patient are so far out that no member sees how far.

    Args:
        members: the folds.
        row: (features,) of the patient, NaN where missing.

    Returns:
        (features,) those at the clip of every member that looks at them, and (features,) all known ones that can change
        the answer of any member.
    """
    used, at_clip = np.zeros(len(row), dtype=bool), np.ones(len(row), dtype=bool)
    for member in members:
        if isinstance(member, LooksAtCt):
            enters = member.scaler.enters & ~np.isnan(row)
            used |= enters
            at_clip &= member.scaler.at_clip(row) | ~enters
    return at_clip & used, used


def looking_at_tiles(members: Iterable[Member]) -> list[LooksAtTiles]:
    """Those of the members that pool tiles."""
    return [member for member in members if isinstance(member, LooksAtTiles)]
