"""Content of packed files, unpacked in small pieces."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

from espark.errors import ConfigError, InputError
from espark.intake.budget import SMALL_BYTES

BLOCK = 1 << 20
_MOST_TEXT = 1 << 20
_PACKED_IMAGE = 50
"""A volume with noise is packed to a half or a third. Masks are small enough without this."""


def opened(path: Path) -> io.BufferedIOBase:
    """A file for reading; one that is called ``.gz`` is unpacked while it is read."""
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def blocks(handle: io.BufferedIOBase, count: int) -> Iterator[bytes]:
    """The next ``count`` bytes of a file in blocks of at most 1 MiB.

    Raises:
        EOFError: when the file ends before.
    """
    while count:
        block = handle.read(min(BLOCK, count))
        if not block:
            raise EOFError("the file is cut off")
        count -= len(block)
        yield block


def check_inflated(packed: bytes, *, where: object, error: type[InputError] = InputError) -> None:
    """Refuse a raw deflate stream that unpacks to much more than data with information would.

    Args:
        packed: the stream.
        where: the file, for the message.
        error: kind of error to raise.

    Raises:
        InputError: of kind ``error``.
        zlib.error: when it is damaged.
    """
    most = max(SMALL_BYTES, _PACKED_IMAGE * len(packed))
    stream, rest, found = zlib.decompressobj(-zlib.MAX_WBITS), packed, 0
    while rest and not stream.eof:
        found += len(stream.decompress(rest, BLOCK))
        rest = stream.unconsumed_tail
        if found > most:
            raise error(
                f"{len(packed)} packed bytes unpack to more than {most >> 20} MiB",
                where=where,
                expected="images, which cannot be packed that much",
                action="Export the file again without the deflated transfer syntax.",
                code="E-FILE-001",
            )


def read_settings_text(path: Path) -> str:
    """Text of a file that a person writes.

    Raises:
        FileNotFoundError: when there is no such file.
        UnicodeDecodeError: when it is not UTF-8.
        ConfigError: when it is over 1 MiB.
    """
    with path.open("rb") as handle:
        content = handle.read(_MOST_TEXT + 1)
    if len(content) > _MOST_TEXT:
        raise ConfigError(
            "the file is larger than 1 MiB",
            where=path,
            expected="settings that a person writes",
            action="Check that this is the right file.",
            code="E-FILE-002",
        )
    return content.decode("utf-8")
