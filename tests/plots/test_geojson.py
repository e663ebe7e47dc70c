"""Shapes for QuPath lie where the tiles lie, whatever the resolution and the bounds of the slide."""

from __future__ import annotations

import json

import numpy as np
import pytest

from espark.pathology.features import SlideFeatures
from espark.plots.slides.geojson import attention_geojson


def features(slide_mpp: float, coords: list[tuple[int, int]]) -> SlideFeatures:
    n = len(coords)
    return SlideFeatures(
        features=np.eye(n, 8, dtype=np.float32),
        coords=np.array(coords, dtype=np.int32),
        similarity=np.linspace(0, 1, 2 * n, dtype=np.float32).reshape(n, 2),
        expected_counts=None,
        tissue_fraction=None,
        rejected_coords=np.empty((0, 2), np.int32),
        rejected_reasons=(),
        encoder="espark-mini",
        tile_px=256,
        mpp=0.5,
        tile_px_level0=256 * 0.5 / slide_mpp,
        slide_mpp=slide_mpp,
        cell_types=("lymphocyte", "neutrophil"),
        stain="none",
        espark_version="0",
        source="a.svs",
    )


@pytest.mark.parametrize("slide_mpp", [0.25, 0.5, 0.586])
@pytest.mark.parametrize("origin", [(0, 0), (1000, 300)])
def test_the_hot_tile_lies_at_its_pixels(slide_mpp: float, origin: tuple[int, int]) -> None:
    side = 256 * 0.5 / slide_mpp
    tiles = features(slide_mpp, [(2000, 900), (2000 + round(side), 900), (2000, 900 + round(side))])
    shapes = json.loads(attention_geojson(tiles, np.array([0.1, 0.9, 0.0], np.float32), origin))
    assert shapes["type"] == "FeatureCollection"
    assert len(shapes["features"]) == 2, "a tile that was not chosen is not shown"
    hot = max(shapes["features"], key=lambda shape: shape["properties"]["measurements"]["attention"])
    ring = np.array(hot["geometry"]["coordinates"][0])
    assert (ring[0] == ring[-1]).all(), "a ring is closed"
    corner = np.array([2000 + round(side), 900]) - origin
    assert ring.min(axis=0).tolist() == corner.tolist()
    assert ring.max(axis=0) == pytest.approx(corner + side, abs=0.01)
    assert hot["properties"]["objectType"] == "detection"
    assert hot["properties"]["classification"]["name"] == "high attention"


def test_measurements_are_those_of_the_tile() -> None:
    tiles = features(0.5, [(0, 0), (256, 0)])
    shapes = json.loads(attention_geojson(tiles, np.array([0.25, 0.75], np.float32)))["features"]
    second = shapes[1]["properties"]["measurements"]
    assert second["attention"] == pytest.approx(0.75) and second["attention percentile"] == 100
    assert second["similarity: neutrophil"] == pytest.approx(1.0)
    assert shapes[0]["properties"]["classification"]["name"] == "attention"
