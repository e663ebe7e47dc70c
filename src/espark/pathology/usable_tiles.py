"""The usable tiles of a slide: read, judged, and stain-normalized."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from espark.pathology.slide import Slide
from espark.pathology.stain.normalizer import SourceStain, StainNormalizer
from espark.pathology.tile_quality import TileVerdict, judge_tiles
from espark.pathology.tiles import Tiles, map_runs
from espark.pathology.tissue import Tissue
from espark.types import ByteArray

_STAIN_TILES = 64
_STAIN_STEP = 4
"""The stain is learned from at most this many tiles, and from every fourth pixel of every fourth row."""


@dataclass(frozen=True)
class TileRun:
    """Some consecutive tiles.

    Attributes:
        verdicts: whether each tile may be used.
        usable: uint8 (m, tile_px, tile_px, 3), the usable tiles, in the requested stain.
    """

    verdicts: list[TileVerdict]
    usable: ByteArray


def usable_tiles(
    slide: Slide,
    tiles: Tiles,
    tissue: Tissue,
    *,
    stain: StainNormalizer | None = None,
    source: SourceStain | None = None,
    workers: int = 2,
) -> Iterator[TileRun]:
    """Read, judge and normalize tiles, in order. The result does not depend on the number of workers.

    Args:
        slide: an open slide.
        tiles: its tile grid.
        tissue: its tissue.
        stain: stain normalization; None for none.
        source: stain of the slide, from `slide_stain`; needed with ``stain``.
        workers: number of threads.

    Raises:
        SlideError: when a tile cannot be read.
    """

    def work(run: ByteArray) -> TileRun:
        verdicts = judge_tiles(run, glass=tissue.glass)
        usable = run[[verdict.keep for verdict in verdicts]]
        return TileRun(verdicts, stain.apply(usable, source) if stain and source else usable)

    return map_runs(work, slide, tiles, workers=workers)


def slide_stain(slide: Slide, tiles: Tiles, tissue: Tissue, stain: StainNormalizer, *, workers: int = 2) -> SourceStain:
    """The stain of a slide, from usable tiles spread evenly over its tissue.

    Args:
        slide: an open slide.
        tiles: its tile grid.
        tissue: its tissue.
        stain: the normalization method.
        workers: reading threads.
    """
    chosen = np.unique(np.linspace(0, len(tiles) - 1, min(len(tiles), _STAIN_TILES)).round().astype(int))
    sample = dataclasses.replace(tiles, coords=tiles.coords[chosen], tissue_fraction=tiles.tissue_fraction[chosen])
    thinned = [
        run.usable[:, ::_STAIN_STEP, ::_STAIN_STEP] for run in usable_tiles(slide, sample, tissue, workers=workers)
    ]
    return stain.source(np.concatenate(thinned) if thinned else np.empty((0, 1, 1, 3), dtype=np.uint8))
