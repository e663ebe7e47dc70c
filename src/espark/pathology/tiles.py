"""The tile grid of a slide, and reading its tiles in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from espark.errors import SlideError
from espark.pathology.slide import Slide
from espark.pathology.tissue import Ground, Tissue
from espark.types import ByteArray, FloatArray

_COARSEST = 2.0
"""A slide may be coarser than the tiles by this factor. Beyond it, nuclei have no detail."""
_ARTEFACT_SHARE = 0.10
_READ_AHEAD = 2
RUN = 16
"""Number of tiles read together: enough for fast computation, few enough for little memory."""

T = TypeVar("T")


@dataclass(frozen=True)
class Tiles:
    """Tiles of one slide, in reading order (row by row).

    Attributes:
        coords: int32 (n, 2), x and y of the top-left corners in level-0 pixels, on the grid from (0, 0).
        tissue_fraction: float32 (n,), share of usable tissue, 0–1.
        tile_px: side of a tile in its own pixels.
        mpp: µm per tile pixel.
        tile_px_level0: side of a tile in level-0 pixels; may be a fraction.
        slide_mpp: µm per level-0 pixel.
        rejected_coords: int32 (m, 2), tiles with some tissue that were left out.
        rejected_reasons: reasons, in the same order: ``glass``, ``pen``, ``fold``, ``bubble`` or ``blur``.
    """

    coords: npt.NDArray[np.int32]
    tissue_fraction: FloatArray
    tile_px: int
    mpp: float
    tile_px_level0: float
    slide_mpp: float
    rejected_coords: npt.NDArray[np.int32]
    rejected_reasons: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.coords)


def require_resolution(slide: Slide, mpp: float) -> None:
    """Refuse a slide that is too coarse for tiles of ``mpp`` µm per pixel.

    Raises:
        SlideError: when it is too coarse.
    """
    if slide.mpp > _COARSEST * mpp:
        raise SlideError(
            f"the slide's finest level has {slide.mpp:.3g} µm per pixel",
            where=slide.path,
            expected=f"at most {_COARSEST * mpp:g} µm per pixel, for tiles at {mpp:g}",
            action="Give the full-resolution file.",
            code="E-SLIDE-004",
        )


def tile_grid(slide: Slide, tissue: Tissue, *, tile_px: int = 256, mpp: float = 0.5, min_tissue: float = 0.3) -> Tiles:
    """Lay the tile grid over a slide and keep the tiles with enough tissue.

    Tile (i, j) has its corner at round(i · size), round(j · size) with size = tile_px · mpp / slide.mpp, so that
    rounding errors do not add up. Tiles that would extend beyond the slide are not made.

    Args:
        slide: an open slide.
        tissue: its tissue.
        tile_px: side of a tile in pixels.
        mpp: µm per tile pixel.
        min_tissue: a tile with at most this share of usable tissue is left out (0–1).

    Raises:
        SlideError: when the slide is too coarse for such tiles.
    """
    require_resolution(slide, mpp)
    size = tile_px * mpp / slide.mpp
    columns, rows = (_whole_tiles(length, size) for length in slide.dimensions)
    x, y = np.meshgrid(np.rint(np.arange(columns) * size), np.rint(np.arange(rows) * size))
    corners = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.int32)
    shares = {ground: tissue.fraction_in(corners.astype(np.float32), size, ground) for ground in Ground}
    reasons = _reasons(shares, min_tissue)
    kept, rejected = reasons == "", (reasons != "") & (reasons != "empty")
    return Tiles(
        coords=corners[kept],
        tissue_fraction=shares[Ground.TISSUE][kept],
        tile_px=tile_px,
        mpp=mpp,
        tile_px_level0=size,
        slide_mpp=slide.mpp,
        rejected_coords=corners[rejected],
        rejected_reasons=tuple(str(reason) for reason in reasons[rejected]),
    )


def map_runs(function: Callable[[ByteArray], T], slide: Slide, tiles: Tiles, *, workers: int = 2) -> Iterator[T]:
    """Apply ``function`` to runs of neighboring tiles, in order, reading ahead in threads.

    Args:
        function: takes uint8 (≤ `RUN`, tile_px, tile_px, 3). It runs in the reading threads.
        slide: the open slide.
        tiles: tiles to read.
        workers: number of threads. OpenSlide, NumPy and PyTorch release the interpreter lock while they work.

    Raises:
        SlideError: when a tile cannot be read.
    """

    def job(corners: list[tuple[float, float]]) -> T:
        return function(slide.read_tiles(corners, tiles.tile_px_level0, tiles.tile_px))

    coords = [(float(x), float(y)) for x, y in tiles.coords.tolist()]
    with ThreadPoolExecutor(max_workers=workers) as pool:
        pending: deque[Future[T]] = deque()
        try:
            for start in range(0, len(coords), RUN):
                pending.append(pool.submit(job, coords[start : start + RUN]))
                if len(pending) >= _READ_AHEAD * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _whole_tiles(length: int, size: float) -> int:
    """Number of tiles that fit into ``length``, with half a pixel of tolerance for rounding."""
    return max(0, int((length + 0.5) // size))


def _reasons(shares: dict[Ground, FloatArray], min_tissue: float) -> npt.NDArray[np.str_]:
    """The reason why each tile is left out: "" when it is kept, ``empty`` when it has no tissue."""
    reasons = np.full(len(shares[Ground.TISSUE]), "", dtype="<U6")
    reasons[shares[Ground.TISSUE] <= min_tissue] = "glass"
    reasons[shares[Ground.GLASS] >= 1.0 - 1e-6] = "empty"
    for ground in (Ground.BUBBLE, Ground.FOLD, Ground.PEN):
        reasons[shares[ground] >= _ARTEFACT_SHARE] = ground.name.lower()
    return reasons
