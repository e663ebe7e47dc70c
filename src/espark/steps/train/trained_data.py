"""On which data the models and predictions of a study rest, and whether these are still its data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import pandas as pd

from espark.errors import BundleError, MissingStepError
from espark.files import digest, fingerprint
from espark.steps.prepare.imported_slides import feature_files_of
from espark.tables.table import listed
from espark.workspace.cohort import Patient
from espark.workspace.manifest import check_earlier_steps, last_entry, written
from espark.workspace.opened import Workspace
from espark.workspace.records import read_record

_MOST_NAMED = 5


def trained_facts(workspace: Workspace, models: Iterable[str]) -> dict[str, Any]:
    """What the manifest keeps of a training: a hash of each patient's data, and the hashes of the predictions."""
    layout = workspace.layout
    tables = [path for model in models for path in (layout.predictions(model), layout.members(model))]
    return {"data": patient_data(workspace), "outputs": written(workspace, tables)}


def check_trained_data(workspace: Workspace) -> None:
    """Stop a step that would use models or predictions of other data.

    Nothing is checked in a study that an earlier version trained: its manifest does not contain the hashes.

    Raises:
        MissingStepError: when `train` did not finish.
        InputError: when predictions were changed after the training.
        BundleError: when features, labels or patients are not those of the training.
    """
    entry = last_entry(workspace, "train")
    again = f"Run `espark train {workspace.root}` again. Folds whose data did not change stay."
    if (state := entry.get("state", "done")) != "done":
        raise MissingStepError(f"`espark train` did not finish ({state})", where=workspace.root, action=again)
    check_earlier_steps(workspace, "evaluate")
    if found := changed_patients(workspace):
        raise BundleError(
            f"the models were trained on other data than the study has now: {listed(found, _MOST_NAMED)}",
            where=workspace.root,
            action=again,
        )


def changed_patients(workspace: Workspace) -> list[str]:
    """Patients whose data are not those of the last training, with the reason."""
    then: dict[str, str] | None = last_entry(workspace, "train").get("data")
    if then is None:
        return []
    now = patient_data(workspace)
    found = []
    for name in dict.fromkeys([*now, *then]):
        if name not in now:
            found.append(f"{name} (not in cohort.csv any more)")
        elif name not in then:
            found.append(f"{name} (new)")
        elif then[name] != now[name]:
            found.append(f"{name} (features, or its row in cohort.csv, changed)")
    return found


def changed_predictions(workspace: Workspace) -> list[str]:
    """Tables of predictions that are not as `train` wrote them, with the reason."""
    outputs: dict[str, str] = last_entry(workspace, "train").get("outputs", {})
    found = []
    for name, then in outputs.items():
        path = workspace.root / name
        if not path.exists():
            found.append(f"{name} is missing")
        elif fingerprint(path) != then:
            found.append(f"{name} was changed after training")
    return found


def patient_data(workspace: Workspace) -> dict[str, str]:
    """By patient, a hash of all that training and predictions depend on.

    The tiles count through the hashes in the records of `prepare`, so that they are not read.
    """
    path = workspace.layout.radiomics
    table = pd.read_parquet(path).set_index("patient_id") if path.exists() else pd.DataFrame()
    radiomics = {
        str(name): hashlib.sha256(row.tobytes()).hexdigest()
        for name, row in zip(table.index, table.to_numpy(dtype=float), strict=True)
    }
    return {
        patient.patient_id: digest(
            [
                (patient.center, patient.role),
                patient.label,  # outside of development too, because the tables of predictions hold it
                patient.clinical,
                radiomics.get(patient.patient_id, ""),
                _tiles(workspace, patient),
            ]
        )
        for patient in workspace.cohort.used
    }


def _tiles(workspace: Workspace, patient: Patient) -> list[str]:
    """Hashes of the tile features of a patient's slides."""
    found = []
    for name in patient.files.named_slides:
        record = read_record(workspace.layout, patient.patient_id, name) or {}
        found += [content for file, content in record.get("outputs", {}).items() if file.endswith(".h5")]
    return found + [fingerprint(file.path) for file in feature_files_of(workspace, patient)]
