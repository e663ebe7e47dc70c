"""Tiles of a slide as GeoJSON, for QuPath and other viewers that draw shapes over a slide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from espark.pathology.features import SlideFeatures
from espark.plots.slides.thumbnail import attention_percentile
from espark.types import AnyArray, FloatArray

_COLORS = "viridis"
_HIGH_PERCENTILE = 90.0


def attention_geojson(
    features: SlideFeatures,
    attention: FloatArray,
    origin: tuple[int, int] = (0, 0),
    *,
    attribution: AnyArray | None = None,
    clusters: Sequence[str] = (),
) -> str:
    """The tiles that entered the bag, as squares with attention, attribution and similarities.

    A tile becomes a QuPath detection: class ``high attention`` from the 90th percentile on, else ``attention``. Its
    measurements are the attention, its percentile among the slide's tiles, the attribution if it is known, and the
    similarity to each cell type. If the cluster is known, it is the name of the tile.
    Coordinates are pixels of the full resolution (QuPath's GeoJSON, https://qupath.readthedocs.io, "Exporting
    annotations"), counted from ``origin``: QuPath cuts a slide to its bounds, so for a slide with bounds that do not
    begin at (0, 0), ``origin`` is the corner of the bounds.

    Args:
        features: the slide's tiles.
        attention: (tiles,) attention; 0 for tiles that were not chosen.
        origin: level-0 pixel (x, y) that the viewer calls (0, 0).
        attribution: (tiles,) what each tile adds to the log-odds of the outcome.
        clusters: (tiles,) name of the cluster of each tile.
    """
    chosen = np.asarray(attention) > 0
    percentiles = attention_percentile(np.where(chosen, attention, np.nan))
    colors = mpl.colormaps[_COLORS](np.nan_to_num(percentiles) / 100, bytes=True)
    shapes = [
        _tile(features, int(index), float(attention[index]), float(percentiles[index]), colors[index], origin)
        for index in np.flatnonzero(chosen)
    ]
    for shape, index in zip(shapes, np.flatnonzero(chosen).tolist(), strict=True):
        properties = shape["properties"]
        if attribution is not None:
            properties["measurements"]["attribution (log-odds)"] = round(float(attribution[index]), 8)
        if clusters:
            properties["name"] = clusters[index]
    return json.dumps({"type": "FeatureCollection", "features": shapes}, separators=(",", ":")) + "\n"


def _tile(
    features: SlideFeatures, index: int, attention: float, percentile: float, color: AnyArray, origin: tuple[int, int]
) -> dict[str, Any]:
    left, top = (features.coords[index].astype(np.float64) - origin).tolist()
    right, bottom = left + features.tile_px_level0, top + features.tile_px_level0
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    measured = {"attention": round(attention, 8), "attention percentile": round(percentile, 2)}
    if features.similarity is not None and features.cells_reliable:
        found = zip(features.cell_types, features.similarity[index].tolist(), strict=True)
        measured |= {f"similarity: {key}": round(value, 5) for key, value in found}
    name = "high attention" if percentile >= _HIGH_PERCENTILE else "attention"
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [[[round(x, 2), round(y, 2)] for x, y in ring]]},
        "properties": {
            "objectType": "detection",
            "classification": {"name": name, "color": [int(part) for part in color[:3]]},
            "measurements": measured,
        },
    }
