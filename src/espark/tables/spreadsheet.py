"""XLSX workbooks: ids as Excel shows them, values as Excel computed them."""

from __future__ import annotations

import datetime
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.cell import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from espark.errors import TableError
from espark.intake.budget import DEFLATE, require_room
from espark.notes import Note
from espark.tables.size import check_shape
from espark.tables.table import Table, cleaned
from espark.tables.values import as_text, id_as_text

_DAMAGED = (
    zipfile.BadZipFile, zlib.error, InvalidFileException, NotImplementedError, OSError, EOFError, SyntaxError,
    ValueError, LookupError, TypeError, AttributeError,
)  # fmt: skip
"""The errors that zipfile, the XML parser and openpyxl raise for a damaged workbook."""
_COPIES = 15  # a cell takes 30 bytes in XML and 500 in Python
_MOST_CELLS = 20_000_000
_XML_START = 4096
_SURE_DIGITS = 15
"""Excel keeps this many digits of a number and replaces the others by zeros."""
_PLAIN_FORMAT = re.compile(r"general|@|0|[#,0]*[#0](\.[0#]+)?", re.IGNORECASE)
_LITERAL = r'"[^"]*"|\\.|[-/_ ]'
_ZERO_FORMAT = re.compile(rf"(?:{_LITERAL}|0)+")
_FORMAT_PART = re.compile(rf"{_LITERAL}|0")
_FORMAT_PREFIX = re.compile(r"\[(?:\$[^\]]*|Black|Blue|Cyan|Green|Magenta|Red|White|Yellow)\]", re.IGNORECASE)


