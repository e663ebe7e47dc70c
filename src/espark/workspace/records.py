"""Which items of a study are prepared: a record for each that is done, and ``status.csv`` for people."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from espark.errors import InputError
from espark.files import digest, fingerprint, write_csv, write_json
from espark.notes import Note
from espark.types import ItemState
from espark.workspace.layout import StudyLayout
from espark.workspace.local_log import log_locally
from espark.workspace.stored import damaged, stored_content, stored_table

logger = logging.getLogger("espark")

_OWN_HASH = "own_hash"
_STATES = get_args(ItemState)
_COLUMNS = ["patient_id", "item", "state", "attempts", "seconds", "error", "codes"]


@dataclass(frozen=True)
class ItemStatus:
    """State of one item.

    Attributes:
        patient_id: whose.
        item: ``ct``, or the name of a slide in the study, such as ``slide-1``.
        state: done, failed or skipped.
        attempts: how often it was tried.
        seconds: how long the last attempt took.
        error: why it failed or was skipped; empty when done.
        codes: codes of its error, or of its doubts and notes, with a space between.
        details: the whole message of the error, with the names of files; only the local log has it.
    """

    patient_id: str
    item: str
    state: ItemState
    attempts: int
    seconds: float
    error: str = ""
    codes: str = ""
    details: str = ""


def write_record(
    layout: StudyLayout,
    patient_id: str,
    item: str,
    key: str,
    outputs: Iterable[Path],
    *,
    inputs: Mapping[str, str] | None = None,
    **facts: Any,
) -> None:
    """Say that an item is done: with the hash of its inputs and settings, and the hashes of what it wrote.

    Args:
        layout: the study folder.
        patient_id: whose.
        item: name of the item.
        key: hash of its inputs and settings.
        outputs: the artefacts it wrote.
        inputs: hash of each file that it was made of, by the role of the file; None where nobody asks.
        facts: what later steps want to know about it.
    """
    written = {str(path.relative_to(layout.root)): fingerprint(path) for path in outputs}
    known = {} if inputs is None else {"inputs": dict(inputs)}
    rewrite_record(layout, patient_id, item, {"key": key, "outputs": written, **known, **facts})


def rewrite_record(layout: StudyLayout, patient_id: str, item: str, record: Mapping[str, Any]) -> None:
    """Write a record with a hash of itself.

    Args:
        layout: the study folder.
        patient_id: whose.
        item: name of the item.
        record: as :func:`read_record` gave it, with what has changed.
    """
    write_json(layout.record(patient_id, item), {**record, _OWN_HASH: digest(record)})


def read_record(layout: StudyLayout, patient_id: str, item: str) -> dict[str, Any] | None:
    """The record of an item that is done; None when there is none.

    Raises:
        InputError: when it is damaged or was changed.
    """
    path = layout.record(patient_id, item)
    if not path.exists():
        return None
    record = stored_content(layout, path, "key", "outputs")
    own_hash = record.pop(_OWN_HASH, None)
    # A record of an earlier version has no hash of itself.
    if own_hash is not None and own_hash != digest(record):
        step = "report" if item == "report" else "explain" if item.startswith(("pictures", "redrawn")) else "prepare"
        raise damaged(path, "the record is damaged or was changed", layout.root, step)
    return record


def recorded_notes(layout: StudyLayout, patient_id: str, item: str) -> tuple[Note, ...]:
    """What the record of an item notes of its input; empty when there is no record."""
    record = read_record(layout, patient_id, item) or {}
    return tuple(Note.from_json(stored) for kind in ("notes", "region_notes") for stored in record.get(kind, ()))


def is_done(layout: StudyLayout, patient_id: str, item: str, key: str) -> bool:
    """Whether an item is done with these inputs and settings, and its artefacts are still what it wrote."""
    try:
        record = read_record(layout, patient_id, item)
    except InputError:
        return False
    if record is None or record["key"] != key:
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
        known = {(status.patient_id, status.item): status for status in _earlier_status(layout)}
        self._rows: dict[tuple[str, str], ItemStatus | None] = {item: known.get(item) for item in items}

    def earlier(self, patient_id: str, item: str) -> ItemStatus | None:
        """What the table says of an item; None when it was never tried."""
        return self._rows.get((patient_id, item))

    def state(self, patient_id: str, item: str) -> ItemState | None:
        """State of an item; None when it was never tried."""
        status = self._rows.get((patient_id, item))
        return status.state if status else None

    def put(self, status: ItemStatus) -> None:
        """Set the state of an item and write the file; what failed goes to the local log too."""
        if self._rows.get((status.patient_id, status.item)) == status:
            return
        if status.details:
            log_locally(self.layout.local_log, status.patient_id, status.item, status.details)
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
    """The rows of ``status.csv``; none when nothing was prepared.

    Raises:
        InputError: when it is damaged.
    """
    if not layout.status.exists():
        return []
    numbers = {"attempts": "int64", "seconds": "float64"}
    texts = dict.fromkeys((name for name in _COLUMNS if name not in numbers), str)
    table = stored_table(layout, layout.status, dtype=texts | numbers, keep_default_na=False)
    if list(table.columns) != _COLUMNS or not table["state"].isin(_STATES).all():
        raise damaged(layout.status, "the table does not contain what espark writes into it", layout.root, "prepare")
    return [ItemStatus(**{str(key): value for key, value in row.items()}) for row in table.to_dict("records")]


def _earlier_status(layout: StudyLayout) -> list[ItemStatus]:
    """The rows of ``status.csv`` for `prepare`, which writes it again; what is done is known from the records."""
    try:
        return read_status(layout)
    except InputError as error:
        logger.warning(f"{error.where} is damaged and is written again.")
        return []
