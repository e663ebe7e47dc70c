"""A slide for the browser: a pyramid of JPEG tiles in level-0 coordinates, made when they are asked for."""

from __future__ import annotations

import io
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import openslide
from openslide.deepzoom import DeepZoomGenerator

from espark.errors import SlideError
from espark.pathology.slide import Slide, open_slide

TILE, OVERLAP = 510, 1
_QUALITY = 82
_OPEN_SLIDES = 6
_KEPT_BYTES = 192 << 20


@dataclass(frozen=True)
class _OpenSlide:
    slide: Slide
    pyramid: DeepZoomGenerator


class SlideShelf:
    """Open slides, and the tiles that were made last. Safe for several threads."""

    def __init__(self) -> None:
        self._slides: OrderedDict[tuple[Path, float | None], _OpenSlide] = OrderedDict()
        self._tiles: OrderedDict[tuple[Path, int, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def open(self, path: Path, mpp: float | None) -> Slide:
        """An open slide.

        Raises:
            SlideError: when it cannot be opened.
        """
        return self._opened(path, mpp).slide

    def tile(self, path: Path, mpp: float | None, level: int, column: int, row: int) -> bytes | None:
        """One tile as JPEG; None when the pyramid has no such tile.

        Args:
            path: the slide.
            mpp: resolution that the user gives, where the file has none.
            level: of the pyramid; 0 is a single pixel, the last one the slide itself.
            column: from the left.
            row: from the top.

        Raises:
            SlideError: when this part of the slide cannot be read.
        """
        key = (path, level, column, row)
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        pyramid = self._opened(path, mpp).pyramid
        if not 0 <= level < pyramid.level_count:
            return None
        columns, rows = pyramid.level_tiles[level]
        if not (0 <= column < columns and 0 <= row < rows):
            return None
        try:
            picture = pyramid.get_tile(level, (column, row))
        except openslide.OpenSlideError as error:
            raise SlideError("a part of the slide cannot be read", action="Copy the slide again.") from error
        content = io.BytesIO()
        picture.save(content, "jpeg", quality=_QUALITY)
        self._keep(key, content.getvalue())
        return content.getvalue()

    def levels(self, path: Path, mpp: float | None) -> int:
        """Number of levels of the pyramid."""
        return int(self._opened(path, mpp).pyramid.level_count)

    def _opened(self, path: Path, mpp: float | None) -> _OpenSlide:
        with self._lock:
            if (path, mpp) not in self._slides:
                slide = open_slide(path, mpp=mpp)
                # Level-0 coordinates throughout, so that tiles and polygons need no offset.
                pyramid = DeepZoomGenerator(slide.handle, tile_size=TILE, overlap=OVERLAP, limit_bounds=False)
                self._slides[path, mpp] = _OpenSlide(slide, pyramid)
                while len(self._slides) > _OPEN_SLIDES:
                    # Closed with its last reader: another thread may be reading a tile of it now.
                    self._slides.popitem(last=False)
            self._slides.move_to_end((path, mpp))
            return self._slides[path, mpp]

    def _keep(self, key: tuple[Path, int, int, int], content: bytes) -> None:
        with self._lock:
            self._tiles[key] = content
            self._bytes += len(content)
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._tiles.popitem(last=False)[1])


def scanned_part(slide: Slide) -> tuple[int, int, int, int]:
    """Left, top, width and height, in level-0 pixels, of the part that was scanned."""
    left, top = slide.bounds_origin
    properties = slide.handle.properties
    width = int(properties.get(openslide.PROPERTY_NAME_BOUNDS_WIDTH, slide.dimensions[0] - left))
    height = int(properties.get(openslide.PROPERTY_NAME_BOUNDS_HEIGHT, slide.dimensions[1] - top))
    return left, top, width, height


def magnification(mpp: float) -> float:
    """The objective that this resolution corresponds to: 10 / µm per pixel, to the usual steps."""
    return 40.0 * float(2.0 ** round(math.log2(10 / mpp / 40)))
