"""``splits.csv``: role and fold of every patient, written once, reused, never silently redrawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import write_csv
from espark.training.folds import draw_splits
from espark.types import IntArray
from espark.workspace.opened import Workspace


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
        splits = _saved(workspace, ids)[: protocol.repeats]
    if len(splits) < protocol.repeats:
        labels, centers = zip(*((int(patient.label or 0), patient.center) for patient in development), strict=True)
        drawn = draw_splits(labels, centers, protocol, workspace.config.study.seed)
        splits = np.concatenate([splits, drawn[len(splits) :]])
    _write(workspace, dict(zip(ids, splits.T.tolist(), strict=True)))
    return splits


def _saved(workspace: Workspace, ids: list[str]) -> IntArray:
    """(splits, patients) what the file holds of the development patients ``ids``."""
    path, count = workspace.layout.splits, workspace.config.protocol.folds
    table = pd.read_csv(path, dtype={"patient_id": str}).dropna(subset=["fold"]).set_index("patient_id")
    folds = table[[name for name in table.columns if name.startswith("fold")]].astype(int)
    found = int(folds["fold"].max()) + 1 if len(folds) else 0
    if set(folds.index) != set(ids) or found != count:
        changed = sorted(set(folds.index) ^ set(ids))
        raise InputError(
            f"it holds {len(folds)} development patients in {found} folds, the study {len(ids)} in {count}"
            + (f" (differing: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''})" if changed else ""),
            where=path,
            expected="the development patients it was drawn for",
            action="Put them back, or delete splits.csv and models/ to draw new folds on purpose.",
        )
    saved: IntArray = folds.loc[ids].to_numpy(np.int64).T
    return saved


def _columns(splits: int) -> list[str]:
    """Names of the columns that hold the folds, split by split."""
    return ["fold", *(f"fold_{split}" for split in range(2, splits + 1))]


def _write(workspace: Workspace, folds: dict[str, list[int]]) -> None:
    columns = _columns(workspace.config.protocol.repeats)
    missing = [None] * len(columns)
    rows = [(patient.patient_id, patient.role, *folds.get(patient.patient_id, missing)) for patient in workspace.cohort]
    table = pd.DataFrame(rows, columns=["patient_id", "role", *columns]).astype(dict.fromkeys(columns, "Int64"))
    write_csv(workspace.layout.splits, table)
