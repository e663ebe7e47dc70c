"""Radiomic features made elsewhere: a CSV, Parquet or XLSX table with one row per patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from espark.errors import TableError
from espark.notes import Note
from espark.tables.read import read_table

_FEW = 5
_MOST = 0.9


@dataclass(frozen=True)
class FeatureValues:
    """A table of features that was read.

    Attributes:
        path: the file.
        values: one row per patient, indexed by patient id as text; float64 columns, NaN where a cell is empty.
        left_out: columns that are not features.
        notes: decisions made while reading, and doubts.
    """

    path: Path
    values: pd.DataFrame
    left_out: tuple[str, ...]
    notes: tuple[Note, ...]


def read_feature_table(path: Path, patient_column: str, patterns: Sequence[str]) -> FeatureValues:
    """Read a table of radiomic features.

    Args:
        path: the table; CSV, Parquet or XLSX (first sheet).
        patient_column: column with the patients' ids.
        patterns: which columns are features; ``*`` matches any text.

    Raises:
        TableError: when the table cannot be read, a patient appears twice, a row has no patient, no column matches, a
            column appears twice, or a cell is not a finite number.
    """
    table = read_table(path, key=patient_column)
    ids = table.ids(patient_column)
    if not ids:
        raise TableError("the table holds no rows", where=path, expected="one row per patient", code="E-TABLE-002")
    others = [name for name in table.header if name != patient_column]
    names = [name for name in others if any(fnmatchcase(name, pattern) for pattern in patterns)]
    if not names:
        raise TableError(
            f"no column matches {', '.join(patterns)}",
            where=path,
            expected="PyRadiomics names, such as original_firstorder_Mean",
            action="Name the feature columns in `columns`.",
            code="E-TABLE-012",
        )
    values = np.column_stack([table.number_column(name) for name in names])
    features = pd.DataFrame(values, index=list(ids), columns=names)
    left_out = tuple(name for name in others if name and name not in set(names))
    return FeatureValues(path, features, left_out, (*table.notes, *_rows_of_one_value(path, features)))


def _rows_of_one_value(path: Path, features: pd.DataFrame) -> tuple[Note, ...]:
    """A doubt about patients with nearly all features equal to one number. Their computation may have failed."""
    if features.shape[1] < _FEW:
        return ()
    found = []
    for patient, row in features.iterrows():
        counts = row.value_counts()
        if len(counts) and counts.iloc[0] >= max(_FEW, _MOST * row.notna().sum()):
            found.append(f"{patient} ({counts.index[0]:g})")
    if not found:
        return ()
    text = f"{path.name}: nearly all features are the same number for {', '.join(found)}."
    return (Note("D-TABLE-004", text),)
