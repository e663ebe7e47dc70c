"""Numbers, addresses and pictures in the form that a page shows."""

from __future__ import annotations

import base64
import math
import re

from markupsafe import Markup, escape

from espark.report.picture import Picture
from espark.report.study_content import MetricsTable
from espark.statistics.classification import proportion
from espark.wording import THIN, percent

_NUMERIC = re.compile(r"[<>≤≥±+−–—-]?\s*[\d.]|[–—-]$|$|not available")
_BRACKETS = re.compile(r"\([^()]*\)")
_RELATIVE = re.compile(r"(?!/)[^\x00-\x20:\\]+")


def percent_of(count: int, total: int) -> str:
    """``count`` of ``total`` as whole percent; a dash when ``total`` is 0."""
    return percent(count / total) if total else "–"


def share_with_interval(count: int, total: int) -> str:
    """``count`` of ``total`` in percent with its 95 % interval (Wilson).

    Example:
        >>> share_with_interval(12, 20).replace("\u202f", " ")
        '60 % (39–78)'
    """
    if total == 0:
        return "–"
    share = proportion(count, total)
    return f"{percent(share.value)} ({100 * share.ci_low:.0f}–{100 * share.ci_high:.0f})"


def rank(percentile: float, n: int) -> str:
    """A percentile among ``n`` patients, with its 95 % interval (Wilson).

    Args:
        percentile: share of the ``n`` patients with a lower value, 0 to 100.
        n: patients in the comparison, at least 1.
    """
    share = proportion(round(percentile * n / 100), n)
    return f"{percent(percentile / 100)} (95{THIN}% interval {100 * share.ci_low:.0f}–{100 * share.ci_high:.0f})"


def amount(value: float | None, unit: str = "", digits: int = 1) -> str:
    """A measured value with its unit; "not known" when there is none."""
    if value is None or not math.isfinite(value):
        return "not known"
    return f"{value:,.{digits}f}".replace(",", THIN) + (f"{THIN}{unit}" if unit else "")


def significant(value: float | None) -> str:
    """A value without a unit in three significant digits, never in powers of ten; "not known" when there is none."""
    if value is None or not math.isfinite(value):
        return "not known"
    if value == 0:
        return "0"
    if 0 < value < 0.0001:
        return "under 0.0001"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return amount(value, digits=min(digits, 4))


def count(number: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{number:,}".replace(",", THIN)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number of things, e.g. "1 slide", "1 024 tiles"."""
    return f"{count(number)} {noun if number == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """``text`` with a full stop at its end when it has no closing mark."""
    stripped = text.rstrip()
    return stripped if not stripped or stripped[-1] in ".!?:…" else stripped + "."


def with_interval(text: str) -> Markup:
    """``text`` with each part in brackets kept on one line and styled as an interval."""
    return Markup(_BRACKETS.sub(r'<span class="interval">\g<0></span>', str(escape(text))))


def numeric_columns(table: MetricsTable) -> list[bool]:
    """For each column, whether every cell is a number; such a column is aligned to the right."""
    return [all(_NUMERIC.match(row[index].strip()) for row in table.rows) for index in range(len(table.columns))]


def data_uri(picture: Picture) -> str:
    """The picture's content as a data address, which loads nothing from outside.

    An SVG is embedded as a picture, not as markup: its scripts cannot run and its ids cannot clash with others.
    """
    if picture.png is not None:
        return "data:image/png;base64," + base64.b64encode(picture.png).decode("ascii")
    if picture.jpeg is not None:
        return "data:image/jpeg;base64," + base64.b64encode(picture.jpeg).decode("ascii")
    assert picture.svg is not None
    return "data:image/svg+xml;base64," + base64.b64encode(picture.svg.encode("utf-8")).decode("ascii")


def relative_address(address: str) -> str:
    """``address``, checked to be relative and percent-encoded, so that it can only lead to a file beside the page.

    Raises:
        ValueError: when it contains a scheme, a host or a space.
    """
    if not _RELATIVE.fullmatch(address):
        raise ValueError(f"a report may link only to files beside it, by a percent-encoded address; found {address!r}")
    return address
