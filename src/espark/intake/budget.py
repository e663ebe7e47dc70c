"""What a file may take: no more than its bytes can hold, and no more memory than the machine has free.

The size in a header is only a claim. A file of 110 bytes can declare a volume of 5 GB, and a reader that believes it
reserves the memory first and finds out later. So every reader of espark calculates what a file declares, from its
header alone, and asks `require_room` before it reads on.
"""

from __future__ import annotations

from espark.errors import InputError
from espark.machine.free_memory import free_memory

DEFLATE = 1032
"""Deflate (gzip, zip) never packs better than 1032 to 1, by the construction of its code."""

INFORMATIVE = 200
"""Numbers with information are never packed better than this. A file with more was made to fill the memory."""

SMALL_BYTES = 64 << 20
"""A file may always declare this much: it harms no machine, and a cut file is found later."""

_SHARE = 0.5


def require_room(
    declared: int,
    *,
    where: object,
    stored: int | None = None,
    packing: float = 1.0,
    copies: float = 1.0,
    error: type[InputError] = InputError,
) -> None:
    """Refuse a file that declares more than it can hold, or more than fits into half of the free memory.

    Args:
        declared: bytes of its content after unpacking.
        where: the file, for the message.
        stored: bytes of this content in the file; None if only the memory counts.
        packing: the most that the format packs, such as `DEFLATE`; 1 without compression.
        copies: how often the content is in memory while it is used.
        error: kind of error to raise.

    Raises:
        InputError: of kind ``error``.
    """
    if declared <= SMALL_BYTES:
        return
    if stored is not None and declared > packing * stored:
        raise error(
            f"the header declares {in_words(declared)}, and the {in_words(stored)} in the file cannot hold that",
            where=where,
            expected="a complete file that holds what its header declares",
            action="Copy or export the file again. Do not use it if you do not know where it comes from.",
            code="E-FILE-001",
        )
    needed, free = declared * copies, free_bytes()
    if needed > _SHARE * free:
        raise error(
            f"the file takes {in_words(needed)} of memory, and this machine has {in_words(free)} free",
            where=where,
            expected=f"at most {in_words(_SHARE * free)}, half of the free memory",
            action="If this size is right, use a machine with more memory. If not, export the file again.",
            code="E-FILE-002",
        )


def free_bytes() -> int:
    """Memory that this process can still take: free on the machine, in its container, and under its own limit."""
    return free_memory()


def in_words(count: float) -> str:
    """A number of bytes in words.

    Example:
        >>> in_words(110), in_words(4.6e9)
        ('110 bytes', '4.6 GB')
    """
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if count >= 1000**power:
            return f"{count / 1000**power:.3g} {unit}"
    return f"{count:.0f} bytes"
