"""A run that is killed at any moment ends, once it is run again, with the bytes of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def tree(folder: Path) -> dict[str, bytes]:
    skipped = {"manifest.json", "status.csv", "stamps.json"}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in skipped)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def run_until(folder: Path, reached: Callable[[], bool]) -> None:
    """Start `espark run` and kill it, with all its workers, as soon as something is reached."""
    command = [sys.executable, "-m", "espark", "run", str(folder), "--quiet", "--workers", "2"]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 240
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_killed_in_prepare_and_in_train(trial: Path, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trial, tmp_path / "study"))
    run_until(folder, lambda: len(list((folder / "prepared").rglob("*.h5"))) >= 3)
    run_until(folder, lambda: (folder / "models" / "cytopath" / "fold-00.safetensors").exists())
    assert not (folder / "predictions" / "espark.csv").exists()
    command = [sys.executable, "-m", "espark", "run", str(folder), "--quiet", "--workers", "2"]
    assert subprocess.run(command, check=False, timeout=300).returncode == 0
    expected, found = tree(finished), tree(folder)
    debris = {name for name in found if Path(name).name.startswith(".partial-")}
    assert {name for name in expected if expected[name] != found.get(name)} == set()
    assert set(found) - debris == set(expected)
    if debris:
        pytest.fail(f"left behind by the kill: {sorted(debris)}")
