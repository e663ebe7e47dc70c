"""Files that survive a power failure: a file is acknowledged only when its content and its name are on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from espark.files import canonical_json


def keep_bytes(target: Path, content: bytes) -> None:
    """Write a file beside its target, flush it to disk, rename it, and flush the folder too."""
    with _placed(target) as temporary:
        temporary.write_bytes(content)


def keep_file(target: Path, source: Path) -> None:
    """Keep a file under another name in the same way; without a copy where both are on one disk."""
    with _placed(target) as temporary:
        try:
            temporary.hardlink_to(source)
        except OSError:
            shutil.copyfile(source, temporary)


@contextlib.contextmanager
def _placed(target: Path) -> Iterator[Path]:
    _make_folder(target.parent)
    temporary = target.with_name(f".partial-{os.getpid()}-{uuid.uuid4().hex}")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(target)
        flush_folder(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def keep_json(target: Path, value: Any) -> None:
    """Write JSON in the same way."""
    keep_bytes(target, (canonical_json(value, indent=2) + "\n").encode("utf-8"))


def hash_of(path: Path) -> str:
    """SHA-256 of a whole file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        flush_folder(path.parent)


def total_bytes(root: Path) -> int:
    """Size of the files below a folder."""
    found = 0
    for path in root.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_size if path.is_file() else 0
    return found
