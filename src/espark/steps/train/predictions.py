"""``predictions/``: the answers of each model for every patient."""

from __future__ import annotations

import pandas as pd

from espark.bundle.bundle import Bundle
from espark.errors import MissingStepError
from espark.files import write_csv
from espark.steps.train.patients import other_patients
from espark.training.cross_validation import CrossValidated
from espark.training.ensemble import Prediction, modalities_of
from espark.training.inputs import Inputs
from espark.training.operating_point import OperatingPoint
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

_COLUMNS = [
    "patient_id", "center", "role", "fold", "label", "modality", "probability", "probability_sd", "n_models",
    "prediction", "conformal_set",
]  # fmt: skip


def write_predictions(workspace: Workspace, validated: CrossValidated, others: Inputs) -> None:
    """Write a model's predictions and those of its members.

    A development patient's probability is out of fold, with calibrator, threshold and sets fitted on the other folds;
    every other patient's is the mean of all fold models.

    Args:
        workspace: the opened study.
        validated: the model, trained on every fold.
        others: the patients outside development whom the folds were asked about, in the order of the cohort.
    """
    rows, members = _development_rows(workspace, validated)
    for patient, answer in zip(other_patients(workspace), validated.answers(others), strict=True):
        if answer is not None:
            rows[patient.patient_id] = _row(patient, answer)
            members += [(patient.patient_id, fold, value) for fold, value in enumerate(answer.members)]
    ordered = [rows[patient.patient_id] for patient in workspace.cohort if patient.patient_id in rows]
    name = validated.model
    answered = pd.DataFrame(ordered, columns=_COLUMNS).astype({"fold": "Int64", "label": "Int64"})
    write_csv(workspace.layout.predictions(name), workspace.outcome.named(answered))
    table = pd.DataFrame(members, columns=["patient_id", "fold", "probability"])
    write_csv(workspace.layout.members(name), table)


def read_predictions(workspace: Workspace, model: str) -> pd.DataFrame:
    """Predictions of a model, with the name of the cohort each patient is evaluated in.

    Raises:
        MissingStepError: when the model was not trained.
        InputError: when it was trained for another outcome.
    """
    path = workspace.layout.predictions(model)
    if not path.exists():
        raise MissingStepError(
            "there are no predictions", where=path, action=f"Run `espark train {workspace.root}` first."
        )
    whole = {"fold": "Int64", workspace.outcome.column: "Int64"}
    table = stored_table(workspace.layout, path, dtype={"patient_id": str, "center": str, **whole}, na_filter=True)
    table = workspace.outcome.neutral(table, path)
    # An empty set is an answer, not a gap.
    table["conformal_set"] = table["conformal_set"].fillna("")
    table["cohort"] = [workspace.cohort[patient_id].cohort_name for patient_id in table["patient_id"]]
    return table


def _row(patient: Patient, answer: Prediction) -> tuple[object, ...]:
    return (
        patient.patient_id, patient.center, patient.role, None, patient.label, answer.modality, answer.probability,
        answer.probability_sd, len(answer.members), answer.prediction, answer.conformal_set,
    )  # fmt: skip


def _development_rows(
    workspace: Workspace, validated: CrossValidated
) -> tuple[dict[str, tuple[object, ...]], list[tuple[str, int, float]]]:
    fitted, folds = validated.cross_fitted, validated.development.folds
    modalities = modalities_of(validated.model, validated.development.inputs)
    splits = len(validated.development.splits)
    rows: dict[str, tuple[object, ...]] = {}
    members = []
    for place, index in enumerate(validated.usable):
        patient = workspace.cohort.development[index]
        rows[patient.patient_id] = (
            patient.patient_id, patient.center, patient.role, int(folds[index]), patient.label, modalities[index],
            fitted.probability[place], None, splits, int(fitted.prediction[place]), fitted.sets[place],
        )  # fmt: skip
        members.append((patient.patient_id, int(folds[index]), float(fitted.probability[place])))
    return rows, members


def operating_threshold(bundle: Bundle) -> float:
    """The threshold that holds where everything the model looks at is there."""
    points = bundle.card.operating_points
    own = "both" if "both" in points else next(iter(points))
    return OperatingPoint.from_dict(points[own]).threshold
