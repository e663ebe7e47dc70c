"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DATA = Path(os.environ.get("ESPARK_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real CTs, slides and tables. Without it the test skips; on CI that is a failure."""
    if not (_DATA / "README.md").is_file():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the test data: {_DATA} is missing (set ESPARK_TEST_DATA)")
        pytest.skip(f"the test data is not at {_DATA} (set ESPARK_TEST_DATA)")
    return _DATA
