"""What every other test here rests on: the same seed gives the same bytes, with any number of workers and threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fault_harness import content, copied

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_elsewhere(study: Path, folder: Path, *, workers: int, threads: int) -> Path:
    """The study after `espark run` in a process of its own."""
    target = copied(study, folder / f"{workers}-{threads}-{len(list(folder.iterdir()))}")
    setting = dict.fromkeys(THREADS, str(threads)) | {"PYTHONHASHSEED": str(workers)}
    command = [sys.executable, "-m", "espark", "run", str(target), "--quiet", "--workers", str(workers)]
    subprocess.run(command, env=os.environ | setting, check=True)
    return target


def compare(study: Path, folder: Path) -> None:
    first, *others = (
        content(run_elsewhere(study, folder, workers=workers, threads=threads))
        for workers, threads in ((1, 1), (1, 1), (2, 1), (1, 2))
    )
    for found in others:
        for facts in (first, found):
            for entry in facts["manifest.json"]["steps"].values():
                entry.pop("workers", None)
        assert {name for name in first.keys() | found.keys() if first.get(name) != found.get(name)} == set()


@pytest.mark.slow
def test_same_seed_same_bytes_with_features(features: Path, tmp_path: Path) -> None:
    compare(features, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_same_seed_same_bytes_with_images(images: Path, tmp_path: Path) -> None:
    compare(images, tmp_path)
