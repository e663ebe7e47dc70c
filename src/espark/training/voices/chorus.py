"""Several voices of one model, with the weight of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from espark.training.members.state import MemberState, linear_state, restored_linear
from espark.training.voices.ridge import Voice, linear
from espark.training.voices.stacking import Stack, shares_of
from espark.types import DoubleArray, IntArray

_TRUST = 0.25
_NAMES = "names"


@dataclass(frozen=True)
class Chorus:
    """The weighted mean of the voices of one model: one linear answer.

    Attributes:
        weights: (features,) log-odds a unit of a feature.
        intercept: log-odds where every feature is 0.
        names: of the voices.
        spreads: (voices,) SD over the training patients of what each voice adds.
        crossed: (training patients,) log-odds by voices that did not see the patient; None when it was restored.
    """

    weights: DoubleArray
    intercept: float
    names: tuple[str, ...]
    spreads: DoubleArray
    crossed: DoubleArray | None = None

    @classmethod
    def fit(cls, voices: dict[str, Voice], labels: IntArray) -> Chorus:
        """Weigh voices that know the same patients by what they answer for patients whom they did not see.

        Args:
            voices: by name, all on the same features; one at least.
            labels: (training patients,) 0 or 1.
        """
        parts = list(voices.values())
        crossed = np.stack([voice.crossed for voice in parts], axis=1)
        stack = Stack.fit(crossed, labels, expected=1 / len(parts), trust=_TRUST)
        weights = stack.weights @ np.stack([voice.weights for voice in parts])
        intercept = stack.constant + float(stack.weights @ [voice.intercept for voice in parts])
        return cls(weights, intercept, tuple(voices), stack.spreads, stack.log_odds(crossed))

    def log_odds(self, values: DoubleArray) -> DoubleArray:
        """(patients,) from values (patients, features)."""
        return linear(values, self.weights, self.intercept)

    def shares(self) -> dict[str, float]:
        """By voice, its share of what all of them add."""
        return shares_of(self.names, self.spreads)

    def state(self) -> MemberState:
        """Weights, and how much each voice adds."""
        spreads = MemberState({"spreads": torch.from_numpy(self.spreads.copy())}, {_NAMES: ",".join(self.names)})
        return linear_state(self.weights, self.intercept) | spreads

    @classmethod
    def restore(cls, state: MemberState) -> Chorus:
        """What :meth:`state` described."""
        names = tuple(state.notes[_NAMES].split(","))
        return cls(*restored_linear(state), names, state.tensors["spreads"].numpy())
