"""One command at a time works on a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from espark.errors import StudyBusyError
from espark.work.lock import held

HOLD = """
import sys, time, pathlib
from espark.work.lock import held
with held(pathlib.Path(sys.argv[1]), "espark train", "2026-01-01T10:00:00+00:00"):
    print("holding", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "holding\n"
        yield process
        process.kill()


def test_the_second_is_told_who_holds_the_study(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    expected = rf"`espark train`, process {holder.pid} on .*, since 2026-01-01"
    with pytest.raises(StudyBusyError, match=expected), held(tmp_path, "espark evaluate", "now"):
        pass


def test_a_crash_leaves_no_lock_behind(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    begun = time.monotonic()
    with held(tmp_path, "espark evaluate", "now"):
        assert time.monotonic() - begun < 5


def test_a_process_may_hold_a_study_several_times_over(tmp_path: Path) -> None:
    with held(tmp_path, "espark run", "now"):
        with held(tmp_path, "espark run", "now"):
            pass
        assert (tmp_path / ".lock-holder.json").exists()
    assert not (tmp_path / ".lock-holder.json").exists()
