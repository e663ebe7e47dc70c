"""Two patients to look at side by side, usually one with the outcome and one without, and what speaks most in each."""

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
        left: id of the one on the left; by the rule the one with the outcome.
        right: id of the other.
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
    """The most confident correct patient of each class, fixed before any picture was looked at.

    Confident is the probability farthest from that of the other class; a tie goes to the first in the table. Patients
    outside development come first, for no model saw them; only where they lack a correct patient of either class,
    everybody is looked at, development patients out of fold.

    Args:
        predictions: ``patient_id``, ``role``, ``label`` (missing where not known), ``probability``, ``prediction``.
        eligible: ids of patients who can be shown.
        outcome: what was predicted.

    Returns:
        None where no patient of one of the classes was called correctly.
    """
    known = predictions[predictions["label"].notna() & predictions["patient_id"].isin(list(eligible))]
    correct = known[known["label"].astype(float) == known["prediction"].astype(float)]
    outside = correct["role"] != "development"
    for part, where in (
        (correct[outside], "outside development"),
        (correct, "of all cohorts, development patients out of fold"),
    ):
        positive, negative = part[part["label"] == 1], part[part["label"] == 0]
        if len(positive) and len(negative):
            return Pair(
                str(positive["patient_id"].iloc[int(np.argmax(positive["probability"].to_numpy(float)))]),
                str(negative["patient_id"].iloc[int(np.argmin(negative["probability"].to_numpy(float)))]),
                f"the most confident correct answer of each class among the {len(positive)} patients with and the "
                f"{len(negative)} without {outcome.name} {where} whose answers were correct",
            )
    return None


def speaking_features(
    names: Sequence[str], attribution: DoubleArray, standardized: DoubleArray, *, top: int
) -> list[SpeakingFeature]:
    """The features with the largest absolute attribution, largest first; those without any are left out.

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
