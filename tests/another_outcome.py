"""Another outcome than the default one, and a search for what still speaks of the default."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
from PIL import Image

from espark.outcome import Outcome

MPR = Outcome(
    column="mpr",
    name="MPR",
    positive="major pathological response",
    definition="At most 10 % of the tumor bed is living tumor after treatment and surgery.",
)

_DEFAULT = re.compile(r"pcr|complete[\s_-]+(pathological[\s_-]+)?response|responder", re.IGNORECASE)
_TEXTS = {".csv", ".html", ".json", ".geojson", ".md", ".svg", ".toml", ".txt"}
_EMBEDDED = re.compile(r"data:([a-z/+]+);base64,([A-Za-z0-9+/=\s]+)")


def traces_of_the_default(text: str) -> list[str]:
    """Where a text speaks of the default outcome, or calls patients responders, each with what stands around it."""
    return [text[max(0, found.start() - 40) : found.end() + 40] for found in _DEFAULT.finditer(text)]


def traces_in_files(folder: Path, *, but: tuple[str, ...]) -> dict[str, list[str]]:
    """By file below ``folder``, the traces in its name, its text, its columns and the pictures in it.

    Args:
        folder: what to search.
        but: files and folders directly in it that are left out.
    """
    found = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and place.parts[0] not in but:
            found[place.as_posix()] = [trace for text in _words_of(path) for trace in traces_of_the_default(text)]
    return {name: traces for name, traces in found.items() if traces}


def _words_of(path: Path) -> Iterator[str]:
    yield path.name
    if path.suffix == ".parquet":
        yield " ".join(pyarrow.parquet.read_schema(path).names)
    if path.suffix in (".png", ".jpg"):
        yield _notes_of(path.read_bytes())
    if path.suffix in _TEXTS:
        yield from _parts_of(path.read_text(encoding="utf-8"))


def _parts_of(text: str) -> Iterator[str]:
    """The text without the pictures in it, and the words of these."""
    # Three letters in a row are found by chance in what base64 makes of a picture.
    yield _EMBEDDED.sub(" ", text)
    for kind, content in _EMBEDDED.findall(text):
        decoded = base64.b64decode(content)
        if "svg" in kind:
            yield from _parts_of(decoded.decode())
        else:
            yield _notes_of(decoded)


def _notes_of(picture: bytes) -> str:
    with Image.open(io.BytesIO(picture)) as opened:
        opened.load()
        return repr((opened.info, dict(opened.getexif())))
