"""Whether this is Windows, and its system library."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

WINDOWS = sys.platform == "win32"


def kernel32() -> Any:
    """The library that manages memory and processes; on Windows only."""
    return getattr(ctypes, "windll").kernel32  # noqa: B009 - mypy on Linux knows no windll
