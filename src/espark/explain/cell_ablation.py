"""What a model answers when the tiles of a cell type are not on the slide.

A tile belongs to a cell type when its similarity passes the cut-off of this type in the fold model, even if it passes
the cut-offs of other types too. To remove a type removes all its tiles, as if they were not on the slide. The model
then works on the remaining tiles as usual: when no remaining tile passes any cut-off, the best remaining tiles are
used, and a patient with no tile left has no slide. Everything that was fitted, such as cut-offs, weights and
calibrator, stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from espark.training.inputs import Bag, Inputs
from espark.training.members.build import train_member
from espark.training.members.member import LooksAtTiles, Member
from espark.training.members.state import MemberState
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray


def without_tiles(bag: Bag, left_out: BoolArray) -> Bag:
    """The bag without the tiles marked in (tiles,)."""
    return bag.subset(~left_out)


@dataclass(frozen=True)
class AblatedAnswers:
    """The answers of one model for one patient, with all tiles and without each cell type in turn.

    Attributes:
        log_odds: (1 + cell types,), first for the whole slides; NaN when nothing is left to look at.
        tiles: (1 + cell types,) number of tiles that enter.
    """

    log_odds: DoubleArray
    tiles: IntArray


def answers_without_types(member: LooksAtTiles, inputs: Inputs) -> AblatedAnswers:
    """The answers of a model for one patient, with all tiles and without each cell type in turn.

    Args:
        member: a fold that chooses tiles by cell type.
        inputs: the one patient, with slides.

    Raises:
        ValueError: when the model does not choose tiles of this patient by cell type.
    """
    bag, selector = inputs.bags[0], member.selector
    if bag is None or selector.cutoffs is None:
        raise ValueError(f"{type(member).__name__} does not choose tiles of this patient by cell type")
    types = selector.passed(bag)
    whole = np.arange(len(bag))
    kept = [whole, *(whole[~column] for column in types.T)]
    # Indices, among all tiles, of the tiles that enter; each bag is treated as the patient's bag.
    chosen = [
        places[selector.select(bag if index == 0 else without_tiles(bag, types[:, index - 1]))]
        for index, places in enumerate(kept)
    ]
    return AblatedAnswers(member.answers_for(inputs, chosen), np.array([len(places) for places in chosen]))


class MemberWithoutType:
    """A fold that is trained, and predicts, as if the tiles of one cell type did not exist.

    The cut-offs are fitted on the whole training part of the fold, so that the tiles of the type are the same as at
    prediction time.

    Args:
        member: trained on the remaining tiles.
        cutoffs: (cell types,) cut-offs of the fold.
        column: the cell type.
    """

    def __init__(self, member: Member, cutoffs: FloatArray, column: int):
        self.member = member
        self.cutoffs = cutoffs
        self.column = column

    @classmethod
    def train(
        cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int, *, model: str, column: int
    ) -> Self:
        """Train CytoPath or eSPARK on the training part of a fold."""
        bags = [bag for bag in inputs.bags if bag is not None and len(bag)]
        fitted = TileSelector.fit(bags, settings.cutoffs).cutoffs
        if fitted is None:
            raise ValueError("tiles without similarities do not belong to any cell type")
        cutoffs = fitted.numpy()
        fixed = replace(settings, cutoffs=replace(settings.cutoffs, fixed=tuple(cutoffs.tolist())))
        member = train_member(model, inputs_without_type(inputs, cutoffs, column), labels, fixed, seed)
        return cls(member, cutoffs, column)

    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN for a patient without anything left to look at."""
        return self.member.logits(inputs_without_type(inputs, self.cutoffs, self.column))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with anything left to look at."""
        return self.member.usable(inputs_without_type(inputs, self.cutoffs, self.column))

    def state(self) -> MemberState:
        """State of the trained member."""
        return self.member.state()


def inputs_without_type(inputs: Inputs, cutoffs: FloatArray, column: int) -> Inputs:
    """The same patients without the tiles that pass the cut-off of one cell type.

    Args:
        inputs: any patients; bags without similarity stay as they are.
        cutoffs: (cell types,).
        column: the type.
    """
    bags = tuple(_without_type(bag, float(cutoffs[column]), column) for bag in inputs.bags)
    # A copy, because torch does not accept read-only arrays, and worker processes have read-only arrays.
    return replace(inputs, bags=bags, radiomics=inputs.radiomics.copy())


def _without_type(bag: Bag | None, cutoff: float, column: int) -> Bag | None:
    if bag is None or bag.similarity is None:
        return bag
    left = without_tiles(bag, bag.similarity[:, column] > np.float32(cutoff))
    return left if len(left) else None
