"""Parquet tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from espark.errors import TableError
from espark.intake.budget import require_room
from espark.tables.size import check_shape
from espark.tables.table import Table, cleaned
from espark.tables.values import as_text, id_as_text

_CELL_BYTES = 200
"""A cell as a value, as text, and in the rows of a table."""


def read_parquet_table(path: Path, key: str) -> Table:
    """Read Parquet. Its index may hold the ids.

    Raises:
        FileNotFoundError: when there is no such file.
        TableError: when it cannot be read.
    """
    try:
        declared = pq.read_metadata(path)
        check_shape(path, rows=declared.num_rows, columns=declared.num_columns)
        require_room(declared.num_rows * declared.num_columns * _CELL_BYTES, where=path, error=TableError)
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
