"""From the name of a model to a trained fold of it."""

from __future__ import annotations

from collections.abc import Sequence

from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.clinical import ClinicalMember
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.member import Member
from espark.training.members.mscalect import MScaleCTMember
from espark.training.settings import ModelSettings
from espark.types import IntArray


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
        members["mscalect"] = ct = MScaleCTMember.train(*arguments)
    if "cytopath" in models:
        members["cytopath"] = slides = CytoPathMember.train(*arguments)
    if "espark" in models:
        members["espark"] = ESparkMember.train(*arguments, ct, slides)
    return members


def train_member(model: str, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Member:
    """Train one fold of one model, and of those that it starts from; arguments as in :func:`train_members`."""
    return train_members((*MODELS[model].starts_from, model), inputs, labels, settings, seed)[model]
