"""Reads a table of any known format. An error names a format that espark does not read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from espark.errors import TableError
from espark.tables.columnar import read_parquet_table
from espark.tables.delimited import read_delimited
from espark.tables.spreadsheet import read_spreadsheet
from espark.tables.table import Table

_READERS = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".parquet": read_parquet_table,
    ".xlsx": read_spreadsheet,
    ".xlsm": read_spreadsheet,
}
_REFUSED = {
    ".xls": "an Excel workbook of the old format",
    ".xlsb": "a binary Excel workbook",
    ".ods": "an OpenDocument spreadsheet",
    ".numbers": "a spreadsheet of Apple Numbers",
    ".sav": "an SPSS file",
    ".dta": "a Stata file",
    ".sas7bdat": "a SAS file",
    ".rds": "an R file",
    ".rdata": "an R file",
    ".json": "a JSON file",
}


def read_table(path: Path, *, key: str) -> Table:
    """Read a table as text.

    Args:
        path: CSV (commas, semicolons or tabs; UTF-8 or UTF-16), Parquet, or XLSX (first sheet).
        key: column of the patients' ids. In a spreadsheet, ids are read as Excel shows them.

    Raises:
        TableError: when the file is missing, has a different format, is damaged, or has more cells than the header.
    """
    suffix = path.suffix.lower()
    reader = _READERS.get(suffix)
    if reader is None:
        what = _REFUSED.get(suffix, f"'{path.suffix}', which is not a table")
        raise TableError(
            f"this is {what}", where=path, expected="CSV, Parquet or XLSX",
            action="Open it in the program that made it, and save it as XLSX or as CSV UTF-8.", code="E-TABLE-002",
        )  # fmt: skip
    try:
        table = reader(path, key)
    except FileNotFoundError:
        raise _missing(path) from None
    twice = [name for name, count in Counter(table.header).items() if count > 1 and name]
    if twice:
        positions = [number for number, name in enumerate(table.header, start=1) if name == twice[0]]
        raise TableError(
            f"column '{twice[0]}' appears {'twice' if len(positions) == 2 else f'{len(positions)} times'} "
            f"(columns {' and '.join(map(str, positions))})",
            where=path,
            expected="every name once",
            action="Keep one of them, or give them different names.",
            code="E-TABLE-005",
        )
    return table


def _missing(path: Path) -> TableError:
    """The error for a missing file. It names a file of the same name in a different format, if there is one."""
    beside = sorted(
        other.name
        for other in (path.parent.iterdir() if path.parent.is_dir() else ())
        if other.stem.lower() == path.stem.lower() and other.suffix.lower() in {*_READERS, *_REFUSED}
    )
    action = f"There is {beside[0]}: save it as {path.name}." if beside else "Check the name of the file."
    return TableError("the table is missing", where=path, action=action, code="E-TABLE-001")
