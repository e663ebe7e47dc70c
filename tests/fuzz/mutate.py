"""Ways to damage a file, each drawn from a random generator: the same generator always does the same damage."""

from __future__ import annotations

import gzip
import random
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
WORDS = (
    "", "-1", "0", "1e400", "nan", "inf", "-inf", "99999999999999999999", "0x10", "1_000", "1,5", "=1+1", "@SUM(A1)",
    "../../etc", "C:\\con", "NUL", "\u202e", "\u200b", "\ufeff", "é", "\U0001f600", "'", '"', "[[", "{}", "a" * 5000,
    "true", "null",
)  # fmt: skip


def damaged(content: bytes, chance: random.Random, *, header: int = 0) -> tuple[bytes, str]:
    """Bytes with one to three faults, and their names.

    Args:
        content: the bytes.
        chance: draws the faults.
        header: most faults come before this byte, where sizes and offsets are; 0 for anywhere.
    """
    said = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        end = min(header, len(content)) if header and chance.random() < 0.8 else len(content)
        way = chance.choice(_WAYS)
        content = way(content, chance, max(1, end))
        said.append(way.__name__.strip("_"))
    return content, ", ".join(said)


def _flip(content: bytes, chance: random.Random, end: int) -> bytes:
    place = chance.randrange(end)
    return (
        content[:place] + bytes([content[place] ^ (1 << chance.randrange(8))]) + content[place + 1 :]
        if content
        else b""
    )


def _overwrite(content: bytes, chance: random.Random, end: int) -> bytes:
    place, count = chance.randrange(end), chance.choice((1, 2, 4, 16, 64))
    return content[:place] + chance.randbytes(count) + content[place + count :]


def _extreme(content: bytes, chance: random.Random, end: int) -> bytes:
    """A number of 1 to 8 bytes at an even place becomes very large or 0, as sizes and offsets in bombs."""
    width = chance.choice((1, 2, 4, 8))
    place = chance.randrange(end) // min(width, 4) * min(width, 4)
    number = chance.choice(EXTREMES) & ((1 << 8 * width) - 1)
    return content[:place] + number.to_bytes(width, chance.choice(("little", "big"))) + content[place + width :]


def _insert(content: bytes, chance: random.Random, end: int) -> bytes:
    place = chance.randrange(end)
    return content[:place] + chance.randbytes(chance.choice((1, 2, 8, 100))) + content[place:]


def _leave_out(content: bytes, chance: random.Random, end: int) -> bytes:
    place = chance.randrange(end)
    return content[:place] + content[place + chance.choice((1, 2, 8, 100, 1000)) :]


def _cut(content: bytes, chance: random.Random, end: int) -> bytes:
    del end
    return content[: chance.randrange(len(content) + 1)]


def _repeat(content: bytes, chance: random.Random, end: int) -> bytes:
    place, count = chance.randrange(end), chance.choice((4, 16, 256))
    return (
        content[: place + count] + content[place : place + count] * chance.choice((1, 3, 50)) + content[place + count :]
    )


def _move(content: bytes, chance: random.Random, end: int) -> bytes:
    place, other, count = chance.randrange(end), chance.randrange(end), chance.choice((2, 4, 12, 32))
    return content[:place] + content[other : other + count] + content[place + count :]


_WAYS: Sequence[Callable[[bytes, random.Random, int], bytes]] = (
    _flip, _overwrite, _extreme, _extreme, _insert, _leave_out, _cut, _repeat, _move,
)  # fmt: skip


def damage_file(path: Path, chance: random.Random, *, header: int = 0) -> str:
    """Damage a file; a packed one outside or, half the time, inside of its packing. Says how."""
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b" and chance.random() < 0.6:
        inner, said = damaged(gzip.decompress(content), chance, header=header)
        path.write_bytes(gzip.compress(inner, 1, mtime=0))
        return f"inside: {said}"
    if content[:4] == b"PK\x03\x04" and chance.random() < 0.7:
        return _damage_part(path, content, chance)
    content, said = damaged(content, chance, header=header)
    path.write_bytes(content)
    return said


def _damage_part(path: Path, content: bytes, chance: random.Random) -> str:
    """Damage one part of a zip, with right checksums."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice(sorted(parts))
    text, said = damaged_text(parts[name].decode("utf-8", "replace"), chance)
    parts[name] = text.encode("utf-8", "replace")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, inner in parts.items():
            archive.writestr(part, inner)
    return f"{name}: {said}"


def damaged_text(text: str, chance: random.Random) -> tuple[str, str]:
    """A text with one to three faults: words and lines changed, moved, repeated or nested. Says how."""
    said = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        kind = chance.choice(("word", "word", "line twice", "line out", "nested", "many", "bytes", "cell"))
        lines = text.split("\n")
        place = chance.randrange(len(lines))
        if kind == "word":
            start = chance.randrange(len(text) + 1)
            text = text[:start] + chance.choice(WORDS) + text[start + chance.choice((0, 1, 3, 10)) :]
        elif kind == "line twice":
            text = "\n".join([*lines[:place], lines[place], *lines[place:]])
        elif kind == "line out":
            text = "\n".join([*lines[:place], *lines[place + 1 :]])
        elif kind == "nested":
            deep = chance.choice((5, 100, 3000, 100_000))
            text = "\n".join([*lines[:place], "x = " + "[" * deep + "]" * deep, *lines[place:]])
        elif kind == "many":
            text = "\n".join(
                [*lines[:place], *(f"k{n} = {n}" for n in range(chance.choice((10, 1000, 20_000)))), *lines[place:]]
            )
        elif kind == "bytes":
            raw, _ = damaged(text.encode("utf-8", "replace"), chance)
            text = raw.decode("utf-8", "replace")
        else:
            cells = lines[place].split(",")
            cells[chance.randrange(len(cells))] = chance.choice(WORDS)
            text = "\n".join([*lines[:place], ",".join(cells), *lines[place + 1 :]])
        said.append(kind)
    return text, ", ".join(said)
