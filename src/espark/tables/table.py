"""A table of text, and how ids and numbers are read from it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espark.errors import TableError, nearest
from espark.notes import Note
from espark.types import DoubleArray

MISSING_WORDS = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null"})
"""Words that R, pandas, Excel and databases write for a missing value, in lower case."""

MISSING_NUMBER_WORDS = MISSING_WORDS | {"none"}
"""In a column of numbers, ``none`` is Python's word for a missing value; in a category it may be a level."""

_SPACES = " \t\r\n\f\v\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"
_EDGES = re.compile(f"^[{_SPACES}]+|[{_SPACES}]+$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")
_SHORTENED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+")
_MOST_LINES = 8


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        path: the file.
        header: names of the columns, without spaces around them. Each name appears once, except the empty name.
        rows: one tuple of cells for each row, as long as the header, without spaces around the text.
        numbers: number of each row in the file, as shown in an editor or spreadsheet.
        row_word: ``line`` of a text file, ``row`` of a spreadsheet.
        notes: decisions made while reading.
    """

    path: Path
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...]
    row_word: str = "line"
    notes: tuple[Note, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, index: int) -> str:
        """The position of a row, for messages."""
        return f"{self.path}, {self.row_word} {self.numbers[index]}"

    def lines(self, indices: Sequence[int]) -> str:
        """The positions of several rows in words, such as ``lines 2, 5 and 9``."""
        shown = [str(self.numbers[index]) for index in indices[:_MOST_LINES]]
        more = len(indices) - len(shown)
        head = ", ".join(shown[:-1]) if not more else ", ".join(shown)
        last = f"{more} more" if more else shown[-1]
        return f"{self.row_word}{'s' if len(indices) > 1 else ''} {f'{head} and {last}' if head else last}"

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of a column.

        Raises:
            TableError: when there is no such column.
        """
        if name not in self.header:
            raise TableError(
                f"there is no column '{name}'", where=self.path, action=self._where_else(name), code="E-TABLE-012"
            )
        position = self.header.index(name)
        return tuple(row[position] for row in self.rows)

    def _where_else(self, name: str) -> str:
        """What to do about a column that is not in the header."""
        below = [index for index, row in enumerate(self.rows) if name in row]
        if below:
            return f"{self.lines(below[:1]).capitalize()} has it: delete the lines above, so that it is the header."
        guess = nearest(name, self.header)
        return f"Did you mean '{guess}'?" if guess else f"The columns are {listed(self.header)}."

    def ids(self, name: str) -> tuple[str, ...]:
        """The patients' ids, as they are written.

        Raises:
            TableError: when there is no such column, a row has no id, an id appears twice, or a spreadsheet has
                changed the ids.
        """
        ids = self.column(name)
        empty = [index for index, value in enumerate(ids) if value.lower() in MISSING_WORDS]
        if empty:
            raise TableError(
                f"{self.row_word} {self.numbers[empty[0]]} has no patient",
                where=self.path,
                expected=f"an id in '{name}'",
                action="Write the id in every row. Of merged cells, only the first holds the id.",
                code="E-TABLE-007",
            )
        for index, value in enumerate(ids):
            if _SHORTENED.fullmatch(value) or _DATE.fullmatch(value):
                raise TableError(
                    f"the id '{value}' was changed by a spreadsheet", where=self.where(index),
                    expected="the id as text",
                    action="Format the column as text in the original file and enter the ids again.",
                    code="E-TABLE-010",
                )  # fmt: skip
        for value, count in Counter(ids).items():
            if count > 1:
                places = self.lines([index for index, other in enumerate(ids) if other == value])
                raise TableError(
                    f"patient '{value}' appears {'twice' if count == 2 else f'{count} times'} ({places})",
                    where=self.path,
                    expected="one row per patient",
                    code="E-TABLE-007",
                )
        return ids

    def number_column(self, name: str) -> DoubleArray:
        """A column of numbers, float64, NaN where a cell is empty or holds a word for "missing".

        Raises:
            TableError: when there is no such column, or a cell is not a finite number.
        """
        values = [to_number(cell) for cell in self.column(name)]
        for index, value in enumerate(values):
            if isinstance(value, str):
                raise TableError(
                    f"column '{name}' holds '{value}', which is not a finite number", where=self.where(index),
                    action=number_hint(value), code="E-TABLE-006",
                )  # fmt: skip
        return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def cleaned(text: str) -> str:
    """Text without spaces at its ends. No-break spaces and byte order marks count as spaces."""
    return _EDGES.sub("", text)


def to_number(text: str) -> float | str | None:
    """The number in a cell, None when it is missing, the text itself when it is not a finite number.

    Example:
        >>> to_number("63.5"), to_number("NA"), to_number("63,5")
        (63.5, None, '63,5')
    """
    if text.lower() in MISSING_NUMBER_WORDS:
        return None
    try:
        value = float(text.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return text
    # Python reads 1_000 as a thousand. In a table it means something else.
    return value if math.isfinite(value) and "_" not in text else text


def number_hint(text: str) -> str | None:
    """What to do about text where a number was expected."""
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return "Write decimals with a point: 63.5."
    if _DATE.fullmatch(text):
        return "A spreadsheet changed it to a date. Format the column as text or number and enter the value again."
    if text[:1] in "<>≤≥":
        return "A value below or above a limit is not a number. Use one number for all patients, or empty the cell."
    return None


def listed(names: Sequence[str], most: int = 12) -> str:
    """Names in running text, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
