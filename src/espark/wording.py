"""How numbers are written in running text: one style for everything that a person reads."""

from __future__ import annotations

import re

UNNAMED = "new-patient"
"""The name of a new patient when none was given."""

THIN = "\u202f"
"""Narrow no-break space, between a number and its unit."""

_WIDE_PERCENT = re.compile(r"(?<=\d)[ \u00a0]%")


def percent(share: float, digits: int = 0) -> str:
    """A share in per cent. A share close to 0 or 1 is not printed as 0 % or 100 %.

    Args:
        share: 0 to 1.
        digits: decimals.

    Example:
        >>> percent(0.004), percent(0.5)
        ('under 1\u202f%', '50\u202f%')
    """
    least = 10.0**-digits
    if 0 < 100 * share < least:
        return f"under {least:.{digits}f}{THIN}%"
    if 100 - least < 100 * share < 100:
        return f"over {100 - least:.{digits}f}{THIN}%"
    return f"{100 * share:.{digits}f}{THIN}%"


def number(value: float, digits: int = 2) -> str:
    """A value with a true minus sign, and without a sign when it rounds to zero.

    Example:
        >>> number(-0.25), number(-0.001)
        ('−0.25', '0.00')
    """
    return f"{value:z.{digits}f}".replace("-", "−")


def signed(value: float, digits: int = 2) -> str:
    """A change with its sign, plus or minus, and without a sign when it rounds to zero.

    Example:
        >>> signed(0.25), signed(-0.25), signed(0.001)
        ('+0.25', '−0.25', '0.00')
    """
    text = number(value, digits)
    return text if text.startswith("−") or not text.strip("0.") else f"+{text}"


def with_thin_percent(text: str) -> str:
    """``text`` with a narrow no-break space, instead of a space, between a number and a per cent sign.

    Lengths of style sheets (``10%``) do not change.

    Example:
        >>> with_thin_percent("95 % of all { width: 10% }")
        '95\u202f% of all { width: 10% }'
    """
    return _WIDE_PERCENT.sub(f"{THIN}%", text)
