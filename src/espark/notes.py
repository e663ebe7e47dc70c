"""Notes: what a reader must know about an input that is used. The docs explain the code of each note."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from espark.codes import CODES


@dataclass(frozen=True)
class Note:
    """A sentence about an input, and its code.

    Attributes:
        code: key in ``espark.codes.CODES``; empty in records of older versions.
        text: the sentence, without the names of persons.

    Raises:
        ValueError: when the code is not registered.

    Example:
        >>> print(Note("N-CT-005", "3 scout views were ignored."))
        3 scout views were ignored. [N-CT-005]
    """

    code: str
    text: str

    def __post_init__(self) -> None:
        if self.code and self.code not in CODES:
            raise ValueError(f"the code {self.code} is not in espark.codes")

    def __str__(self) -> str:
        return f"{self.text} [{self.code}]" if self.code else self.text

    @property
    def is_doubt(self) -> bool:
        """Whether a person should look at the input before relying on it."""
        return self.code.startswith("D-")

    def to_json(self) -> dict[str, str]:
        """For JSON."""
        return {"code": self.code, "text": self.text}

    @classmethod
    def from_json(cls, stored: Any) -> Note:
        """Read the result of :meth:`to_json`, or the plain sentence of an older record."""
        return cls("", stored) if isinstance(stored, str) else cls(stored["code"], stored["text"])


def codes_of(notes: Iterable[Note]) -> str:
    """The codes of notes for a column of a table: each code once, in their order, separated by a space."""
    return " ".join(dict.fromkeys(note.code for note in notes if note.code))
