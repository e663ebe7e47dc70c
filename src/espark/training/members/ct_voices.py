"""One trained fold of MScaleCT as a weighted mean of linear voices on the ranks of the radiomics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from espark.training.feature_choice import class_difference, first_unlike, named_features
from espark.training.inputs import Inputs
from espark.training.members.member import CtAnswer
from espark.training.members.state import MemberState
from espark.training.settings import ModelSettings
from espark.training.stability import stable_features
from espark.training.voices.chorus import Chorus
from espark.training.voices.ranks import RankScaler
from espark.training.voices.ridge import Directions, all_directions, fit_voice, principal_directions
from espark.types import BoolArray, CtVoice, DoubleArray, IntArray, Scale
from espark.workspace.config import MScaleCTSettings

_LEADING = 10
_COMPONENTS = 8


class CtVoicesMember:
    """A fold of MScaleCT.

    Args:
        scaler: normal scores, fitted on the training part of the fold.
        chorus: the voices, on the scores of the features that enter.
    """

    def __init__(self, scaler: RankScaler, chorus: Chorus):
        self.scaler = scaler
        self.chorus = chorus

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Fit on the training part of a fold; patients without CT are left out."""
        keep = np.flatnonzero(inputs.has_ct)
        seen, targets, chosen = inputs.subset(keep), labels[keep], settings.mscalect
        enters = named_features(seen, chosen.features) & stable_features(seen, chosen.min_icc)
        scaler = RankScaler.fit(seen.radiomics, enters)
        scores = scaler.scores(seen.radiomics)
        voices = {}
        with threadpool_limits(limits=1, user_api="blas"):  # no weight may depend on the number of cores
            for name in heard_ct_voices(chosen.voices, inputs.scales):
                places = np.flatnonzero(_of_scale(inputs, name)[scaler.places])
                heard = fit_voice(scores[:, places], targets, _directions(name, chosen), seed)
                voices[name] = heard.among(places, scores.shape[1])
        chorus = Chorus.fit(voices, targets)
        crossed = np.full(len(inputs), np.nan)
        crossed[keep] = chorus.crossed
        return cls(scaler, replace(chorus, crossed=crossed))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known scale."""
        return inputs.has_ct

    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without CT."""
        return np.where(self.usable(inputs), self.chorus.log_odds(self.scaler.scores(inputs.radiomics)), np.nan)

    def ct_answer(self) -> Callable[[Inputs], CtAnswer]:
        """For any patient, the same linear function of the standardized radiomics."""
        weights = torch.from_numpy(self.scaler.spread(self.chorus.weights))
        return lambda inputs: lambda radiomics: radiomics @ weights + self.chorus.intercept

    def shares(self) -> dict[str, float]:
        """By voice, its share of what all voices add."""
        return self.chorus.shares()

    def state(self) -> MemberState:
        """Quantiles and weights."""
        places, quantiles = torch.from_numpy(self.scaler.places), torch.from_numpy(self.scaler.quantiles)
        scaler = MemberState({"places": places, "quantiles": quantiles.contiguous()}).under("scaler")
        return scaler | self.chorus.state().under("chorus")

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described; ``inputs`` may be empty but names the features."""
        del settings
        scaler = state.below("scaler").tensors
        found = RankScaler(inputs.radiomics.shape[1], scaler["places"].numpy(), scaler["quantiles"].numpy())
        return cls(found, Chorus.restore(state.below("chorus")))


def heard_ct_voices(wanted: Sequence[str], scales: Sequence[Scale]) -> tuple[str, ...]:
    """The voices whose scale there is; where there is none, a ridge on all features."""
    found = tuple(name for name in wanted if name.partition(":")[2] in ("", *scales))
    return found or ("ridge",)


def _of_scale(inputs: Inputs, voice: str) -> BoolArray:
    """(features,) which features a voice may see: those of the scale in its name, or all."""
    _, _, wanted = voice.partition(":")
    places = [scale for scale, names in zip(inputs.scales, inputs.feature_names, strict=True) for _ in names]
    return np.array([wanted in ("", scale) for scale in places], dtype=bool)


def _directions(voice: str, settings: MScaleCTSettings) -> Directions:
    """What a voice fits along."""
    kinds: dict[CtVoice, Directions] = {
        "leading": lambda values, labels: _leading(values, labels, settings),
        "ridge": all_directions,
        "components": lambda values, labels: principal_directions(values, _COMPONENTS),
    }
    return next(directions for kind, directions in kinds.items() if kind == voice.partition(":")[0])


def _leading(values: DoubleArray, labels: IntArray, settings: MScaleCTSettings) -> DoubleArray:
    """(features, chosen) one column for each of the features that differ most between the classes."""
    order = np.argsort(-class_difference(values, labels), kind="stable")
    most = settings.selected or _LEADING
    return np.eye(values.shape[1])[:, first_unlike(values, order, most=most, max_correlation=settings.max_correlation)]
