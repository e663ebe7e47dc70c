"""One trained fold of eSPARK as a weighted sum: the log-odds of CT, slides and, where they enter, clinical columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from espark.models.aggregators.aggregator import Aggregator
from espark.training.inputs import Bag, Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.ct_voices import CtVoicesMember
from espark.training.members.member import CtAnswer, TileHead
from espark.training.members.networks import log_odds
from espark.training.members.slide_voices import SlideVoicesMember, WholeBags
from espark.training.members.state import MemberState
from espark.training.settings import ModelSettings
from espark.training.voices.clinical_voice import ClinicalVoice
from espark.training.voices.ranks import RankScaler
from espark.training.voices.stacking import Stack, shares_of
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

_TRUST = 1.0
_CT, _SLIDES = 0, 1
"""Places of the parts in the sum; the clinical columns come last."""


class WeightedSumMember:
    """A fold of eSPARK: what the CT, the slides and the clinical columns say, each by its weight.

    The weights are fitted on answers for training patients whom the parts did not see. A part that a patient lacks adds
    nothing, so the other parts keep their weights.

    Args:
        ct: the MScaleCT of the same fold.
        slides: the CytoPath of the same fold.
        clinical: the clinical voice of the same fold; None when the columns do not enter.
        stack: the weights.
    """

    def __init__(self, ct: CtVoicesMember, slides: SlideVoicesMember, clinical: ClinicalVoice | None, stack: Stack):
        self.ct = ct
        self.slides = slides
        self.clinical = clinical
        self.stack = stack

    @classmethod
    def train(
        cls,
        inputs: Inputs,
        labels: IntArray,
        settings: ModelSettings,
        seed: int,
        ct: CtVoicesMember,
        slides: SlideVoicesMember,
    ) -> Self:
        """Fit the weights on the training part of a fold, with the MScaleCT and the CytoPath of the same part."""
        clinical = ClinicalVoice.train(inputs, labels, seed) if settings.espark.clinical else None
        parts = [ct.chorus.crossed, slides.chorus.crossed, None if clinical is None else clinical.voice.crossed]
        crossed = np.stack([part for part in parts if part is not None], axis=1)
        keep = np.flatnonzero(inputs.has_ct | inputs.has_slides)
        stack = Stack.fit(crossed[keep], labels[keep], expected=1.0, trust=_TRUST)
        return cls(ct, slides, clinical, stack)

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known scale or a tile."""
        return inputs.has_ct | inputs.has_slides

    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN with neither CT nor slides."""
        return np.where(self.usable(inputs), self.stack.log_odds(self._parts(inputs)), np.nan)

    def _parts(self, inputs: Inputs) -> DoubleArray:
        """(patients, parts) what each part says; NaN where it is missing."""
        parts = [self.ct.logits(inputs), self.slides.logits(inputs)]
        if self.clinical is not None:
            parts.append(self.clinical.logits(inputs))
        return np.stack(parts, axis=1)

    @property
    def selector(self) -> WholeBags:
        """That of the fold's own CytoPath."""
        return self.slides.selector

    def attention(self, bag: Bag) -> FloatArray:
        """(tiles,) that of CytoPath."""
        return self.slides.attention(bag)

    def tile_head(self, inputs: Inputs) -> tuple[Aggregator, TileHead]:
        """The network of CytoPath, and its answer in the sum with what else is known of the one patient."""
        weight = float(self.stack.weights[_SLIDES])
        rest = float(self._without(inputs, _SLIDES)[0]) - weight * float(self.stack.centers[_SLIDES])

        def head(net: Aggregator, instances: Tensor, mask: Tensor) -> Tensor:
            odds = rest + weight * log_odds(net.answer(instances, mask)[0])
            return torch.stack([torch.zeros_like(odds), odds], dim=1)

        return self.slides.net, head

    def _without(self, inputs: Inputs, part: int) -> DoubleArray:
        """(patients,) the sum without one of its parts."""
        parts = self._parts(inputs)
        parts[:, part] = self.stack.centers[part]
        return self.stack.log_odds(parts)

    def answers_for(self, inputs: Inputs, choices: Sequence[IntArray]) -> DoubleArray:
        """(choices,) log-odds if only some tiles of the one patient entered; NaN with neither tile nor CT."""
        parts = np.repeat(self._parts(inputs), len(choices), axis=0)
        parts[:, _SLIDES] = self.slides.answers_for(inputs, choices)
        there = np.isfinite(parts[:, [_CT, _SLIDES]]).any(axis=1)
        return np.where(there, self.stack.log_odds(parts), np.nan)

    @property
    def scaler(self) -> RankScaler:
        """That of the fold's own MScaleCT."""
        return self.ct.scaler

    def ct_answer(self) -> Callable[[Inputs], CtAnswer]:
        """For one patient, how the answer depends on the radiomics."""
        of_ct, weight = self.ct.ct_answer(), float(self.stack.weights[_CT])

        def of(inputs: Inputs) -> CtAnswer:
            own = of_ct(inputs)
            rest = float(self._without(inputs, _CT)[0]) - weight * float(self.stack.centers[_CT])
            return lambda radiomics: rest + weight * own(radiomics)

        return of

    def shares(self) -> dict[str, float]:
        """By part, its share of what all parts add."""
        parts = [MODELS[name].title for name in ("mscalect", "cytopath", "clinical")]
        return shares_of(parts[: len(self.stack.weights)], self.stack.spreads)

    def state(self) -> MemberState:
        """The parts under their names, and the weights."""
        clinical = MemberState({}) if self.clinical is None else self.clinical.state()
        parts = {"ct": self.ct.state(), "slides": self.slides.state(), "clinical": clinical}
        found = self.stack.state().under("stack")
        for name, part in parts.items():
            found |= part.under(name)
        return found

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described."""
        ct = CtVoicesMember.restore(inputs, settings, state.below("ct"))
        slides = SlideVoicesMember.restore(inputs, settings, state.below("slides"))
        clinical = ClinicalVoice.restore(state.below("clinical")) if settings.espark.clinical else None
        return cls(ct, slides, clinical, Stack.restore(state.below("stack")))
