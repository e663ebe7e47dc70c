"""Matching the ids of two lists: equal, or written differently."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_DECIMALS = re.compile(r"(?<=\d)\.0+$")
_BETWEEN = re.compile(r"[\s_-]+")


def same_spelling(text: str) -> str:
    """A text without leading zeros, ``.0``, case, spaces, dashes and underscores.

    Example:
        >>> same_spelling("P-008"), same_spelling("p 8.0"), same_spelling("T3 ")
        ('p8', 'p8', 't3')
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    return _ZEROS.sub("", _BETWEEN.sub("", _DECIMALS.sub("", plain)))


@dataclass(frozen=True)
class Match:
    """Ids of patients compared with the ids of rows or files.

    Attributes:
        matched: patients with a row.
        without_row: patients without a row.
        without_patient: rows without a patient.
        near: pairs of a patient without a row and a row without a patient, with ids that differ only in writing.
    """

    matched: tuple[str, ...]
    without_row: tuple[str, ...]
    without_patient: tuple[str, ...]
    near: tuple[tuple[str, str], ...]

    @property
    def near_misses(self) -> str:
        """The pairs in running text."""
        pairs = [f"{patient} is written {row}" for patient, row in self.near[:10]]
        more = [f"{len(self.near) - 10} more"] if len(self.near) > 10 else []
        return ", ".join([*pairs, *more])


def match_ids(patients: Sequence[str], rows: Iterable[str]) -> Match:
    """Compare the ids of a cohort with those of a table or a folder."""
    known, named = set(patients), list(rows)
    without_patient = tuple(row for row in named if row not in known)
    without_row = tuple(patient for patient in patients if patient not in set(named))
    by_spelling = {same_spelling(row): row for row in without_patient}
    near = tuple(
        (patient, by_spelling[same_spelling(patient)])
        for patient in without_row
        if same_spelling(patient) in by_spelling
    )
    matched = tuple(patient for patient in patients if patient in set(named))
    return Match(matched, without_row, without_patient, near)
