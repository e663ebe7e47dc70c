"""What a trained fold answers about patients whom it did not see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch

from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import Member
from espark.training.members.state import MemberState
from espark.types import DoubleArray, Modality


@dataclass(frozen=True)
class FoldAnswers:
    """What a trained fold answers about patients whom it did not see: log-odds, NaN where there is nothing to look at.

    Attributes:
        held_out: by what the model is given, (development patients who are held out,).
        others: (patients outside development,), given all there is of them.
    """

    held_out: Mapping[Modality, DoubleArray]
    others: DoubleArray

    @classmethod
    def ask(cls, model: str, member: Member, held_out: Inputs, others: Inputs) -> Self:
        """Ask a fold about the patients who are held out, modality by modality, and about all others at once.

        Args:
            model: name in the catalogue.
            member: the trained fold.
            held_out: the development patients whom it did not see.
            others: patients outside development.
        """
        found = {modality: member.logits(held_out.only(modality)) for modality in MODELS[model].answers_from}
        return cls(found, member.logits(others))

    def state(self) -> MemberState:
        """To be stored in the place of the member."""
        held_out = {f"held_out.{modality}": torch.from_numpy(values) for modality, values in self.held_out.items()}
        return MemberState({**held_out, "others": torch.from_numpy(self.others)})

    @classmethod
    def restore(cls, model: str, state: MemberState) -> Self:
        """What :meth:`state` described."""
        held_out = state.below("held_out").tensors
        found = {modality: held_out[modality].numpy() for modality in MODELS[model].answers_from}
        return cls(found, state.tensors["others"].numpy())
