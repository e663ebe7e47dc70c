"""Two patients to compare side by side, usually one with the outcome and one without, and their main features."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from espark.outcome import Outcome
from espark.types import DoubleArray


@dataclass(frozen=True)
class Pair:
    """Two patients.

    Attributes:
        left: id of the patient on the left; by the rule, the patient with the outcome.
        right: id of the patient on the right.
        basis: how they were chosen, as it continues "The pair is …".
    """

    left: str
    right: str
    basis: str


@dataclass(frozen=True)
class SpeakingFeature:
    """A feature of one patient.

    Attributes:
        name: PyRadiomics name.
        value: in SD from the mean development patient.
        attribution: what it adds to the log-odds.
    """

    name: str
    value: float
    attribution: float


def confident_pair(predictions: pd.DataFrame, eligible: Collection[str], outcome: Outcome) -> Pair | None:
    """The patient of each class with the most confident correct answer, by a rule fixed before any picture was seen.

    The most confident answer is the highest probability with the outcome and the lowest without; a tie goes to the
    first in the table. The rule uses patients outside development, because no model saw them. Only when one class has
    no correct answer there, it uses all patients, development patients out of fold.

    Args:
        predictions: ``patient_id``, ``role``, ``label`` (missing where not known), ``probability``, ``prediction``.
        eligible: ids of patients who can be shown.
        outcome: what was predicted.

    Returns:
        None when no patient of one of the classes was called correctly.
    """
    known = predictions[predictions["label"].notna() & predictions["patient_id"].isin(list(eligible))]
    correct = known[known["label"].astype(float) == known["prediction"].astype(float)]
    outside = correct["role"] != "development"
    for part, where in (
        (correct[outside], "outside development"),
        (correct, "of all cohorts (development patients out of fold)"),
    ):
        positive, negative = part[part["label"] == 1], part[part["label"] == 0]
        if len(positive) and len(negative):
            return Pair(
                str(positive["patient_id"].iloc[int(np.argmax(positive["probability"].to_numpy(float)))]),
                str(negative["patient_id"].iloc[int(np.argmin(negative["probability"].to_numpy(float)))]),
                f"the most confident correct answer of each class among the correct answers {where}: "
                f"{len(positive)} patients with and {len(negative)} without {outcome.name}",
            )
    return None


def speaking_features(
    names: Sequence[str], attribution: DoubleArray, standardized: DoubleArray, *, top: int
) -> list[SpeakingFeature]:
    """The features with the largest absolute attribution, largest first, without features that add nothing.

    Args:
        names: (features,) of one scale.
        attribution: (features,) in log-odds.
        standardized: (features,) in SD of the development patients.
        top: how many, at most.
    """
    order = np.argsort(-np.abs(attribution), kind="stable")[:top]
    return [
        SpeakingFeature(names[index], float(standardized[index]), float(attribution[index]))
        for index in order
        if attribution[index] != 0
    ]
