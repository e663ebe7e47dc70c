"""Ids and names that a user gives: safe as names of files on every system, and as cells of a spreadsheet."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator

from espark.files import FORMULA_STARTS

SafeName = Annotated[str, AfterValidator(lambda text: _safe(text))]
"""A name in a configuration file that appears in tables and on pages."""

_LONGEST_ID = 64
_LONGEST_NAME = 100
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories of characters that cannot be seen, or that change the direction of the text around them."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def id_problem(text: str) -> str:
    """Why a text cannot be the id of a patient, which names files; empty when it can.

    Example:
        >>> id_problem("P-001"), id_problem("NUL")
        ('', 'is a name that Windows keeps for itself')
    """
    if not _ID.fullmatch(text):
        return "cannot name a file"
    if len(text) > _LONGEST_ID:
        return f"has {len(text)} characters, and at most {_LONGEST_ID} are allowed"
    if text.endswith("."):
        return "ends with a dot, which Windows leaves out"
    return "is a name that Windows keeps for itself" if _RESERVED.fullmatch(text) else ""


def name_problem(text: str) -> str:
    """Why a text cannot be a name in tables and on pages, such as that of a center; empty when it can.

    Example:
        >>> name_problem("Klinik Süd"), name_problem("=1+1")
        ('', "begins with '=', so that a spreadsheet would compute it as a formula")
    """
    if text.startswith(FORMULA_STARTS):
        return f"begins with {text[0]!r}, so that a spreadsheet would compute it as a formula"
    unseen = next((letter for letter in text if unicodedata.category(letter) in _UNSEEN), None)
    if unseen is not None:
        return f"holds the character U+{ord(unseen):04X}, which cannot be seen"
    return f"has {len(text)} characters, and at most {_LONGEST_NAME} are allowed" if len(text) > _LONGEST_NAME else ""


def _safe(text: str) -> str:
    if why := name_problem(text):
        raise ValueError(f"{text[:80]!r} {why}")
    return text
