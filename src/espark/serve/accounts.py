"""Accounts of the work in the workbench: jobs, readings, and a log to which lines are only added.

They lie in ``serve/workbench.sqlite`` of the study. Corrected regions are files beside the study
(`espark.workspace.accepted_regions`), so that a study can be understood without this database.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, Column, Engine, event, text
from sqlmodel import Field, Session, SQLModel, create_engine

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
"""States of a job."""

_BUSY_MS = 10_000


class Job(SQLModel, table=True):
    """A piece of long work.

    Attributes:
        id: its number.
        kind: what is done: ``rerun`` or ``new-patient``.
        patient_id: for whom.
        state: waiting, running, done, failed or cancelled.
        progress: share that is done, 0 to 1.
        step: what is done now, in words.
        error: why it failed.
        attempts: how often it was begun.
        asked_by: who asked for it.
        asked_at: when, in ISO 8601.
        started_at: when it was begun last; empty while it waits.
        ended_at: when it ended.
        options: what was asked for.
        result: what came out.
    """

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    patient_id: str = Field(index=True)
    state: str = Field(default=WAITING, index=True)
    progress: float = 0.0
    step: str = ""
    error: str = ""
    attempts: int = 0
    asked_by: str = ""
    asked_at: str = ""
    started_at: str = ""
    ended_at: str = ""
    options: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
    result: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))


class ReaderStudy(SQLModel, table=True):
    """A list of blinded cases in a drawn order, for one reader.

    Attributes:
        id: its number.
        reader: who reads.
        seed: with which the order was drawn.
        made_at: when, in ISO 8601.
        cases: patient ids in the order in which they are shown.
    """

    id: int | None = Field(default=None, primary_key=True)
    reader: str
    seed: int
    made_at: str
    cases: list[str] = Field(default_factory=list, sa_column=Column(JSON))


class Reading(SQLModel, table=True):
    """A reader's own probability for one case, before and after the model's answer is shown.

    Attributes:
        id: its number.
        study_id: the reader study.
        position: place of the case in the order, from 0.
        patient_id: whose case.
        before: probability before the model's answer is shown, 0 to 1.
        after: probability afterwards; None until it is given.
        seconds_before: time taken until the first probability.
        seconds_after: time from the model's answer to the second probability.
    """

    id: int | None = Field(default=None, primary_key=True)
    study_id: int = Field(index=True)
    position: int
    patient_id: str
    before: float
    after: float | None = None
    seconds_before: float = 0.0
    seconds_after: float | None = None


class LogLine(SQLModel, table=True):
    """Who looked at, changed or exported what. Lines are added, never changed.

    Attributes:
        id: number of the line.
        at: when, in ISO 8601.
        person: who.
        action: what was done.
        patient_id: whose case; empty when it is about the study.
        detail: more, in words.
    """

    id: int | None = Field(default=None, primary_key=True)
    at: str
    person: str
    action: str
    patient_id: str = ""
    detail: str = ""


_APPEND_ONLY = (
    "CREATE TRIGGER IF NOT EXISTS log_is_never_changed BEFORE UPDATE ON logline "
    "BEGIN SELECT RAISE(ABORT, 'the log is never changed'); END",
    "CREATE TRIGGER IF NOT EXISTS log_is_never_deleted BEFORE DELETE ON logline "
    "BEGIN SELECT RAISE(ABORT, 'the log is never deleted'); END",
)


class Accounts:
    """The database of one study's workbench, safe for several threads and processes.

    Args:
        folder: ``serve`` in the study folder; made when missing.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._engine: Engine = create_engine(f"sqlite:///{folder / 'workbench.sqlite'}")
        event.listen(self._engine, "connect", _prepare_connection)
        SQLModel.metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            for statement in _APPEND_ONLY:
                connection.execute(text(statement))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session of the database; the caller commits. What it read can be used after it ends."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    def log(self, person: str, action: str, patient_id: str = "", detail: str = "") -> None:
        """Add a line to the log."""
        with self.session() as session:
            session.add(LogLine(at=now(), person=person, action=action, patient_id=patient_id, detail=detail))
            session.commit()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def now() -> str:
    """The time now in ISO 8601, in UTC and to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _prepare_connection(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.close()
