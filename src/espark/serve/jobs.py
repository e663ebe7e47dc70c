"""Long work in a process of its own: one job at a time, shown while it runs, cancelled by ending the process.

The queue is huey's SQLite back end in ``serve/queue.sqlite``; the state of each job is in the accounts, from which the
queue is filled again at each start. A job whose process was killed begins once more; when it is killed again, it has
failed. Everything a job writes is written atomically, so a killed job leaves nothing half done.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huey import SqliteHuey
from sqlmodel import col, select

from espark.errors import EsparkError
from espark.machine.processes import kill_group, start_group
from espark.serve.accounts import CANCELLED, DONE, FAILED, RUNNING, WAITING, Accounts, Job, now
from espark.work.progress import Advance, Reporter

_MOST_ATTEMPTS = 2
_SECONDS_BETWEEN_NEWS = 0.3

Work = Callable[[Job, Reporter], dict[str, Any]]
"""What does a job: it gets the job and a reporter, and returns the result."""


def queue_of(folder: Path) -> SqliteHuey:
    """The queue of a study's workbench, in its folder ``serve``."""
    return SqliteHuey("espark", filename=str(folder / "queue.sqlite"))


def open_jobs(accounts: Accounts) -> list[Job]:
    """Jobs that run or wait, in the order in which they were asked for."""
    with accounts.session() as session:
        return list(session.exec(select(Job).where(col(Job.state).in_((RUNNING, WAITING))).order_by(col(Job.id))))


def recent_jobs(accounts: Accounts, count: int = 50) -> list[Job]:
    """The last jobs, the newest first."""
    with accounts.session() as session:
        return list(session.exec(select(Job).order_by(col(Job.id).desc()).limit(count)))


def job_json(job: Job) -> dict[str, Any]:
    """A job for the browser."""
    return job.model_dump(exclude={"options"})


def ask_for(accounts: Accounts, folder: Path, job: Job) -> Job:
    """Put a job into the queue."""
    with accounts.session() as session:
        job.asked_at = now()
        session.add(job)
        session.commit()
        session.refresh(job)
    _enqueue(folder, job)
    return job


def job_task(queue: SqliteHuey, run: Callable[[int], None]) -> Any:
    """The one task of the queue. Server and worker both make it here, so that they know it by the same name.

    Args:
        queue: the queue.
        run: does the job with a number.
    """

    def espark_job(job_id: int) -> None:
        run(job_id)

    return queue.task()(espark_job)


def _enqueue(folder: Path, job: Job) -> None:
    queue = queue_of(folder)
    queue.enqueue(job_task(queue, _left_to_the_worker).s(job.id))


def _left_to_the_worker(job_id: int) -> None:
    raise AssertionError(f"job {job_id} belongs to the worker")


def fresh_queue(accounts: Accounts, folder: Path) -> None:
    """Begin with the jobs that the accounts know. An old queue is not read: its messages are pickles."""
    for path in folder.glob("queue.sqlite*"):
        path.unlink()
    with accounts.session() as session:
        waiting = list(session.exec(select(Job).where(Job.state == WAITING).order_by(col(Job.id))))
    for job in waiting:
        _enqueue(folder, job)


def change(accounts: Accounts, job_id: int, **values: Any) -> Job:
    """Set some of what is known of a job."""
    with accounts.session() as session:
        job = session.get_one(Job, job_id)
        for name, value in values.items():
            setattr(job, name, value)
        session.add(job)
        session.commit()
        session.refresh(job)
        return job


@dataclass(frozen=True)
class JobReporter(Reporter):
    """Writes the progress of a job into the accounts.

    Attributes:
        accounts: the database.
        job_id: the job.
    """

    accounts: Accounts | None = None
    job_id: int = 0
    _last: list[float] = field(default_factory=lambda: [0.0])

    @contextmanager
    def track(self, what: str, total: int) -> Iterator[Advance]:
        """Count pieces of work of one step."""
        done = 0
        self._write(what, 0.0)

        def advance() -> None:
            nonlocal done
            done += 1
            moment = time.monotonic()
            if moment - self._last[0] >= _SECONDS_BETWEEN_NEWS or done == total:
                self._last[0] = moment
                self._write(what, done / max(1, total))

        yield advance

    def say(self, message: str) -> None:
        """The step that begins."""
        self._write(message, 0.0)

    def _write(self, step: str, progress: float) -> None:
        if self.accounts is not None:
            change(self.accounts, self.job_id, step=step, progress=progress)


def run_job(accounts: Accounts, job_id: int, kinds: Mapping[str, Work]) -> None:
    """Do one job, whatever comes of it; a job that was cancelled while it waited is left out."""
    with accounts.session() as session:
        job = session.get(Job, job_id)
    if job is None or job.state != WAITING:
        return
    job = change(accounts, job_id, state=RUNNING, started_at=now(), attempts=job.attempts + 1, progress=0.0)
    try:
        result = kinds[job.kind](job, JobReporter("quiet", accounts, job_id))
    except (EsparkError, OSError, MemoryError) as error:
        sentence = " ".join(str(error).split()) or type(error).__name__
        change(accounts, job_id, state=FAILED, error=sentence, ended_at=now())
    else:
        change(accounts, job_id, state=DONE, result=result, ended_at=now(), progress=1.0, step="")


def recover(accounts: Accounts, folder: Path) -> None:
    """After the worker was killed: its job begins again behind those that wait, or it has failed."""
    with accounts.session() as session:
        orphans = list(session.exec(select(Job).where(Job.state == RUNNING)))
    for job in orphans:
        assert job.id is not None
        if job.attempts >= _MOST_ATTEMPTS:
            error = "The process was killed twice while it worked on this. Free memory, and ask for it again."
            change(accounts, job.id, state=FAILED, error=error, ended_at=now())
        else:
            _enqueue(folder, change(accounts, job.id, state=WAITING, step="", progress=0.0))


class WorkerProcess:
    """The process that does the jobs. It is started again when it ends, and ended to cancel a job.

    Args:
        study: the study folder.
        model: folder of the model; None for the study's own.
        accounts: the database.
    """

    def __init__(self, study: Path, model: Path | None, accounts: Accounts):
        self.command = [sys.executable, "-m", "espark.serve.worker", str(study), *([str(model)] if model else [])]
        self.folder = study / "serve"
        self.accounts = accounts
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._watch = threading.Thread(target=self._keep_alive, daemon=True, name="watch-worker")

    def start(self) -> None:
        """Start it, and keep it running."""
        fresh_queue(self.accounts, self.folder)
        self._watch.start()

    def stop(self) -> None:
        """End it; a job that runs begins again when the workbench is next started."""
        self._stopping.set()
        if self._watch.is_alive():
            # It may be just about to start a process, which would outlive the server.
            self._watch.join()
        self._end()

    def cancel(self, job_id: int) -> Job:
        """Cancel a job: one that waits is left out, one that runs ends with its process."""
        with self._changing:
            with self.accounts.session() as session:
                job = session.get_one(Job, job_id)
            if job.state not in (WAITING, RUNNING):
                return job
            running = job.state == RUNNING
            job = change(self.accounts, job_id, state=CANCELLED, ended_at=now(), step="")
            if running:
                self._end()
            return job

    def _keep_alive(self) -> None:
        while not self._stopping.is_set():
            with self._changing:
                if self._process is None or self._process.poll() is not None:
                    recover(self.accounts, self.folder)
                    self._process = start_group(self.command)
            self._stopping.wait(1.0)

    def _end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            # With its helpers, which are in the session that was started for it.
            kill_group(self._process)
