"""Ctrl-C and SIGTERM end a command with all its workers in seconds; what is done stays, and the message says so."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from espark.errors import Interrupted
from espark.files import read_json
from espark.work.progress import Reporter
from espark.work.stopping import how_to_go_on

SECONDS = 5.0
SLEEPERS = """
import os, sys, time
from pathlib import Path
import espark.cli.app
from espark.work.progress import Reporter
from espark.work.workers import side_by_side

def sleep(job):
    folder, number = job
    (folder / str(os.getpid())).touch()
    time.sleep(0.01 if number == 0 else 300)

def work(folder: Path):
    jobs = [(folder, number) for number in range(4)]
    with Reporter("quiet").track("sleep", len(jobs)) as advance:
        for _ in side_by_side(sleep, jobs, workers=int(sys.argv[1]), uses_torch=False):
            advance()
            (folder / "one").touch()

app = sys.modules["espark.cli.app"]
app.app = lambda: work(Path(sys.argv[2]))
app.main()
"""


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands, and ends those that a failed test leaves behind."""
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str | Path) -> subprocess.Popen[str]:
        processes.append(subprocess.Popen([sys.executable, *map(str, command)], stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_for(reached: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except OSError:
        return False


def descendants(process: int) -> set[int]:
    """Every process below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(") ")[2].split()[1])
            except OSError:
                continue  # it has just ended
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {process}} - found:
        found |= more
    return found


def stopped(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
    """Send a signal; exit code and messages of the command, once it and all its workers have ended in time."""
    below = descendants(process.pid)
    process.send_signal(number)
    start = time.monotonic()
    _, said = process.communicate(timeout=60)
    wait_for(lambda: not any(map(alive, below)), 60)
    assert time.monotonic() - start < SECONDS
    return process.returncode, said


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_and_its_workers(
    tmp_path: Path, started: Callable[..., subprocess.Popen[str]], workers: int, number: int, code: int
) -> None:
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    process = started(tmp_path / "sleepers.py", str(workers), tmp_path)
    wait_for(lambda: (tmp_path / "one").exists() and (workers == 1 or len(list(tmp_path.glob("[0-9]*"))) == 2))
    found, said = stopped(process, number)
    assert found == code
    assert said.splitlines() == [
        f"espark: stopped by {signal.Signals(number).name} (sleep: 1/4). "
        f"To start again, run `sleepers.py {workers} {tmp_path}`."
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not name a process's parent anew")
def test_workers_end_when_the_command_is_killed(tmp_path: Path, started: Callable[..., subprocess.Popen[str]]) -> None:
    """As the system does when memory runs out: nobody is left to tell the workers."""
    (tmp_path / "sleepers.py").write_text(SLEEPERS)
    process = started(tmp_path / "sleepers.py", "2", tmp_path)
    wait_for(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2)
    below = descendants(process.pid)
    process.kill()
    process.wait()
    wait_for(lambda: not any(map(alive, below)), SECONDS * 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "number", "code"),
    [("prepare", signal.SIGTERM, 143), ("prepare", signal.SIGINT, 130), ("run", signal.SIGTERM, 143)],
)
def test_a_step_that_is_stopped_says_what_is_done(
    trial: Path, tmp_path: Path, step: str, number: int, code: int
) -> None:
    study = Path(shutil.copytree(trial, tmp_path / "study"))
    command = [sys.executable, "-m", "espark", step, str(study), "--quiet", "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    wait_for(lambda: len(list((study / "prepared").rglob("*.nii.gz"))) >= 2, 300)
    found, said = stopped(process, number)
    assert found == code
    assert re.fullmatch(
        rf"espark: stopped by {signal.Signals(number).name} during `prepare` \(prepare: \d+/24\)\. "
        rf"What is done is kept; to go on, run `espark {step} {study} --quiet --workers 2`\.\n",
        said,
    )
    entry = read_json(study / "manifest.json")["steps"]["prepare"]
    assert entry["state"] == f"stopped by {signal.Signals(number).name}" and entry["end"]
    assert not (study / ".lock-holder.json").exists() and not list(study.rglob(".partial-*"))


def test_the_innermost_work_is_named_and_the_command_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/espark/__main__.py", "train", "my study"])
    stop = Interrupted(signal.SIGTERM)
    with pytest.raises(Interrupted), Reporter("quiet").track("outer", 2) as outer:
        outer()
        with Reporter("quiet").track("train folds", 10) as advance:
            advance(), advance()
            raise stop
    stop.step = "train"
    assert how_to_go_on(stop) == (
        "stopped by SIGTERM during `train` (train folds: 2/10). What is done is kept; to go on, run "
        "`espark train 'my study'`."
    )
    assert stop.exit_code == 143
