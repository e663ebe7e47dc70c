"""The fold models of one model, and how their answers become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import Member
from espark.training.operating_point import OperatingPoint
from espark.types import DoubleArray, Modality, Voting


@dataclass(frozen=True)
class Prediction:
    """The answer for one patient.

    Attributes:
        patient_id: whose.
        modality: what the answer rests on.
        probability: calibrated probability of the outcome: the mean of the members.
        probability_sd: SD of the members' calibrated probabilities.
        members: (folds,) each member's calibrated probability.
        prediction: 1 when the probability reaches the threshold or, by majority, when those of most members do.
        conformal_set: ``positive``, ``negative``, ``positive;negative`` (not sure) or empty (fits neither).
    """

    patient_id: str
    modality: Modality
    probability: float
    probability_sd: float
    members: tuple[float, ...]
    prediction: int
    conformal_set: str


def vote(
    patient_id: str, modality: Modality, members: DoubleArray, point: OperatingPoint, voting: Voting = "soft"
) -> Prediction:
    """Join the members' calibrated probabilities (folds,) into one answer.

    The probability, and with it the conformal set, is their mean. By majority, one member has one vote in the call; a
    tie is broken by the mean.
    """
    probability = float(members.mean())
    call = probability >= point.threshold
    balance = 2 * int((members >= point.threshold).sum()) - len(members)
    if voting == "majority" and balance != 0:
        call = balance > 0
    return Prediction(
        patient_id=patient_id,
        modality=modality,
        probability=probability,
        probability_sd=float(members.std(ddof=1)) if len(members) > 1 else 0.0,
        members=tuple(float(member) for member in members),
        prediction=int(call),
        conformal_set=point.sets.predict([probability])[0],
    )


def modalities_of(model: str, inputs: Inputs) -> tuple[Modality | None, ...]:
    """What a model looks at in each patient; None where there is nothing for it."""
    whole = MODELS[model].answers_from[0]
    if whole == "clinical":
        return tuple("clinical" if known else None for known in inputs.has_clinical)
    return inputs.only(whole).modalities


def voted(
    model: str, raw: DoubleArray, inputs: Inputs, points: Mapping[Modality, OperatingPoint], voting: Voting
) -> list[Prediction | None]:
    """Calibrate the answers of the folds by what each patient has, and let them vote.

    Args:
        model: name of the model in the catalogue.
        raw: (folds, patients) probabilities, not calibrated; NaN where a fold has nothing to look at.
        inputs: the patients.
        points: operating point for each modality.
        voting: how the members come to one call.

    Returns:
        The answer for each patient; None where a fold has nothing to look at.
    """
    answers: list[Prediction | None] = []
    for patient_id, modality, own in zip(inputs.patient_ids, modalities_of(model, inputs), raw.T, strict=True):
        if modality is None or not np.isfinite(own).all():
            answers.append(None)
            continue
        point = points[modality]
        answers.append(vote(patient_id, modality, point.calibrator.apply(own), point, voting))
    return answers


@dataclass(frozen=True)
class Ensemble:
    """Trained folds that vote.

    Attributes:
        model: name of the model in the catalogue.
        members: one trained fold each.
        points: operating point for each modality the model can be given.
        voting: how the members come to one call.
    """

    model: str
    members: tuple[Member, ...]
    points: Mapping[Modality, OperatingPoint]
    voting: Voting = "soft"

    def raw(self, inputs: Inputs) -> DoubleArray:
        """(folds, patients) each member's probability before calibration; NaN where it has nothing to look at."""
        return np.stack([expit(member.logits(inputs)) for member in self.members])

    def predict(self, inputs: Inputs) -> list[Prediction | None]:
        """The answer for each patient; None where there is nothing this model can look at."""
        return voted(self.model, self.raw(inputs), inputs, self.points, self.voting)

    def modality(self, inputs: Inputs, index: int) -> Modality | None:
        """What the model looks at in a patient; None when there is nothing for it."""
        return modalities_of(self.model, inputs)[index]
