"""A workbench on a small study."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_study import Browser, make_study, open_browser


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """A browser at the workbench of a small study."""
    return open_browser(make_study(tmp_path / "study"))
