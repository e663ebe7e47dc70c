"""The simulated study, before and after `espark run`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from simulated_study import finished_study, simulated_trial


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of twelve simulated patients, with a person's name in every header; read only."""
    return simulated_trial(tmp_path_factory)


@pytest.fixture(scope="session")
def finished(trial: Path) -> Path:
    """The same study after `espark run`; read only."""
    return finished_study(trial)


@pytest.fixture
def study(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished study that a test may spoil."""
    return Path(shutil.copytree(finished, tmp_path / "study"))
