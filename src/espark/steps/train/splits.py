"""``splits.csv``: role and fold of every patient, written once, reused, never silently redrawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import write_csv
from espark.training.folds import draw_splits
from espark.types import IntArray
from espark.workspace.opened import Workspace


def read_or_draw_splits(workspace: Workspace) -> IntArray:
    """(splits, labelled development patients) the fold of each patient in each split, in the order of the cohort.

    Raises:
        InputError: when ``splits.csv`` does not fit the cohort or the configuration any more.
    """
    path, protocol = workspace.layout.splits, workspace.config.protocol
    development = workspace.cohort.development
    ids = [patient.patient_id for patient in development]
    if not path.exists():
        labels = [int(patient.label or 0) for patient in development]
        centers = [patient.center for patient in development]
        drawn = draw_splits(labels, centers, protocol, workspace.config.study.seed)
        _write(workspace, dict(zip(ids, drawn.T.tolist(), strict=True)))
        return drawn
    saved = _read(path, protocol.repeats)
    folds = 1 + max((max(row) for row in saved.values()), default=-1)
    if set(saved) != set(ids) or folds != protocol.folds:
        changed = sorted(set(saved) ^ set(ids))
        raise InputError(
            f"it holds {len(saved)} development patients in {folds} folds, the study {len(ids)} in {protocol.folds}"
            + (f" (differing: {', '.join(changed[:5])}{' …' if len(changed) > 5 else ''})" if changed else ""),
            where=path,
            expected="the development patients it was drawn for",
            action="Put them back, or delete splits.csv and models/ to draw new folds on purpose.",
        )
    _write(workspace, saved)
    return np.array([saved[patient_id] for patient_id in ids], dtype=np.int64).T


def _columns(splits: int) -> list[str]:
    """Names of the columns that hold the folds, split by split."""
    return ["fold", *(f"fold_{split}" for split in range(2, splits + 1))]


def _read(path: Path, splits: int) -> dict[str, list[int]]:
    """By development patient, the fold in each split."""
    table = pd.read_csv(path, dtype={"patient_id": str})
    wanted, found = _columns(splits), [name for name in table.columns if name.startswith("fold")]
    if found != wanted:
        raise InputError(
            f"it holds {len(found)} splits into folds, and study.toml asks for {splits}",
            where=path,
            expected=f"[protocol] repeats = {len(found)}",
            action="Put the setting back, or delete splits.csv and models/ to draw new folds on purpose.",
        )
    known = table.dropna(subset=wanted)
    return dict(zip(known["patient_id"], known[wanted].astype(int).to_numpy().tolist(), strict=True))


def _write(workspace: Workspace, folds: dict[str, list[int]]) -> None:
    columns = _columns(workspace.config.protocol.repeats)
    missing = [None] * len(columns)
    rows = [(patient.patient_id, patient.role, *folds.get(patient.patient_id, missing)) for patient in workspace.cohort]
    table = pd.DataFrame(rows, columns=["patient_id", "role", *columns]).astype(dict.fromkeys(columns, "Int64"))
    write_csv(workspace.layout.splits, table)
