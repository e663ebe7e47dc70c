"""A disk that is full, or a folder in which nothing may be written: what the writers report, as one clear error."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from espark.errors import WriteError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_TEXTS = ("No space left on device", "Disk quota exceeded")
_FORBIDDEN = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})

_NOTHING_LEFT = 1 << 20
"""Free bytes under which a writer that names no reason has failed for want of space."""

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn an error of whatever writes ``target`` into one that says what to do.

    Args:
        target: the file or folder that is written.

    Raises:
        WriteError: when the disk is full, or nothing may be written there.
    """
    try:
        yield
    except Exception as error:
        problem = write_problem(error, target)
        if problem is None:
            raise
        raise problem from error


def write_problem(error: BaseException, target: Path) -> WriteError | None:
    """What the machine refused, when ``error`` says so; None for an error of the work itself.

    Args:
        error: raised while ``target`` was written.
        target: the file or folder that was written.
    """
    if isinstance(error, WriteError):
        return None
    if is_full(error, target):
        return WriteError(
            f"the disk is full: {size_in_words(free_bytes(target))} are free",
            where=target,
            action="Free space on the disk, then run the same command again. Finished work is kept.",
            code="E-STUDY-005",
        )
    if isinstance(error, OSError) and error.errno in _FORBIDDEN and _concerns(error, target):
        return WriteError(
            f"nothing can be written here ({error.strerror})",
            where=target.parent,
            expected="a folder in which you may create and change files",
            action="Change the permissions, or copy the study to a folder that belongs to you.",
            code="E-STUDY-006",
        )
    return None


def _concerns(error: OSError, target: Path) -> bool:
    """Whether the file that an error names is the target, its temporary file or one of its folders."""
    named = Path(error.filename or "")
    return named in target.parents or named.parent == target.parent


def is_full(error: BaseException, target: Path) -> bool:
    """Whether a writer failed because the disk or a quota is full.

    PyTorch, NumPy and tifffile name no reason; then the space that is left decides.

    Args:
        error: what the writer raised.
        target: what it wrote.
    """
    for part in _causes(error):
        if isinstance(part, OSError) and part.errno in _FULL:
            return True
        if any(text in str(part) for text in _FULL_TEXTS):
            return True
    unnamed = isinstance(error, RuntimeError) or (isinstance(error, OSError) and error.errno is None)
    return unnamed and free_bytes(target) < _NOTHING_LEFT


def free_bytes(target: Path) -> int:
    """Free space of the disk that holds, or would hold, ``target``."""
    there = next(folder for folder in (target, *target.absolute().parents) if folder.exists())
    return shutil.disk_usage(there).free


def size_in_words(size: float) -> str:
    """A number of bytes for people, such as ``1.2 GB``."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
