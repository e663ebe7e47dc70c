"""Which items of a study are prepared: a record for each that is done, and ``status.csv`` for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from espark.errors import InputError
from espark.files import fingerprint, read_json, write_csv, write_json
from espark.notes import Note
from espark.types import ItemState
from espark.workspace.layout import StudyLayout

_COLUMNS = ["patient_id", "item", "state", "attempts", "seconds", "error", "codes"]


@dataclass(frozen=True)
class ItemStatus:
    """State of one item.

    Attributes:
        patient_id: whose.
        item: ``ct``, or ``slide:<name>``.
        state: done, failed or skipped.
        attempts: how often it was tried.
        seconds: how long the last attempt took.
        error: why it failed or was skipped; empty when done.
        codes: codes of its error, or of its doubts and notes, with a space between.
    """

    patient_id: str
    item: str
    state: ItemState
    attempts: int
    seconds: float
    error: str = ""
    codes: str = ""


def write_record(
    layout: StudyLayout, patient_id: str, item: str, key: str, outputs: Iterable[Path], **facts: Any
) -> None:
    """Say that an item is done: with the hash of its inputs and settings, and the hashes of what it wrote.

    Args:
        layout: the study folder.
        patient_id: whose.
        item: name of the item.
        key: hash of its inputs and settings.
        outputs: the artefacts it wrote.
        facts: what later steps want to know about it.
    """
    written = {str(path.relative_to(layout.root)): fingerprint(path) for path in outputs}
    write_json(layout.record(patient_id, item), {"key": key, "outputs": written, **facts})


def read_record(layout: StudyLayout, patient_id: str, item: str) -> dict[str, Any] | None:
    """The record of an item that is done; None when there is none."""
    path = layout.record(patient_id, item)
    try:
        record: dict[str, Any] = read_json(path)
    except InputError:
        return None
    return record


def recorded_notes(layout: StudyLayout, patient_id: str, item: str) -> tuple[Note, ...]:
    """What the record of an item notes of its input; empty when there is no record."""
    record = read_record(layout, patient_id, item) or {}
    return tuple(Note.from_json(stored) for kind in ("notes", "region_notes") for stored in record.get(kind, ()))


def is_done(layout: StudyLayout, patient_id: str, item: str, key: str) -> bool:
    """Whether an item is done with these inputs and settings, and its artefacts are still what it wrote."""
    record = read_record(layout, patient_id, item)
    if record is None or record.get("key") != key:
        return False
    paths = {layout.root / name: content for name, content in record["outputs"].items()}
    return all(path.is_file() and fingerprint(path) == content for path, content in paths.items())


class StatusTable:
    """``status.csv``, one row per item.

    Args:
        layout: the study folder; existing entries are kept for items that still exist.
        items: (patient, item) of every item there is, in the order of the file.
    """

    def __init__(self, layout: StudyLayout, items: Iterable[tuple[str, str]]):
        self.layout = layout
        known = {(status.patient_id, status.item): status for status in read_status(layout)}
        self._rows: dict[tuple[str, str], ItemStatus | None] = {item: known.get(item) for item in items}

    def attempts(self, patient_id: str, item: str) -> int:
        """How often an item was tried so far."""
        status = self._rows.get((patient_id, item))
        return status.attempts if status else 0

    def state(self, patient_id: str, item: str) -> ItemState | None:
        """State of an item; None when it was never tried."""
        status = self._rows.get((patient_id, item))
        return status.state if status else None

    def put(self, status: ItemStatus) -> None:
        """Set the state of an item and write the file."""
        self._rows[status.patient_id, status.item] = status
        self.write()

    def write(self) -> None:
        """Write ``status.csv``."""
        rows = [
            (row.patient_id, row.item, row.state, row.attempts, f"{row.seconds:.2f}", row.error, row.codes)
            for row in self._rows.values()
            if row is not None
        ]
        write_csv(self.layout.status, pd.DataFrame(rows, columns=_COLUMNS))

    @property
    def failed(self) -> list[ItemStatus]:
        """Items that failed."""
        return [row for row in self._rows.values() if row is not None and row.state == "failed"]


def read_status(layout: StudyLayout) -> list[ItemStatus]:
    """The rows of ``status.csv``; none when nothing was prepared."""
    if not layout.status.exists():
        return []
    table = pd.read_csv(layout.status, dtype={"patient_id": str, "error": str, "codes": str}, keep_default_na=False)
    return [ItemStatus(**{str(key): value for key, value in row.items()}) for row in table.to_dict("records")]
