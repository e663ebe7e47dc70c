"""Integrated gradients from the answer back to every radiomic feature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from espark.models.aggregator import pad_bags
from espark.training.fitting import seeded
from espark.training.inputs import Inputs
from espark.training.members import ESparkMember, Member, MScaleCTMember
from espark.types import DoubleArray

_STEPS = 64

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class CtAttribution:
    """What each radiomic feature adds to the log-odds of response.

    Attributes:
        values: (features,) in log-odds, scale after scale.
        completeness: the sum of the values minus the difference in log-odds it should explain, relative to the latter.
    """

    values: DoubleArray
    completeness: float


def ct_attribution(member: Member, inputs: Inputs) -> CtAttribution:
    """Attribute one patient's answer to the radiomic features, against the mean development patient.

    Integrated gradients (Sundararajan, Taly and Yan, ICML 2017) along the straight line from the training mean of every
    feature, with everything else of the patient held fixed.

    Args:
        member: a fold of MScaleCT or eSPARK.
        inputs: one patient, with a CT.

    Raises:
        ValueError: when the model does not look at CT.
    """
    with seeded(0):
        ct, forward = _forward(member, inputs)
        patient = ct.scaler.transform(inputs.radiomics)
        mean = torch.zeros_like(patient)
        values = IntegratedGradients(forward).attribute(patient, baselines=mean, n_steps=_STEPS)
        with torch.no_grad():
            explained = float(forward(patient) - forward(mean))
    total = float(values.double().sum())
    return CtAttribution(values[0].double().detach().numpy(), (total - explained) / max(abs(explained), 1e-6))


def _forward(member: Member, inputs: Inputs) -> tuple[MScaleCTMember, Forward]:
    """The CT model, and the function from its scaled features to the log-odds."""
    if isinstance(member, ESparkMember):
        return member.ct, _fusion_forward(member, inputs)
    if not isinstance(member, MScaleCTMember):
        raise ValueError(f"{type(member).__name__} does not look at CT")
    known = torch.from_numpy(inputs.known_scales.astype(np.float32))
    return member, lambda radiomics: _difference(member.net(radiomics, known.expand(len(radiomics), -1)))


def _fusion_forward(member: ESparkMember, inputs: Inputs) -> Forward:
    known_scales = torch.from_numpy(inputs.known_scales.astype(np.float32))
    known, clinical = member.known(inputs), member.clinical_values(inputs)
    with torch.no_grad():
        slide, _ = member.net.slide_branch.embed(*pad_bags([member.chosen(inputs.bags[0])]))

    def forward(radiomics: Tensor) -> Tensor:
        rows = len(radiomics)
        vector = member.ct.net.embed(radiomics, known_scales.expand(rows, -1))
        values = None if clinical is None else clinical.expand(rows, -1)
        return _difference(member.net.fuse(vector, slide.expand(rows, -1), known.expand(rows, -1), values))

    return forward


def _difference(logits: Tensor) -> Tensor:
    return logits[:, 1] - logits[:, 0]
