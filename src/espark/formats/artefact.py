"""The description of a file: its path, the step that writes it, and the columns of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Kind = Literal["text", "integer", "number", "boolean"]

OUTCOME = "{outcome}"
"""Stands for the name of the outcome of the study in the name of a column, such as ``pcr``."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: as in the file; ``{outcome}`` stands for the outcome of the study, and ``*`` for several columns.
        kind: what its cells contain.
        meaning: in one sentence, with the unit of a number.
        empty: whether a cell may be empty.
        optional: whether the whole column may be missing.
    """

    name: str
    kind: Kind
    meaning: str
    empty: bool = False
    optional: bool = False

    def matches(self, name: str, outcome: str = "pcr") -> bool:
        """Whether a column of a file is this column, or one of these columns."""
        return re.fullmatch(re.escape(self.name.replace(OUTCOME, outcome)).replace(r"\*", ".+"), name) is not None


@dataclass(frozen=True)
class Artefact:
    """A file of a study folder.

    Attributes:
        pattern: path relative to the study folder; ``<patient>``, ``<slide>``, ``<model>``, ``<n>`` and ``<name>``
            stand for one part of the path.
        made_by: the command that writes it; ``you`` for a file that a person writes.
        about: what it contains, in one or two sentences.
        columns: the columns of a table; empty for other files.
    """

    pattern: str
    made_by: str
    about: str
    columns: tuple[Column, ...] = ()

    @cached_property
    def _path(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"<[a-z]+>", "[^/]+", re.escape(self.pattern).replace(r"\*\*", ".+")))

    def matches(self, path: str) -> bool:
        """Whether a path, relative to the study folder and with forward slashes, is such a file."""
        return self._path.fullmatch(path) is not None

    def strange(self, names: list[str], outcome: str = "pcr") -> list[str]:
        """Columns of a file that are not declared, and declared columns that are missing.

        Args:
            names: the columns of the file.
            outcome: name of the outcome of the study.
        """
        unknown = [name for name in names if not any(column.matches(name, outcome) for column in self.columns)]
        missing = [
            column.name
            for column in self.columns
            if not column.optional and not any(column.matches(name, outcome) for name in names)
        ]
        return [f"not declared: {name}" for name in unknown] + [f"missing: {name}" for name in missing]

    def schema(self, outcome: str = "pcr") -> dict[str, Any]:
        """The columns as a Table Schema (Frictionless Data, version 1)."""
        return {
            "description": self.about,
            "fields": [
                {
                    "name": column.name.replace(OUTCOME, outcome),
                    "type": "string" if column.kind == "text" else column.kind,
                    "description": column.meaning,
                    "constraints": {"required": not (column.empty or column.optional)},
                }
                for column in self.columns
            ],
        }
