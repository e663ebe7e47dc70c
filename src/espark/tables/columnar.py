"""Parquet tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from espark.errors import TableError
from espark.tables.table import Table, cleaned
from espark.tables.values import as_text, id_as_text


def read_parquet_table(path: Path, key: str) -> Table:
    """Read Parquet. Its index may hold the ids.

    Raises:
        FileNotFoundError: when there is no such file.
        TableError: when it cannot be read.
    """
    try:
        frame = pd.read_parquet(path)
    except FileNotFoundError:
        raise
    except (ValueError, TypeError, LookupError, OSError, pa.ArrowException) as error:
        raise TableError(
            f"the table cannot be read ({error})", where=path, action="Write or copy it again.", code="E-TABLE-002"
        ) from error
    if key not in frame.columns and key in frame.index.names:
        frame = frame.reset_index()
    header = tuple(cleaned(str(name)) for name in frame.columns)
    columns = [
        [(id_as_text if name == key else as_text)(value) for value in frame.iloc[:, position].astype(object).tolist()]
        for position, name in enumerate(header)
    ]
    rows = tuple(zip(*columns, strict=True))
    return Table(path, header, rows, tuple(range(1, len(rows) + 1)), row_word="row")
