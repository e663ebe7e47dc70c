"""Radiomic features made elsewhere: a CSV, Parquet or XLSX table with one row per patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from espark.errors import FeatureError, nearest


def read_feature_table(path: Path, patient_column: str, patterns: Sequence[str]) -> pd.DataFrame:
    """Read a table of radiomic features.

    Args:
        path: the table; CSV, Parquet or XLSX (first sheet).
        patient_column: column that holds the patient's id.
        patterns: which columns are features; ``*`` stands for anything.

    Returns:
        One row per patient, indexed by patient id as text; float64 columns, NaN where a cell is empty.

    Raises:
        FeatureError: when the table cannot be read, a patient stands there twice or a row has none, no column matches,
            a column stands there twice, or a cell is not a finite number.
    """
    table = _read(path, patient_column)
    table.columns = [str(name).strip() for name in table.columns]
    if patient_column not in table.columns:
        guess = nearest(patient_column, table.columns)
        raise FeatureError(
            f"there is no column '{patient_column}'",
            where=path,
            action=f"Did you mean '{guess}'?" if guess else "Name the column of the patient's id in patient_column.",
        )
    names = [name for name in table.columns if any(fnmatchcase(name, pattern) for pattern in patterns)]
    names = [name for name in names if name != patient_column]
    if not names:
        raise FeatureError(
            f"no column matches {', '.join(patterns)}",
            where=path,
            expected="names as PyRadiomics gives them, such as original_firstorder_Mean",
            action="Name the feature columns in `columns`.",
        )
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise FeatureError(f"column '{repeated[0]}' stands there twice", where=path, expected="every name once")
    if table[patient_column].isna().any():
        row = int(table[patient_column].isna().to_numpy().argmax()) + 1
        raise FeatureError(f"row {row} has no patient", where=path, expected=f"an id in '{patient_column}'")
    ids = table[patient_column].map(_patient_id)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise FeatureError(f"patient '{twice.iloc[0]}' stands there twice", where=path, expected="one row per patient")
    features = table[names].apply(lambda column: _numbers(column, path)).astype(float)
    return features.set_axis(ids.to_list(), axis=0)


def _read(path: Path, patient_column: str) -> pd.DataFrame:
    """The table as it stands; ids are text, so that they keep leading zeros."""
    ids_as_text = {patient_column: str}
    readers: dict[str, Callable[[], pd.DataFrame]] = {
        ".csv": lambda: pd.read_csv(path, dtype=ids_as_text),
        ".parquet": lambda: pd.read_parquet(path),
        ".xlsx": lambda: pd.read_excel(path, dtype=ids_as_text),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FeatureError(f"'{path.suffix}' is not a table", where=path, expected=", ".join(readers))
    try:
        return reader()
    except FileNotFoundError:
        raise FeatureError("the feature table is missing", where=path, action="Correct `file`.") from None
    except (ValueError, OSError, KeyError) as error:
        raise FeatureError(f"the table cannot be read ({error})", where=path) from error


def _patient_id(value: object) -> str:
    """Ids as text; a whole number that a spreadsheet made a float loses its '.0'."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _numbers(column: pd.Series, path: Path) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column[(numbers.isna() & column.notna()) | np.isinf(numbers)]
    if len(wrong):
        raise FeatureError(f"column '{column.name}' holds '{wrong.iloc[0]}', which is not a finite number", where=path)
    return numbers
