"""Every model trained on every fold, and what is fitted on the answers for the patients a fold did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.clinical import ClinicalMember
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.member import Member
from espark.training.members.mscalect import MScaleCTMember
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray, Modality
from espark.workspace.config import ProtocolSettings

_FEWEST_FOR_OPERATING_POINT = 5


@dataclass(frozen=True)
class Development:
    """The labelled development patients.

    Attributes:
        inputs: what the models look at.
        labels: (patients,) 0 or 1.
        folds: (patients,) the fold that does not see the patient in training.
    """

    inputs: Inputs
    labels: IntArray
    folds: IntArray


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


def out_of_fold(members: Sequence[Member], development: Development, modality: Modality) -> DoubleArray:
    """(patients,) probability of the member that did not see the patient, looking at ``modality`` alone.

    NaN for a patient of whom there is nothing of it. "both" is whatever there is of the patient.
    """
    inputs = development.inputs.only(modality)
    raw = np.full(len(inputs), np.nan)
    for fold, member in enumerate(members):
        held_out = np.flatnonzero(development.folds == fold)
        raw[held_out] = 1 / (1 + np.exp(-member.logits(inputs.subset(held_out))))
    return raw


def operating_points(
    model: str, members: Sequence[Member], development: Development, protocol: ProtocolSettings
) -> tuple[dict[Modality, OperatingPoint], DoubleArray]:
    """Fit an operating point for each modality; where too few patients have it, that of all patients.

    Args:
        model: name of the model in the catalogue.
        members: one trained fold each.
        development: whom the folds were trained on.
        protocol: how the threshold is chosen, and the coverage of the sets.

    Returns:
        The points, first that of all the model can look at, and the raw out-of-fold probability (patients,) there.
    """
    answerable = MODELS[model].answers_from
    raw = {modality: out_of_fold(members, development, modality) for modality in answerable}
    pooled = raw[answerable[0]]
    points: dict[Modality, OperatingPoint] = {}
    for modality, values in raw.items():
        usable = np.isfinite(values)
        labels = development.labels[usable]
        if min(labels.sum(), (1 - labels).sum()) < _FEWEST_FOR_OPERATING_POINT:
            values, usable = pooled, np.isfinite(pooled)
            labels = development.labels[usable]
        points[modality] = OperatingPoint.fit(labels, values[usable], protocol)
    return points, pooled
