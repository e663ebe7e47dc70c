"""Watches whether Python opens a socket, by its audit events."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

_HARMLESS = ("socket.gethostname",)
"""The name of this machine, which the lock of a study shows, needs no socket."""

_watching: list[list[str]] = []
_hooked = False


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """Collect the audit events of sockets while the block runs."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_note)
        _hooked = True
    found: list[str] = []
    _watching.append(found)
    try:
        yield found
    finally:
        _watching.remove(found)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event.startswith(("socket.", "urllib.", "http.client.", "ftplib.", "smtplib.")) and event not in _HARMLESS:
        for found in _watching:
            found.append(f"{event} {arguments[1:]}")
