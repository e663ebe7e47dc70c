"""Known hot tiles of a constructed slide appear at their pixels, at every zoom, and the shapes lie on the same spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openslide
import pytest
import tifffile

from another_outcome import MPR
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import Slide
from espark.plots.slides.geojson import attention_geojson
from espark.plots.slides.slide_attribution import attribution_overlay, slide_attribution_figure
from espark.plots.slides.thumbnail import heatmap_overlay
from espark.steps.report.pictures import in_bag

HOT = ((3, 2), (4, 2), (9, 6))


class WithBounds:
    """A slide file that says its scanned part begins elsewhere, as some scanners' do."""

    def __init__(self, handle: openslide.OpenSlide, origin: tuple[int, int]):
        self._handle = handle
        bounds = {openslide.PROPERTY_NAME_BOUNDS_X: origin[0], openslide.PROPERTY_NAME_BOUNDS_Y: origin[1]}
        self.properties = {**handle.properties, **{key: str(value) for key, value in bounds.items()}}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


def constructed(folder: Path, mpp: float, origin: tuple[int, int]) -> tuple[Slide, SlideFeatures]:
    """A white slide whose hot tiles are black, on the grid from (0, 0)."""
    side = 256 * 0.5 / mpp
    cells = np.array([(x, y) for y in range(8) for x in range(12)])
    coords = np.rint(cells * side).astype(np.int32)
    picture = np.full((round(8 * side) + 37, round(12 * side) + 11, 3), 255, dtype=np.uint8)
    for x, y in HOT:
        left, top = np.rint(np.array([x, y]) * side).astype(int)
        picture[top : top + round(side), left : left + round(side)] = 0
    path = folder / "s.tif"
    tifffile.imwrite(path, picture, tile=(256, 256), photometric="rgb")
    n = len(cells)
    features = SlideFeatures(
        np.eye(n, 8, dtype=np.float32), coords, None, None, None, np.empty((0, 2), np.int32), (), "e", 256, 0.5, side,
        mpp, (), "none", "0", "s.tif",
    )  # fmt: skip
    return Slide(WithBounds(openslide.OpenSlide(path), origin), path, mpp=mpp), features  # type: ignore[arg-type]


@pytest.mark.parametrize("mpp", [0.25, 0.586])
@pytest.mark.parametrize("origin", [(0, 0), (700, 300)])
def test_hot_tiles_lie_where_the_slide_is_dark(tmp_path: Path, mpp: float, origin: tuple[int, int]) -> None:
    slide, features = constructed(tmp_path, mpp, origin)
    hot = np.array([tuple(np.rint(c / features.tile_px_level0).astype(int)) in HOT for c in features.coords])
    attention = np.where(hot, 0.3, 0.0).astype(np.float32)
    shapes = json.loads(attention_geojson(features, attention, slide.bounds_origin, attribution=attention))["features"]
    with slide:
        for longest in (150, 400, 901, 1400):
            thumbnail, um_per_px = slide.thumbnail(longest)
            factor = slide.mpp / um_per_px
            side = np.full((len(features), 2), features.tile_px_level0)
            rectangles = np.concatenate([features.coords, side], axis=1) * factor
            height, width = thumbnail.shape[:2]
            dark = thumbnail.mean(axis=2) < 128
            for overlay in (
                heatmap_overlay(height, width, rectangles, np.where(hot, 100.0, np.nan)),
                attribution_overlay(height, width, rectangles, np.where(hot, 0.3, np.nan)),
            ):
                covered = overlay[:, :, 3] > 0
                wrong = covered ^ dark
                # At most a line of pixels along the edges of the three tiles.
                edge = 3 * 4 * (features.tile_px_level0 * factor + 2)
                assert wrong.sum() <= edge
                inner = np.zeros_like(dark)
                for left, top, wide, high in rectangles[hot]:
                    inner[round(top) + 2 : round(top + high) - 2, round(left) + 2 : round(left + wide) - 2] = True
                assert dark[inner].all() and covered[inner].all()
            for shape, tile in zip(shapes, np.flatnonzero(hot), strict=True):
                ring = (np.array(shape["geometry"]["coordinates"][0]) + origin) * factor
                assert ring.min(axis=0) == pytest.approx(rectangles[tile, :2], abs=0.01)
                assert ring.max(axis=0) == pytest.approx(rectangles[tile, :2] + rectangles[tile, 2:], abs=0.01)
                assert shape["properties"]["measurements"]["attribution (log-odds)"] == pytest.approx(0.3, abs=1e-6)


def test_blue_speaks_for_the_outcome_and_the_regions_are_outlined(check_saved: Any, words: Any) -> None:
    thumbnail = np.full((40, 60, 3), 230, dtype=np.uint8)
    rectangles = np.array([[0, 0, 10, 10], [10, 0, 10, 10], [20, 0, 10, 10]])
    overlay = attribution_overlay(40, 60, rectangles, np.array([0.2, -0.2, np.nan]))
    assert overlay[5, 5, 2] > overlay[5, 5, 0] and overlay[5, 15, 0] > overlay[5, 15, 2]
    assert overlay[5, 25, 3] == 0
    figure = check_saved(
        lambda: slide_attribution_figure(
            thumbnail, rectangles, np.array([0.2, -0.2, np.nan]), outcome=MPR, um_per_px=50.0,
            clusters=np.array([0, 1, 1]), names=("1 Stromal", "2"), regions=[(10.0, 0.0, 30.0)],
        )
    )  # fmt: skip
    square = next(patch for patch in figure.axes[0].patches if patch.get_width() == 30)
    assert square.get_xy() == (10.0, 0.0)
    assert "1 Stromal" in words(figure) and "log-odds of MPR per tile" in words(figure)
    assert np.isfinite(in_bag(np.array([0.1, 0.0]))).tolist() == [True, False]
