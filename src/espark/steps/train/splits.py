"""``splits.csv``: role and fold of every patient, written once, reused, never silently redrawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import digest, write_csv
from espark.training.folds import draw_folds
from espark.types import IntArray
from espark.workspace.manifest import note, noted
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

_FOLDS = "folds"
"""Name of the hash of the folds in the manifest."""


def read_or_draw_splits(workspace: Workspace) -> IntArray:
    """The fold of each labelled development patient, in the order of the cohort.

    Raises:
        InputError: when ``splits.csv`` does not fit the cohort or the configuration any more.
    """
    path = workspace.layout.splits
    development = workspace.cohort.development
    if not path.exists():
        folds = draw_folds(
            [int(patient.label or 0) for patient in development],
            [patient.center for patient in development],
            folds=workspace.config.protocol.folds,
            seed=workspace.config.study.seed,
        )
        _write(workspace, dict(zip((patient.patient_id for patient in development), folds.tolist(), strict=True)))
        return folds
    saved = _saved(workspace)
    ids = [patient.patient_id for patient in development]
    if set(saved) != set(ids) or max(saved.values()) + 1 != workspace.config.protocol.folds:
        changed = sorted(set(saved) ^ set(ids))
        found = f"it holds {len(saved)} development patients in {max(saved.values(), default=-1) + 1} folds"
        raise InputError(
            f"{found}, the study {len(ids)} in {workspace.config.protocol.folds}"
            + (f" (differing: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''})" if changed else ""),
            where=path,
            expected="the development patients it was drawn for",
            action="Put them back, or delete splits.csv and models/ to draw new folds on purpose.",
        )
    _write(workspace, saved)
    return np.array([saved[patient_id] for patient_id in ids], dtype=np.int64)


def _saved(workspace: Workspace) -> dict[str, int]:
    """By development patient, the fold in ``splits.csv``.

    Raises:
        InputError: when the file cannot be read, or was changed since the folds were drawn.
    """
    path = workspace.layout.splits
    try:
        table = stored_table(workspace.layout, path, dtype={"patient_id": str, "fold": "Int64"})
        saved = {row.patient_id: int(row.fold) for row in table.dropna(subset=["fold"]).itertuples()}
        found = None if saved else "the table contains no folds"
    except InputError as error:
        found = error.found
    except (AttributeError, KeyError) as error:
        found = f"the table lacks the column {error}"
    drawn = noted(workspace, _FOLDS)
    if found is None and drawn in (None, digest(saved)):
        return saved
    raise InputError(
        found or "the folds differ from those that were drawn",
        where=path,
        action="Put the file back, or delete splits.csv and models/ to draw new folds on purpose.",
        code="E-STUDY-008",
    )


def _write(workspace: Workspace, folds: dict[str, int]) -> None:
    rows = [(patient.patient_id, patient.role, folds.get(patient.patient_id)) for patient in workspace.cohort]
    table = pd.DataFrame(rows, columns=["patient_id", "role", "fold"]).astype({"fold": "Int64"})
    write_csv(workspace.layout.splits, table)
    note(workspace, _FOLDS, digest(folds))
