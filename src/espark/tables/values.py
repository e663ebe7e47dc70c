"""Values of a spreadsheet or Parquet file as text."""

from __future__ import annotations

import datetime
import math

from espark.tables.table import cleaned


def as_text(value: object) -> str:
    """A value as text. `float` turns the text back into the same number. A missing value gives an empty text.

    Example:
        >>> as_text(0.1), as_text(8), as_text(None), as_text(True)
        ('0.1', '8', '', '1')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return "" if math.isnan(value) else repr(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat(sep=" ") if isinstance(value, datetime.datetime) else value.isoformat()
    return cleaned(str(value))


def id_as_text(value: object) -> str:
    """Like `as_text`, but a whole number has no decimals."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else as_text(value)
