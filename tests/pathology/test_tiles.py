"""The tile grid: where tiles lie, which are kept, and that they are read in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from espark.errors import SlideError
from espark.pathology.slide import Slide, open_slide
from espark.pathology.tiles import Tiles, map_runs, tile_grid
from espark.pathology.tissue import Ground, Tissue, find_tissue


class BlankSlide:
    """A slide of which only size and resolution matter."""

    path = Path("blank.tif")

    def __init__(self, dimensions: tuple[int, int], mpp: float):
        self.dimensions = dimensions
        self.mpp = mpp


def full_tissue(slide: BlankSlide) -> Tissue:
    px_level0 = 8.0 / slide.mpp
    shape = tuple(int(np.ceil(side / px_level0)) + 1 for side in slide.dimensions[::-1])
    return Tissue(np.full(shape, Ground.TISSUE, np.uint8), 8.0, px_level0, np.full(3, 240.0, np.float32))


def grid_of(dimensions: tuple[int, int], slide_mpp: float, **options: float) -> Tiles:
    slide = BlankSlide(dimensions, slide_mpp)
    return tile_grid(slide, full_tissue(slide), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("mpp", [0.586, 0.25, 0.5, 0.2528, 1.0])
def test_grid_starts_at_zero_and_rounding_never_adds_up(mpp: float) -> None:
    tiles = grid_of((12_000, 9_000), mpp)
    size = 128.0 / mpp
    assert tiles.tile_px_level0 == pytest.approx(size)
    assert tiles.coords.dtype == np.int32
    assert tiles.coords[0].tolist() == [0, 0]
    steps = np.unique(tiles.coords[:, 0])
    assert np.abs(steps - np.arange(len(steps)) * size).max() <= 0.5
    assert len(steps) == int(12_000 // size)
    assert tiles.coords[:, 0].max() + size <= 12_000 + 0.5
    assert tiles.coords[:, 1].max() + size <= 9_000 + 0.5


def test_only_whole_tiles_and_none_is_lost() -> None:
    assert len(grid_of((512, 768), 0.5)) == 6
    assert len(grid_of((511, 767), 0.5)) == 2
    assert len(grid_of((255, 255), 0.5)) == 0
    # 0.586: a tile is 218.43 px wide; three fit into 655.3 px, which a slide of 655 px holds within half a pixel.
    assert len(grid_of((655, 219), 0.586)) == 3


def test_other_tile_sizes_and_resolutions() -> None:
    tiles = grid_of((2048, 2048), 0.5, tile_px=512, mpp=1.0)
    assert tiles.tile_px_level0 == 1024
    assert len(tiles) == 4


def test_a_slide_that_is_too_coarse_is_refused(data: Path) -> None:
    with (
        open_slide(data / "slides" / "cptac-brca-dicom-sm.dcm") as slide,
        pytest.raises(SlideError, match="finest level"),
    ):
        tile_grid(slide, find_tissue(slide))


def test_reasons_of_rejected_tiles() -> None:
    slide = BlankSlide((256 * 5, 256), 0.5)
    tissue = full_tissue(slide)
    labels = tissue.labels.copy()
    labels[:, :16] = Ground.GLASS
    labels[:, 16:28] = Ground.GLASS
    labels[:, 34:38] = Ground.PEN
    labels[:, 52:60] = Ground.FOLD
    tiles = tile_grid(slide, Tissue(labels, 8.0, 16.0, tissue.glass))  # type: ignore[arg-type]
    assert tiles.coords.tolist() == [[1024, 0]]
    assert tiles.tissue_fraction.tolist() == [1.0]
    assert dict(zip(tiles.rejected_coords[:, 0].tolist(), tiles.rejected_reasons, strict=True)) == {
        256: "glass", 512: "pen", 768: "fold",
    }  # fmt: skip


def test_least_tissue_is_exceeded_not_reached() -> None:
    slide = BlankSlide((256, 256), 0.5)
    labels = full_tissue(slide).labels.copy()
    labels[:, 8:] = Ground.GLASS
    half = Tissue(labels, 8.0, 16.0, np.full(3, 240.0, np.float32))
    assert len(tile_grid(slide, half, min_tissue=0.49)) == 1  # type: ignore[arg-type]
    assert len(tile_grid(slide, half, min_tissue=0.5)) == 0  # type: ignore[arg-type]


def stained_share(tile: np.ndarray) -> float:
    """Share of clearly colored pixels; nothing of the package is used here."""
    spread = tile.max(axis=2).astype(int) - tile.min(axis=2)
    return float((spread > 20).mean())


def test_tiles_of_the_larynx_lie_on_tissue_and_none_on_glass(data: Path) -> None:
    with open_slide(data / "slides" / "larynx-20x.tif") as slide:
        tiles = tile_grid(slide, find_tissue(slide))
        assert 2400 <= len(tiles) <= 2900
        chosen = tiles.coords[:: len(tiles) // 60]
        kept = [stained_share(slide.read_tile(x, y, tiles.tile_px_level0, 64)) for x, y in chosen]
        size = tiles.tile_px_level0
        everywhere = {
            (round(i * size), round(j * size)) for i in range(int(13440 // size)) for j in range(int(15072 // size))
        }
        rejected = zip(tiles.rejected_coords.tolist(), tiles.rejected_reasons, strict=True)
        spoilt = {tuple(corner) for corner, reason in rejected if reason != "glass"}
        assert len(spoilt) < 0.01 * len(tiles)
        absent = sorted(everywhere - spoilt - {tuple(corner) for corner in tiles.coords.tolist()})[::20]
        others = [stained_share(slide.read_tile(x, y, size, 64)) for x, y in absent]
    assert min(kept) > 0.2
    assert max(others) < 0.5
    assert np.mean(others) < 0.05


@pytest.fixture(scope="module")
def small(data: Path) -> Slide:
    return open_slide(data / "slides" / "cmu-1-small-region.svs")


def test_tiles_come_in_order_whatever_the_workers(small: Slide) -> None:
    tiles = tile_grid(small, find_tissue(small))
    one = np.concatenate(list(map_runs(np.asarray, small, tiles, workers=1)))
    many = np.concatenate(list(map_runs(np.asarray, small, tiles, workers=4)))
    assert len(one) == len(tiles)
    assert np.array_equal(one, many)
    first = small.read_tile(*tiles.coords[0].tolist(), tiles.tile_px_level0, 256)
    assert np.array_equal(one[0], first)


def test_an_error_while_reading_reaches_the_caller(small: Slide) -> None:
    tiles = tile_grid(small, find_tissue(small))

    def fail(tile: np.ndarray) -> None:
        raise SlideError("the tile is damaged")

    with pytest.raises(SlideError, match="the tile is damaged"):
        list(map_runs(fail, small, tiles))
