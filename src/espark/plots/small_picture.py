"""A small picture with its lines apart from its pixels, so that a page of hundreds stays light and sharp."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass

import numpy as np
from PIL import Image
from skimage.measure import approximate_polygon, find_contours

from espark.plots.scale_bar import round_length
from espark.plots.style import SCALE_COLORS
from espark.types import BoolArray, ByteArray, Scale

_TOLERANCE_PX = 0.3
_MOST_PIECES = 60
"""A mask like a comb has thousands of pieces; the longest show what is wrong with it."""


@dataclass(frozen=True)
class Outline:
    """The outline of a region.

    Attributes:
        scale: the region.
        color: color of the line.
        path: its closed lines as SVG path data, in pixels of the picture from its upper left corner.
    """

    scale: Scale
    color: str
    path: str


@dataclass(frozen=True)
class SmallPicture:
    """A picture for a page, with what is drawn over it.

    Attributes:
        webp: content of a WebP file.
        width: pixels.
        height: pixels.
        bar_px: length of the scale bar in pixels.
        bar_text: its length in words.
        outlines: outlines of the regions.
        sides: letters of the left, right, upper and lower edge; empty for none.
        crossing: (column, row) where the other planes cross this one, in pixels; None for none.
    """

    webp: bytes
    width: int
    height: int
    bar_px: float
    bar_text: str
    outlines: tuple[Outline, ...] = ()
    sides: tuple[str, ...] = ()
    crossing: tuple[float, float] | None = None


def webp(pixels: ByteArray, *, quality: int) -> bytes:
    """Pixels as a WebP file; the same pixels always give the same bytes.

    Args:
        pixels: uint8 (h, w) or (h, w, 3).
        quality: 0 to 100.
    """
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", quality=quality, method=4)
    return content.getvalue()


def scale_bar(width_px: float, mm_per_px: float) -> tuple[float, str]:
    """Length of a scale bar in pixels and in words, for a picture of a given width."""
    length_mm = round_length(width_px * mm_per_px)
    unit = f"{length_mm:g} mm" if length_mm < 10 else f"{length_mm / 10:g} cm"
    return length_mm / mm_per_px, unit


def outline(mask: BoolArray, scale: Scale, factor: float) -> Outline:
    """The outline of a mask.

    Args:
        mask: bool (rows, columns).
        scale: which region it is.
        factor: pixels of the picture for each pixel of the mask.
    """
    contours = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    longest = sorted(contours, key=len, reverse=True)[:_MOST_PIECES]
    thinned = (approximate_polygon(line, _TOLERANCE_PX / factor) for line in longest)
    # The middle of the first pixel lies half a pixel from the corner; the rim that was added is one pixel.
    placed = ((line[:-1, ::-1] - 0.5) * factor for line in thinned)
    path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line.tolist()) + "Z" for line in placed)
    return Outline(scale, SCALE_COLORS[scale], path)


def box_of(mask: BoolArray) -> tuple[int, int, int, int]:
    """First and end row, first and end column of the pixels of a mask that are set; the whole mask when none is."""
    if not mask.any():
        return 0, mask.shape[0], 0, mask.shape[1]
    lines = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, bottom, left, right = itertools.chain.from_iterable((int(line[0]), int(line[-1]) + 1) for line in lines)
    return top, bottom, left, right
