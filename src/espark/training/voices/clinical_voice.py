"""The clinical columns as a voice of eSPARK."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.training.inputs import Inputs
from espark.training.members.clinical import ClinicalEncoder
from espark.training.members.state import MemberState, linear_state, restored_linear
from espark.training.voices.ridge import Voice, all_directions, fit_voice
from espark.types import DoubleArray, IntArray

_LIMIT = 5.0
"""Clinical values beyond so many SD are clipped, as radiomics are."""


@dataclass(frozen=True)
class ClinicalVoice:
    """A ridge on the clinical columns.

    Attributes:
        encoder: fitted on the training part of the fold.
        voice: on the encoded columns; what it says about the training patients is NaN without a clinical value.
    """

    encoder: ClinicalEncoder
    voice: Voice

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, seed: int) -> ClinicalVoice:
        """Fit on the training part of a fold; patients without a clinical value are left out."""
        keep = np.flatnonzero(inputs.has_clinical)
        encoder = ClinicalEncoder.fit_patients(inputs)
        own = fit_voice(_values(encoder, inputs.subset(keep)), labels[keep], all_directions, seed)
        crossed = np.full(len(inputs), np.nan)
        crossed[keep] = own.crossed
        return cls(encoder, Voice(own.weights, own.intercept, crossed))

    def logits(self, inputs: Inputs) -> DoubleArray:
        """(patients,) log-odds of the outcome; NaN without a clinical value."""
        return np.where(inputs.has_clinical, self.voice.log_odds(_values(self.encoder, inputs)), np.nan)

    def state(self) -> MemberState:
        """The encoder, and weights."""
        return self.encoder.state() | linear_state(self.voice.weights, self.voice.intercept)

    @classmethod
    def restore(cls, state: MemberState) -> ClinicalVoice:
        """What :meth:`state` described; what it said about training patients is not stored."""
        return cls(ClinicalEncoder.restore(state), Voice(*restored_linear(state), np.zeros(0)))


def _values(encoder: ClinicalEncoder, inputs: Inputs) -> DoubleArray:
    return encoder.encode_patients(inputs).clip(-_LIMIT, _LIMIT)
