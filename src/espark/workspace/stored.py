"""Reading what espark wrote into a study: a damaged file is named, with the command that makes it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from espark.errors import InputError
from espark.files import read_json
from espark.workspace.layout import StudyLayout


def stored_table(layout: StudyLayout, path: Path, **options: Any) -> pd.DataFrame:
    """Read a CSV or Parquet table that a step wrote.

    Args:
        layout: the study folder.
        path: the table.
        options: for `pandas.read_csv`.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, **options)
    except (OSError, ValueError, TypeError, LookupError, pa.ArrowException) as error:
        raise _damaged(layout, path, f"the table cannot be read ({_first_line(error)})") from error


def stored_content(layout: StudyLayout, path: Path, *needed: str) -> dict[str, Any]:
    """Read a JSON file that a step wrote.

    Args:
        layout: the study folder.
        path: the file.
        needed: names that it must contain.

    Raises:
        InputError: when it is missing, cannot be read, or lacks one of the names.
    """
    try:
        content = read_json(path)
    except InputError as error:
        raise _damaged(layout, path, error.found) from error
    if not isinstance(content, dict) or not content.keys() >= set(needed):
        raise _damaged(layout, path, "the file does not contain what espark writes into it")
    return content


def damaged(path: Path, found: str, root: Path, step: str) -> InputError:
    """The error for a file that a step must make again."""
    return InputError(found, where=path, action=f"Run `espark {step} {root}` again.", code="E-STUDY-008")


def _damaged(layout: StudyLayout, path: Path, found: str) -> InputError:
    return damaged(path, found, layout.root, layout.made_by(path) or "run")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
