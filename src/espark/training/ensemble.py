"""The fold models of one model, and how their answers become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.members import Member
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
        """The answer for each patient; None for one of whom there is nothing this model can look at."""
        raw = self.raw(inputs)
        answers: list[Prediction | None] = []
        for index, patient_id in enumerate(inputs.patient_ids):
            modality = self.modality(inputs, index)
            if modality is None:
                answers.append(None)
                continue
            point = self.points[modality]
            members = point.calibrator.apply(raw[:, index])
            answers.append(vote(patient_id, modality, members, point, self.voting))
        return answers

    def modality(self, inputs: Inputs, index: int) -> Modality | None:
        """What the model looks at in a patient; None when there is nothing for it."""
        modalities = MODELS[self.model].modalities
        if modalities == ("clinical",):
            return "clinical" if inputs.has_clinical[index] else None
        return (inputs if len(modalities) == 2 else inputs.only(modalities[0])).modality(index)
