"""What a study folder contains: every file, who writes it, and the columns of every table. Plain data."""

from __future__ import annotations

from espark.formats.artefact import Artefact, Column, Kind
from espark.formats.declared_files import FILES
from espark.formats.declared_tables import TABLES

ARTEFACTS: tuple[Artefact, ...] = (*TABLES, *FILES)
"""Every file of a study folder. A file belongs to the first entry whose pattern matches its path."""


def artefact_of(path: str) -> Artefact | None:
    """The entry of a file; None for a file that espark does not write.

    Args:
        path: relative to the study folder, with forward slashes.
    """
    return next((artefact for artefact in ARTEFACTS if artefact.matches(path)), None)


__all__ = ["ARTEFACTS", "Artefact", "Column", "Kind", "artefact_of"]
