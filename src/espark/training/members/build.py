"""From the name of a model to a trained fold of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.clinical import ClinicalMember
from espark.training.members.ct_voices import CtVoicesMember
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.member import Member
from espark.training.members.mscalect import MScaleCTMember
from espark.training.members.slide_voices import SlideVoicesMember
from espark.training.members.state import MemberState
from espark.training.members.weighted_sum import WeightedSumMember
from espark.training.settings import ModelSettings
from espark.types import IntArray

_NETWORKS: dict[str, Any] = {
    "clinical": ClinicalMember,
    "mscalect": MScaleCTMember,
    "cytopath": CytoPathMember,
    "espark": ESparkMember,
}
_VOICES: dict[str, Any] = {
    "clinical": ClinicalMember,
    "mscalect": CtVoicesMember,
    "cytopath": SlideVoicesMember,
    "espark": WeightedSumMember,
}
"""By model, its folds where the settings name voices."""


def member_type(model: str, settings: ModelSettings) -> Any:
    """The class of a model's folds: of networks, or of voices where the settings name some."""
    return (_VOICES if settings.voiced(model) else _NETWORKS)[model]


def restore_member(model: str, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Member:
    """A trained fold from what was stored of it.

    Args:
        model: name in the catalogue.
        inputs: may be empty but names the features.
        settings: of all models.
        state: what the fold's `state` gave.
    """
    member: Member = member_type(model, settings).restore(inputs, settings, state)
    return member


def train_members(
    models: Sequence[str], inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int
) -> dict[str, Member]:
    """Train one fold of each model. eSPARK uses the fold's own MScaleCT and CytoPath.

    Args:
        models: names in the catalogue; eSPARK needs both of the others.
        inputs: the training part of the fold.
        labels: (patients,) 0 or 1.
        settings: of all models.
        seed: of the weights.

    Returns:
        The members by model.
    """
    members: dict[str, Member] = {}
    arguments = (inputs, labels, settings, seed)
    if "clinical" in models:
        members["clinical"] = ClinicalMember.train(*arguments)
    if "mscalect" in models:
        members["mscalect"] = ct = member_type("mscalect", settings).train(*arguments)
    if "cytopath" in models:
        members["cytopath"] = slides = member_type("cytopath", settings).train(*arguments)
    if "espark" in models:
        members["espark"] = member_type("espark", settings).train(*arguments, ct, slides)
    return members


def train_member(model: str, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Member:
    """Train one fold of one model, and of those that it starts from; arguments as in :func:`train_members`."""
    return train_members((*MODELS[model].starts_from, model), inputs, labels, settings, seed)[model]