def read_spreadsheet(path: Path, key: str) -> Table:
    """Read the first sheet of a workbook.

    Args:
        path: the file.
        key: column of the patients' ids. They are read as Excel shows them: 8 in the format ``000`` is 008.

    Raises:
        FileNotFoundError: when there is no such file.
        TableError: when it cannot be read, or a cell holds an error or a formula that was never computed.
    """
    name, others, cells = _sheet(path, computed=True)
    notes = []
    if others:
        text = f"{path.name}: the workbook has {1 + len(others)} sheets. Only the first, '{name}', was read."
        notes.append(Note("N-TABLE-006", text))
    cells = [(number, row) for number, row in cells if any(_is_filled(cell) for cell in row)]
    if not cells:
        raise TableError(f"the sheet '{name}' is empty", where=path, expected="a header and rows", code="E-TABLE-002")
    _, top = cells[0]
    header = [cleaned(as_text(cell.value)) for cell in top]
    filled = range(max(len(row) for _, row in cells))
    header += [""] * (len(filled) - len(header))
    _refuse_formulas_without_value(path, cells)
    rows = tuple(
        tuple(_text(path, number, index, row, is_id=header[index] == key) for index in filled)
        for number, row in cells[1:]
    )
    kept = [index for index in filled if header[index] or any(row[index] for row in rows)]
    notes += _mixed_percents(path, header, [row for _, row in cells[1:]])
    return Table(
        path=path,
        header=tuple(header[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in rows),
        numbers=tuple(number for number, _ in cells[1:]),
        row_word="row",
        notes=tuple(notes),
    )


def _sheet(path: Path, *, computed: bool) -> tuple[str, list[str], list[tuple[int, Sequence[Any]]]]:
    """Name of the first sheet, names of the others, and its rows with their numbers."""
    try:
        _check_parts(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=computed)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # some programs write a wrong size of a sheet
            rows = list(_rows(path, sheet))
            return sheet.title, [other.title for other in book.worksheets[1:]], rows
        finally:
            book.close()
    except FileNotFoundError:
        raise
    except _DAMAGED as error:
        raise TableError(
            f"the workbook cannot be read ({error})", where=path, expected="an XLSX workbook without a password",
            action="Open it in Excel or LibreOffice and save it again as XLSX.", code="E-TABLE-002",
        ) from error  # fmt: skip


def _check_parts(path: Path) -> None:
    """Refuse a workbook that unpacks to more than fits into memory, or whose XML defines entities."""
    with zipfile.ZipFile(path) as archive:
        declared = sum(part.file_size for part in archive.infolist())
        stored = path.stat().st_size
        require_room(declared, where=path, stored=stored, packing=DEFLATE, copies=_COPIES, error=TableError)
        for part in archive.infolist():
            with archive.open(part) as content:
                if b"<!DOCTYPE" in content.read(_XML_START):
                    raise TableError(
                        "a part of the workbook has a document type, which no program writes", where=path,
                        action="Open it in Excel or LibreOffice and save it again as XLSX.", code="E-TABLE-002",
                    )  # fmt: skip


def _rows(path: Path, sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    """Rows with their numbers. A cell in the last column makes a row of 16,384 cells, so the cells are counted."""
    cells = 0
    for number, row in enumerate(sheet.iter_rows(), start=1):
        cells += len(row)
        check_shape(path, rows=number, columns=len(row))
        if cells > _MOST_CELLS:
            raise TableError(
                f"the sheet has more than {_MOST_CELLS:,} cells", where=path, expected="a row for each patient",
                action="Delete empty rows and columns behind the table, or save the table as CSV UTF-8.",
                code="E-FILE-002",
            )  # fmt: skip
        yield number, tuple(row)


def _is_filled(cell: Any) -> bool:
    return cell.value is not None and as_text(cell.value) != ""


def _refuse_formulas_without_value(path: Path, cells: list[tuple[int, Sequence[Any]]]) -> None:
    """Refuse a formula that no program has computed. Otherwise it would be read as an empty cell."""
    if all(_is_filled(cell) for _, row in cells for cell in row):
        return
    empty = {(number, index) for number, row in cells for index, cell in enumerate(row) if cell.value is None}
    for number, row in _sheet(path, computed=False)[2]:
        for index, cell in enumerate(row):
            if (number, index) in empty and cell.data_type == "f":
                raise TableError(
                    "the cell holds a formula that was never computed", where=_place(path, number, index),
                    action="Open the workbook in Excel or LibreOffice, save it, and try again.", code="E-TABLE-009",
                )  # fmt: skip


def _text(path: Path, number: int, index: int, row: Sequence[Any], *, is_id: bool) -> str:
    if index >= len(row):
        return ""
    cell = row[index]
    if cell.data_type == "e":
        if cell.value == "#N/A":
            return ""
        raise TableError(
            f"the cell shows {cell.value}", where=_place(path, number, index), expected="a value, or an empty cell",
            action="Correct the formula, or empty the cell.", code="E-TABLE-009",
        )  # fmt: skip
    return _shown_id(path, number, index, cell) if is_id else as_text(cell.value)


def _shown_id(path: Path, number: int, index: int, cell: Any) -> str:
    value = cell.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        changed = isinstance(value, datetime.datetime | datetime.date | datetime.time)
    else:
        changed = abs(value) >= 10**_SURE_DIGITS
        if not changed and float(value).is_integer() and value >= 0:
            shown = shown_number(int(value), cell.number_format or "General")
            if shown is not None:
                return shown
            raise TableError(
                f"the id {value:g} is shown in the format '{cell.number_format}', which espark does not know",
                where=_place(path, number, index),
                action="Format the column as text and write the ids as they should be.",
                code="E-TABLE-010",
            )
    if changed:
        raise TableError(
            f"the id is stored as {as_text(value)}, because a spreadsheet changed it",
            where=_place(path, number, index),
            expected=f"text, because Excel keeps only {_SURE_DIGITS} digits of a number",
            action="Format the column as text and enter the ids again.",
            code="E-TABLE-010",
        )
    return id_as_text(value)


def shown_number(value: int, number_format: str) -> str | None:
    """A whole number as Excel shows it in a format that consists of zeros and fixed text.

    Args:
        value: 0 or more.
        number_format: Excel's format code.

    Returns:
        The text; the plain number for a format that adds nothing; None for an unknown format.

    Example:
        >>> shown_number(8, "000"), shown_number(8, '"P-"000'), shown_number(8, "General"), shown_number(8, "# ??/??")
        ('008', 'P-008', '8', None)
    """
    code = _FORMAT_PREFIX.sub("", number_format.split(";")[0]).strip()
    if _PLAIN_FORMAT.fullmatch(code):
        return str(value).zfill(len(code)) if set(code) == {"0"} else str(value)
    if not _ZERO_FORMAT.fullmatch(code) or "0" not in code:
        return None
    parts = _FORMAT_PART.findall(code)
    digits = str(value).zfill(parts.count("0"))
    first = len(digits) - parts.count("0") + 1
    return "".join(_filled(parts, [digits[:first], *digits[first:]]))


def _filled(parts: Sequence[str], digits: Sequence[str]) -> Iterator[str]:
    """The parts of a format, with the digits in place of the zeros."""
    rest = iter(digits)
    for part in parts:
        yield next(rest) if part == "0" else part[1:-1] if part.startswith('"') else part.removeprefix("\\")


def _mixed_percents(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[Note]:
    """Doubts about columns in which Excel formats some numbers as per cent (45% is 0.45) and others not."""
    for index, name in enumerate(header):
        column = [row[index] for row in rows if index < len(row) and isinstance(row[index].value, int | float)]
        percents = sum("%" in (cell.number_format or "") for cell in column)
        if name and 0 < percents < len(column):
            text = (
                f"{path.name}: in column '{name}', {percents} numbers are formatted as per cent, so that 45% counts as "
                f"0.45, and {len(column) - percents} are not."
            )
            yield Note("D-TABLE-003", text)


def _place(path: Path, number: int, index: int) -> str:
    return f"{path}, cell {get_column_letter(index + 1)}{number}"
