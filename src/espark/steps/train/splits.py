"""``splits.csv``: role and fold of every patient, written once, reused, never silently redrawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import digest, write_csv
from espark.training.folds import draw_splits
from espark.types import IntArray
from espark.workspace.manifest import note, noted
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

_FOLDS = "folds"
"""Name of the hash of the folds in the manifest."""


def read_or_draw_splits(workspace: Workspace) -> IntArray:
    """(splits, labelled development patients) the fold of each patient in each split, in the order of the cohort.

    Splits that the file does not hold yet are drawn; those that it holds stay.

    Raises:
        InputError: when ``splits.csv`` does not fit the cohort or the configuration any more.
    """
    protocol, development = workspace.config.protocol, workspace.cohort.development
    ids = [patient.patient_id for patient in development]
    splits = np.zeros((0, len(ids)), np.int64)
    if workspace.layout.splits.exists():
        splits = read_splits(workspace)[: protocol.repeats]
    if len(splits) < protocol.repeats:
        labels, centers = zip(*((int(patient.label or 0), patient.center) for patient in development), strict=True)
        drawn = draw_splits(labels, centers, protocol, workspace.config.study.seed)
        splits = np.concatenate([splits, drawn[len(splits) :]])
    _write(workspace, dict(zip(ids, splits.T.tolist(), strict=True)))
    return splits


def read_splits(workspace: Workspace) -> IntArray:
    """(splits, patients) the folds in ``splits.csv``, in the order of the development patients of the cohort.

    Raises:
        InputError: when the file is damaged, or does not fit the cohort or the configuration any more.
    """
    path, count = workspace.layout.splits, workspace.config.protocol.folds
    ids = [patient.patient_id for patient in workspace.cohort.development]
    saved = _saved(workspace)
    found = max((folds[0] for folds in saved.values()), default=-1) + 1
    if set(saved) != set(ids) or found != count:
        changed = sorted(set(saved) ^ set(ids))
        raise InputError(
            f"it holds {len(saved)} development patients in {found} folds, the study {len(ids)} in {count}"
            + (f" (differing: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''})" if changed else ""),
            where=path,
            expected="the development patients it was drawn for",
            action="Put them back, or delete splits.csv and models/ to draw new folds on purpose.",
        )
    return np.array([saved[patient_id] for patient_id in ids], dtype=np.int64).T


def _saved(workspace: Workspace) -> dict[str, list[int]]:
    """By development patient, the fold of each split in ``splits.csv``.

    Raises:
        InputError: when the file cannot be read, or was changed since the folds were drawn.
    """
    path = workspace.layout.splits
    saved: dict[str, list[int]] = {}
    try:
        table = stored_table(workspace.layout, path, dtype={"patient_id": str}).dropna(subset=["fold"])
        folds = table[[name for name in table.columns if name.startswith("fold")]].astype(int)
        saved = dict(zip(table["patient_id"].tolist(), folds.to_numpy().tolist(), strict=True))
        found = None if saved else "the table contains no folds"
    except InputError as error:
        found = error.found
    except KeyError as error:
        found = f"the table lacks the column {error}"
    except ValueError as error:
        found = f"a fold is not a number ({error})"
    drawn = noted(workspace, _FOLDS)
    if found is None and drawn in (None, digest(saved)):
        return saved
    raise InputError(
        found or "the folds differ from those that were drawn",
        where=path,
        action="Put the file back, or delete splits.csv and models/ to draw new folds on purpose.",
        code="E-STUDY-008",
    )


def _columns(splits: int) -> list[str]:
    """Names of the columns that hold the folds, split by split."""
    return ["fold", *(f"fold_{split}" for split in range(2, splits + 1))]


def _write(workspace: Workspace, folds: dict[str, list[int]]) -> None:
    columns = _columns(workspace.config.protocol.repeats)
    missing = [None] * len(columns)
    rows = [(patient.patient_id, patient.role, *folds.get(patient.patient_id, missing)) for patient in workspace.cohort]
    table = pd.DataFrame(rows, columns=["patient_id", "role", *columns]).astype(dict.fromkeys(columns, "Int64"))
    write_csv(workspace.layout.splits, table)
    note(workspace, _FOLDS, digest(folds))
