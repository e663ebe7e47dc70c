"""How large a table may be."""

from __future__ import annotations

from pathlib import Path

from espark.errors import TableError

_MOST_ROWS, _MOST_COLUMNS = 200_000, 50_000


def check_shape(path: Path, *, rows: int, columns: int) -> None:
    """Refuse a table that is larger than any table of patients.

    Args:
        path: the file.
        rows: number of its rows, or of those that were read so far.
        columns: number of its columns, or of the cells in a row.

    Raises:
        TableError: when it has too many rows or columns.
    """
    if rows <= _MOST_ROWS and columns <= _MOST_COLUMNS:
        return
    found = f"{columns:,} columns" if columns > _MOST_COLUMNS else f"more than {_MOST_ROWS:,} rows"
    raise TableError(
        f"the table has {found}",
        where=path,
        expected=f"a row for each patient: at most {_MOST_ROWS:,} rows and {_MOST_COLUMNS:,} columns",
        action="Check that this is the right file. Keep only the columns that you need.",
        code="E-FILE-002",
    )
