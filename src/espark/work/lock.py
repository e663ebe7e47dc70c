"""One command at a time works on a folder. The lock belongs to the process, so a crash cannot leave it behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from espark.errors import StudyBusyError

_LOCK = ".lock"
_HOLDER = ".lock-holder.json"


@contextlib.contextmanager
def held(folder: Path, command: str, since: str) -> Iterator[None]:
    """Hold a folder while work is done in it; a process may hold it several times over.

    Args:
        folder: the study folder.
        command: what is done, in words for whoever has to wait.
        since: when it began.

    Raises:
        StudyBusyError: when another process holds the folder; the message names the process.
    """
    lock = FileLock(folder / _LOCK, timeout=0, is_singleton=True)
    nested = lock.is_locked
    try:
        lock.acquire()
    except Timeout:
        raise StudyBusyError(
            f"another command works on this study: {_holder(folder)}",
            where=folder,
            action="Wait until it has ended, or stop it. The lock goes away with the process.",
            code="E-STUDY-003",
        ) from None
    try:
        if not nested:
            facts = {"command": command, "process": os.getpid(), "machine": socket.gethostname(), "since": since}
            (folder / _HOLDER).write_text(json.dumps(facts), encoding="utf-8")
        yield
    finally:
        if not nested:
            (folder / _HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    try:
        facts = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return "`{command}`, process {process} on {machine}, since {since}".format(**facts)
    except (OSError, ValueError, KeyError):
        return "a process that has not said its name yet"
