"""The patients of a study as training sees them: development patients with their folds, and all others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espark.steps.train.splits import read_or_draw_splits
from espark.training.cross_validation import Development
from espark.training.inputs import Inputs
from espark.types import IntArray
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace


def development_patients(workspace: Workspace, inputs: Inputs) -> Development:
    """The labelled development patients among ``inputs``, with their folds."""
    splits = read_or_draw_splits(workspace)
    labels = np.array([int(patient.label or 0) for patient in workspace.cohort.development])
    return Development(inputs.subset(development_places(workspace, inputs)), labels, splits)


def development_places(workspace: Workspace, inputs: Inputs) -> IntArray:
    """(labelled development patients,) their places among ``inputs``."""
    return _places(workspace.cohort.development, inputs)


def other_patients(workspace: Workspace) -> list[Patient]:
    """Everybody to be predicted whom no fold is trained on."""
    return [patient for patient in workspace.cohort.used if patient.role != "development"]


def other_places(workspace: Workspace, inputs: Inputs) -> IntArray:
    """(other patients,) the places of :func:`other_patients` among ``inputs``."""
    return _places(other_patients(workspace), inputs)


def _places(patients: Sequence[Patient], inputs: Inputs) -> IntArray:
    position = {patient_id: index for index, patient_id in enumerate(inputs.patient_ids)}
    return np.array([position[patient.patient_id] for patient in patients], dtype=np.int64)
