"""Reading CSV: with commas, semicolons or tabs, byte order marks, and commas at the ends of lines."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from espark.errors import TableError
from espark.intake.budget import require_room
from espark.notes import Note
from espark.tables.size import check_shape
from espark.tables.table import Table, cleaned, listed

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = {
    b"PK\x03\x04": "a workbook (XLSX or ODS) under the name of a CSV file",
    b"\xd0\xcf\x11\xe0": "an old or password-protected Excel workbook under the name of a CSV file",
    b"PAR1": "a Parquet file under the name of a CSV file",
    b"\x1f\x8b": "a compressed file under the name of a CSV file",
    b"<": "a web page or XML under the name of a CSV file",
    b"{": "JSON under the name of a CSV file",
}
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_TITLE_LINES = 20
_COPIES = 30  # a short cell takes 60 bytes as text in Python
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")


def read_delimited(path: Path, key: str) -> Table:
    """Read CSV or TSV.

    Args:
        path: the file.
        key: a column that the header should contain.

    Raises:
        FileNotFoundError: when there is no such file.
        TableError: when it is not text, its encoding is not known, or its rows do not fit its header.
    """
    text = _decoded(path)
    check_shape(path, rows=max(text.count("\n"), text.count("\r")), columns=0)
    named = _SEPARATOR_LINE.match(text)
    separator = named[1] if named else _separator(text, key)
    records = list(_records(path, text, separator, first_line=2 if named else 1, skip=named.end() if named else 0))
    if not records:
        raise TableError("the table is empty", where=path, action="Add a header and rows.", code="E-TABLE-002")
    _require_header(path, records, key)
    table = _table(path, records, complete=text.endswith(("\n", "\r")))
    return table if separator == "," else _with_points(table, separator)


def _decoded(path: Path) -> str:
    require_room(path.stat().st_size, where=path, copies=_COPIES, error=TableError)
    content = path.read_bytes()
    for start, what in _OTHER_FILES.items():
        if content.startswith(start):
            raise TableError(
                f"this is {what}", where=path, expected="text with one line per row",
                action="Save it as CSV UTF-8, or give the file its right name.", code="E-TABLE-002",
            )  # fmt: skip
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    encoding = encoding or _utf16_without_mark(content[:4096]) or "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        shown = cleaned(content.splitlines()[line - 1].decode("cp1252", "replace"))[:60]
        raise TableError(
            f"the file is not UTF-8; in Latin-1 the line would read: {shown}",
            where=f"{path}, line {line}",
            expected="UTF-8 or UTF-16, because other encodings cannot be distinguished (Latin-1, cp1252, GBK)",
            action="In Excel, save it as 'CSV UTF-8 (Comma delimited)'.",
            code="E-TABLE-003",
        ) from error
    if "\0" in text:
        raise TableError(
            "the file holds zero bytes and is damaged or not text", where=path, action="Copy or export it again.",
            code="E-TABLE-002",
        )  # fmt: skip
    return text


def _utf16_without_mark(start: bytes) -> str | None:
    """UTF-16 of mostly Latin letters has a zero in every second byte."""
    if len(start) < 4 or start.count(0) < len(start) / 4:
        return None
    return "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"


def _separator(text: str, key: str) -> str:
    """The separator with which a row at the top contains the key; otherwise the one that gives the most columns."""

    def fit(separator: str) -> tuple[bool, int]:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            top = [[cleaned(name) for name in row] for row in itertools.islice(filter(None, rows), _TITLE_LINES)]
        except csv.Error:
            return False, 0
        return any(key in row for row in top), len(top[0]) if top else 0

    return max(_SEPARATORS, key=fit)


@dataclass(frozen=True)
class _Record:
    line: int
    cells: tuple[str, ...]


def _records(path: Path, text: str, separator: str, *, first_line: int, skip: int) -> Iterator[_Record]:
    """Every row that is not blank, with the number of its first line."""
    reader = csv.reader(io.StringIO(text[skip:], newline=""), delimiter=separator, strict=True)
    line = first_line
    try:
        for count, row in enumerate(reader):
            check_shape(path, rows=count, columns=len(row))
            cells = tuple(cleaned(cell) for cell in row)
            if any(cells):
                yield _Record(line, cells)
            line = first_line + reader.line_num
    except csv.Error as error:
        raise TableError(
            f"the quotes of a cell that begins here do not match ({error})", where=f"{path}, line {line}",
            expected='quotes around a cell with a comma ("Hospital, West"), and two quotes for a quote in a cell',
            action="Correct the quotes in this line.", code="E-TABLE-014",
        ) from error  # fmt: skip


def _require_header(path: Path, records: list[_Record], key: str) -> None:
    """Refuse a title, a comment or units above the header, under which no row would fit."""
    below = next((record.line for record in records[1:_TITLE_LINES] if key in record.cells), None)
    if below is not None and key not in records[0].cells:
        raise TableError(
            f"the first line is not the header: line {below} holds '{key}'", where=path,
            action=f"Delete the lines above line {below}.", code="E-TABLE-012",
        )  # fmt: skip


def _table(path: Path, records: list[_Record], *, complete: bool) -> Table:
    """Header and rows of one length.

    Args:
        path: the file.
        records: header and rows.
        complete: whether the last line has a line end, as programs write it.
    """
    header, rows = records[0].cells, records[1:]
    surplus = [record for record in rows if len(record.cells) > len(header)]
    notes: list[Note] = []
    if surplus:
        if not _only_ends_in_a_separator(header, rows):
            raise _too_many_cells(path, header, rows, surplus)
        text = f"{path.name}: every line except the header ends in a separator. The empty cell after it was left out."
        notes.append(Note("N-TABLE-003", text))
    short = [record for record in rows if len(record.cells) < len(header)]
    if short and short[-1] is rows[-1] and not complete:
        raise TableError(
            f"the file is cut off: the last line has {len(short[-1].cells)} of {len(header)} cells",
            where=f"{path}, line {short[-1].line}", action="Copy or export the file again.", code="E-TABLE-014",
        )  # fmt: skip
    if short:
        lines = listed([str(record.line) for record in short])
        text = f"{path.name}: fewer cells than the header in line {lines}. The missing cells count as empty."
        notes.append(Note("N-TABLE-004", text))
    width = len(header)
    padded = [(*record.cells[:width], *[""] * (width - len(record.cells))) for record in rows]
    kept = [index for index, name in enumerate(header) if name or any(row[index] for row in padded)]
    return Table(
        path=path,
        header=tuple(header[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in padded),
        numbers=tuple(record.line for record in rows),
        notes=tuple(notes),
    )


def _only_ends_in_a_separator(header: tuple[str, ...], rows: list[_Record]) -> bool:
    """Whether every row has the same number of extra cells, all empty and at its end."""
    lengths = {len(record.cells) for record in rows}
    return len(lengths) == 1 and not any(any(record.cells[len(header) :]) for record in rows)


def _too_many_cells(path: Path, header: tuple[str, ...], rows: list[_Record], surplus: list[_Record]) -> TableError:
    first = surplus[0]
    action = 'Put quotes around a cell with a comma in it ("Hospital, West"), and write decimals with a point (63.5).'
    if len(surplus) == len(rows) and {len(record.cells) for record in rows} == {len(header) + 1}:
        action += " If the rows begin with row names, as in tables from R, give their column a name or leave them out."
    more = f", and so do {len(surplus) - 1} other lines" if len(surplus) > 1 else ""
    return TableError(
        f"the line has {len(first.cells)} cells, but the header has {len(header)} columns{more}",
        where=f"{path}, line {first.line}",
        expected="as many cells as columns",
        action=action,
        code="E-TABLE-004",
    )


def _with_points(table: Table, separator: str) -> Table:
    """If commas do not separate cells, numbers may be written 63,5, as in a table from a European Excel.

    Raises:
        TableError: when a comma or point may mark decimals or thousands.
    """
    commas, points = _cells_like(table, _COMMA_NUMBER), _cells_like(table, _POINT_NUMBER)
    # With tabs, programs write points for decimals; with semicolons, a point may be Europe's mark of thousands.
    unclear = commas or (points if separator == ";" else [])
    if unclear and ((commas and points) or all(_THOUSANDS.fullmatch(cell) for _, cell in unclear)):
        index, cell = unclear[0]
        other = f", with {points[0][1]} in line {table.numbers[points[0][0]]}" if commas and points else ""
        raise TableError(
            f"it is not clear whether {cell} has a separator of decimals or of thousands{other}",
            where=table.where(index),
            expected="decimals written in the same way in the whole table",
            action="Write decimals with a point, nothing between thousands, and commas between cells.",
            code="E-TABLE-011",
        )  # fmt: skip
    names = _SEPARATORS.get(separator, repr(separator))
    text = f"{table.path.name}: its cells are separated by {names}"
    if not commas:
        return replace(table, notes=(*table.notes, Note("N-TABLE-005", f"{text}.")))
    example = commas[0][1]
    text += f", and decimals by a comma: {example} is {example.replace(',', '.')}."
    rows = tuple(
        tuple(cell.replace(",", ".") if _COMMA_NUMBER.fullmatch(cell) else cell for cell in row) for row in table.rows
    )
    return replace(table, rows=rows, notes=(*table.notes, Note("N-TABLE-005", text)))


def _cells_like(table: Table, pattern: re.Pattern[str]) -> list[tuple[int, str]]:
    """The cells of a pattern, each with the index of its row."""
    return [(index, cell) for index, row in enumerate(table.rows) for cell in row if pattern.fullmatch(cell)]
