"""The process that reads damaged files, one for all tests of a worker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(folder) for folder in (TESTS, TESTS / "ct", TESTS / "fuzz") if str(folder) not in sys.path]

from fuzz_harness import Reading  # noqa: E402


@pytest.fixture(scope="session")
def reading(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    """A process of its own, which may fail."""
    del data  # two families need a real CT and a real slide
    with Reading(tmp_path_factory.mktemp("undamaged")) as process:
        yield process
