"""A picture of a report, with the words that belong to it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A picture and the words that belong to it. Exactly one of ``png``, ``svg`` and ``jpeg`` is given.

    Attributes:
        png: content of a PNG file.
        svg: an SVG document as text.
        alt: what the picture shows, for a reader who cannot see it; never empty.
        caption: sentence under the picture; empty for none.
        wide: whether it takes the page's whole width; two narrow pictures are shown side by side.
        jpeg: content of a JPEG file, for photographs: a quarter of the size of a PNG file.

    Raises:
        ValueError: when there is no content, more than one, or no alternative text.
    """

    png: bytes | None
    svg: str | None
    alt: str
    caption: str
    wide: bool = True
    jpeg: bytes | None = None

    def __post_init__(self) -> None:
        if sum(content is not None for content in (self.png, self.svg, self.jpeg)) != 1:
            raise ValueError("a picture is either PNG bytes, SVG text or JPEG bytes")
        if not self.alt.strip():
            raise ValueError("a picture needs an alternative text")
