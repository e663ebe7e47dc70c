"""Programs that are started and killed as a group, the end of a parent, and who runs this process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any

from espark.machine import windows

_SYNCHRONIZE = 0x00100000
_FOREVER = 0xFFFFFFFF


def start_group(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program in a group of its own, so that Ctrl-C for this program does not reach it.

    Args:
        command: the program and its arguments.
        options: for `subprocess.Popen`.
    """
    if windows.WINDOWS:
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x00000200)
        return subprocess.Popen(command, creationflags=flags, **options)
    return subprocess.Popen(command, start_new_session=True, **options)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a program of `start_group` with everything that it started, and wait for its end."""
    if windows.WINDOWS:
        subprocess.run(["taskkill", "/PID", str(process.pid), "/T", "/F"], capture_output=True, check=False)
    else:
        import signal

        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_end_of_parent(parent: int, seconds_between_looks: float) -> None:
    """Return when the process that started this one has ended, however it ended.

    Args:
        parent: its number, from `os.getppid` at the start.
        seconds_between_looks: how often Linux and macOS are asked; Windows reports the end itself.
    """
    if windows.WINDOWS:
        library = windows.kernel32()
        handle = library.OpenProcess(_SYNCHRONIZE, False, parent)
        if handle:
            library.WaitForSingleObject(handle, _FOREVER)
            library.CloseHandle(handle)
        return
    # An orphan gets another parent. On Windows it keeps the number of the old one.
    while os.getppid() == parent:
        time.sleep(seconds_between_looks)


def is_root() -> bool:
    """Whether this process may do everything on this machine; never on Windows."""
    return not windows.WINDOWS and os.geteuid() == 0
