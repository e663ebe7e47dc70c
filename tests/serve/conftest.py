"""A workbench on a small study, and the simulated study after `espark run`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_study import Browser, make_study, open_browser

from simulated_study import finished_study, simulated_trial


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    """A browser at the workbench of a small study."""
    found = open_browser(make_study(tmp_path / "study"))
    yield found
    found.workbench.accounts.close()


@pytest.fixture
def study(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A copy of the finished study that a test may spoil."""
    return Path(shutil.copytree(finished_study(simulated_trial(tmp_path_factory)), tmp_path / "study"))
