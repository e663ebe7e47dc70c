"""The memory that this process can still take, and a limit on it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path

from espark.machine import windows

_UNKNOWN = 8 << 30
_CGROUP = Path("/sys/fs/cgroup")


def free_memory() -> int:
    """Bytes that this process can still take: free on the machine, in its container, and under its own limit."""
    return max(0, min(_free_on_machine(), _free_in_container(), _free_under_limit()))


def limit_memory(share: int | None) -> None:
    """Let this process take no more than ``share`` bytes beyond what it has; None lifts the limit.

    Only Linux counts what a process has written. Elsewhere nothing is limited.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        limit = resource.RLIM_INFINITY if share is None else _data_bytes() + share
        if most != resource.RLIM_INFINITY:
            limit = most if share is None else min(limit, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


def _data_bytes() -> int:
    """What the limit counts: private memory that this process may write."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmData:")).split()[1]) << 10


def _free_on_machine() -> int:
    if windows.WINDOWS:
        return _free_on_windows()
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) << 10
    with contextlib.suppress(AttributeError, OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return _UNKNOWN


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_uint32), ("load", ctypes.c_uint32), ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64), ("total_page", ctypes.c_uint64), ("available_page", ctypes.c_uint64),
        ("total_virtual", ctypes.c_uint64), ("available_virtual", ctypes.c_uint64), ("extended", ctypes.c_uint64),
    )  # fmt: skip


def _free_on_windows() -> int:
    status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
    known = windows.kernel32().GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.available) if known else _UNKNOWN


def _free_in_container() -> int:
    """What the memory limit of the container (cgroup 2) leaves. Cached files are given back when memory is needed."""
    try:
        limit, used = (int((_CGROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        facts = dict(line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(facts.get("inactive_file", 0))
    except (OSError, ValueError):
        return sys.maxsize


def _free_under_limit() -> int:
    """What a limit of the process (``ulimit -v``) leaves."""
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError, ValueError):
        return sys.maxsize
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit - pages * resource.getpagesize()
