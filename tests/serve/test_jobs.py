"""Jobs survive a kill of the worker, end when they are cancelled, and run one at a time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from espark.serve.accounts import CANCELLED, DONE, FAILED, RUNNING, WAITING, Accounts, Job
from espark.serve.jobs import WorkerProcess, ask_for, recent_jobs

LONG = 300


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    found = Accounts(tmp_path / "serve")
    yield found
    found.close()


@pytest.fixture
def worker(tmp_path: Path, accounts: Accounts) -> Iterator[WorkerProcess]:
    found = WorkerProcess(tmp_path, None, accounts)
    found.command = [sys.executable, str(Path(__file__).parent / "sleeping_worker.py"), str(tmp_path / "serve")]
    yield found
    found.stop()


def ask(accounts: Accounts, folder: Path, kind: str = "sleep", steps: int = 1) -> int:
    job = ask_for(accounts, folder / "serve", Job(kind=kind, patient_id="P-1", options={"steps": steps}))
    assert job.id is not None
    return job.id


def job(accounts: Accounts, job_id: int) -> Job:
    return next(one for one in recent_jobs(accounts) if one.id == job_id)


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def is_in(accounts: Accounts, job_id: int, *states: str) -> Callable[[], bool]:
    return lambda: job(accounts, job_id).state in states


def sleeps(accounts: Accounts, job_id: int) -> Callable[[], bool]:
    return lambda: job(accounts, job_id).state == RUNNING and job(accounts, job_id).step == "sleeping"


def test_jobs_run_one_after_the_other_and_say_what_came_out(
    tmp_path: Path, accounts: Accounts, worker: WorkerProcess
) -> None:
    first, second = ask(accounts, tmp_path, steps=3), ask(accounts, tmp_path, kind="fail")
    worker.start()
    until(is_in(accounts, second, DONE, FAILED))
    one, two = job(accounts, first), job(accounts, second)
    assert (one.state, one.result, one.progress) == (DONE, {"slept": 3}, 1.0)
    assert two.state == FAILED
    assert two.error == "the CT is a picture of a cat. Give a CT."
    assert one.ended_at <= two.started_at


def test_a_job_whose_worker_is_killed_begins_again_and_then_fails(
    tmp_path: Path, accounts: Accounts, worker: WorkerProcess
) -> None:
    running, waiting = ask(accounts, tmp_path, steps=LONG), ask(accounts, tmp_path)
    worker.start()
    for attempt in (1, 2):
        until(lambda: sleeps(accounts, running)() and job(accounts, running).attempts == attempt)  # noqa: B023
        # The second time it waits behind the other job, which must not suffer from it.
        assert job(accounts, waiting).state == (WAITING if attempt == 1 else DONE)
        assert worker._process is not None
        os.kill(worker._process.pid, signal.SIGKILL)
    until(is_in(accounts, running, FAILED))
    assert "killed twice" in job(accounts, running).error


def test_a_cancelled_job_ends_and_the_next_one_runs(tmp_path: Path, accounts: Accounts, worker: WorkerProcess) -> None:
    running, waiting, last = (ask(accounts, tmp_path, steps=steps) for steps in (LONG, 1, 1))
    worker.start()
    until(sleeps(accounts, running))
    assert worker.cancel(waiting).state == CANCELLED
    assert worker.cancel(running).state == CANCELLED
    until(is_in(accounts, last, DONE))
    assert (job(accounts, running).state, job(accounts, waiting).state) == (CANCELLED, CANCELLED)
    assert worker.cancel(last).state == DONE


def test_what_waited_when_the_server_was_killed_runs_when_it_starts_again(
    tmp_path: Path, accounts: Accounts, worker: WorkerProcess
) -> None:
    waiting = ask(accounts, tmp_path)
    for path in (tmp_path / "serve").glob("queue.sqlite*"):
        path.write_bytes(b"half a queue")
    worker.start()
    until(is_in(accounts, waiting, DONE))
