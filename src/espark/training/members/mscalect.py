"""One trained fold of MScaleCT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from espark.ct.models.build import build_ct_network
from espark.models.mscalect import CtNetwork
from espark.training.feature_choice import choose_features
from espark.training.fitting import fit, seeded
from espark.training.inputs import Inputs
from espark.training.members.member import CtAnswer
from espark.training.members.networks import in_double, log_odds, usable_log_odds
from espark.training.members.state import MemberState, restored_scaler, scaler_state
from espark.training.preprocessing import RadiomicsScaler
from espark.training.settings import ModelSettings
from espark.training.stability import fit_scaler
from espark.types import BoolArray, DoubleArray, IntArray


class MScaleCTMember:
    """A fold of MScaleCT.

    Args:
        scaler: fitted on the training part of the fold.
        net: the network, in evaluation mode.
    """

    def __init__(self, scaler: RadiomicsScaler, net: CtNetwork):
        self.scaler = scaler
        self.net = net.eval()

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Train on the training part of a fold; patients without CT are left out."""
        keep = np.flatnonzero(inputs.has_ct)
        inputs = inputs.subset(keep)
        with seeded(seed):
            scaler = choose_features(
                fit_scaler(inputs, settings.mscalect.min_icc), inputs, labels[keep], settings.mscalect
            )
            member = cls(scaler, cls._network(inputs, settings))
            radiomics, known = member._tensors_of(inputs)
            targets, chosen = torch.from_numpy(labels[keep]), settings.mscalect

            def loss_of(batch: Tensor) -> Tensor:
                logits = member.net(radiomics[batch], known[batch])
                return nn.functional.cross_entropy(logits, targets[batch], label_smoothing=chosen.label_smoothing)

            fit(member.net, inputs.patient_ids, targets, loss_of, chosen)
        return member

    @staticmethod
    def _network(inputs: Inputs, settings: ModelSettings) -> CtNetwork:
        chosen = settings.mscalect
        return build_ct_network(
            chosen.model,
            tuple(map(len, inputs.feature_names)),
            width=chosen.width,
            depth=chosen.depth,
            scale_dropout=chosen.scale_dropout if len(inputs.scales) > 1 else 0.0,
        )

    def _tensors_of(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return self.scaler.transform(inputs.radiomics), torch.from_numpy(inputs.known_scales.astype(np.float32))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known scale."""
        return inputs.has_ct

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without CT."""
        with seeded(0):
            return usable_log_odds(self.net(*self._tensors_of(inputs)), self.usable(inputs))

    @torch.no_grad()
    def embed(self, inputs: Inputs) -> Tensor:
        """(patients, width) the CT vector, zero without CT."""
        with seeded(0):
            embedding = self.net.embed(*self._tensors_of(inputs))
        return embedding * torch.from_numpy(inputs.has_ct.astype(np.float32))[:, None]

    def ct_answer(self) -> Callable[[Inputs], CtAnswer]:
        """For one patient, how the answer depends on the radiomics."""
        net = in_double(self.net)

        def of(inputs: Inputs) -> CtAnswer:
            scales = torch.from_numpy(inputs.known_scales.astype(np.float64))
            return lambda radiomics: log_odds(net(radiomics, scales.expand(len(radiomics), -1)))

        return of

    def state(self) -> MemberState:
        """Scaler and weights."""
        return scaler_state(self.scaler) | MemberState.of(self.net).under("net")

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described; ``inputs`` may be empty but names the features."""
        net = cls._network(inputs, settings)
        net.load_state_dict(state.below("net").tensors)
        return cls(restored_scaler(state), net)
