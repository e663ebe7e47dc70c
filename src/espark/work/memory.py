"""The memory that a worker may take: its share of what is free, so that one item cannot end its neighbours."""

from __future__ import annotations

from espark.intake.budget import free_bytes, in_words

_SHARED_OUT = 0.9
"""Of the free memory; the rest is for the command itself and for other programs."""

_ALLOCATION_FAILED = (
    "can't allocate memory",
    "bad allocation",
    "failed to allocate",
    "std::bad_alloc",
    "out of memory",
)
"""How torch, ITK and OpenCV word it. They raise errors of their own instead of MemoryError."""


def share_of_memory(workers: int) -> int:
    """Bytes that each of ``workers`` processes may take at the same time, from what is free now."""
    return int(_SHARED_OUT * free_bytes() / workers)


def memory_of_workers(workers: int) -> str:
    """One line for the person who waits.

    Example:
        >>> memory_of_workers(2).startswith("2 workers; each may use ")
        True
    """
    share = in_words(share_of_memory(workers))
    return f"{workers} workers; each may use {share} of memory" if workers > 1 else f"1 worker; it may use {share}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory was refused.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(RuntimeError("shapes differ"))
        (True, False)
    """
    words = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in words for sign in _ALLOCATION_FAILED)
    )
