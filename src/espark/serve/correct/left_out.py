"""Parts of a slide that a person leaves out, or takes alone: polygons in level-0 coordinates, saved as versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from skimage.measure import points_in_poly

from espark.files import read_json, write_json
from espark.pathology.features import SlideFeatures
from espark.serve.accounts import now
from espark.serve.workbench import CaseSource
from espark.types import BoolArray

Point = tuple[float, float]


class Polygon(BaseModel):
    """A closed line on a slide.

    Attributes:
        kind: ``out`` to leave out the tiles inside; ``only`` to take the tiles inside such polygons alone.
        points: corners (x, y) in level-0 pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["out", "only"]
    points: tuple[Point, ...] = Field(min_length=3, max_length=2000)


class SlidePolygons(BaseModel):
    """The polygons of one slide, as one version.

    Attributes:
        version: number of the version, from 1.
        person: who drew them.
        made_at: when, in ISO 8601.
        polygons: the polygons.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    person: str
    made_at: str
    polygons: tuple[Polygon, ...]


def newest_polygons(case: CaseSource, slide: str) -> SlidePolygons | None:
    """The polygons that were saved last of a slide, such as ``slide-1``; None when there are none."""
    paths = sorted(case.layout.corrections(case.patient_id).glob(f"{slide}-v*.json"))
    return SlidePolygons.model_validate(read_json(paths[-1])) if paths else None


def save_polygons(case: CaseSource, slide: str, polygons: tuple[Polygon, ...], person: str) -> SlidePolygons:
    """Save the polygons of a slide as a new version."""
    before = newest_polygons(case, slide)
    version = 1 if before is None else before.version + 1
    saved = SlidePolygons(version=version, person=person, made_at=now(), polygons=polygons)
    path = case.layout.corrections(case.patient_id) / f"{slide}-v{version:04d}.json"
    write_json(path, saved.model_dump(mode="json"))
    return saved


def kept_tiles(features: SlideFeatures, polygons: tuple[Polygon, ...]) -> BoolArray:
    """Tiles that stay: those whose middle is in no polygon to leave out, and in one to take alone if there is any.

    Args:
        features: the tiles of a slide; their coordinates are level-0 pixels.
        polygons: the polygons.

    Returns:
        (tiles,) True for a tile that stays.
    """
    middles = features.coords + features.tile_px_level0 / 2
    inside = {kind: np.zeros(len(features), bool) for kind in ("out", "only")}
    for polygon in polygons:
        inside[polygon.kind] |= points_in_poly(middles, np.array(polygon.points))
    alone = any(polygon.kind == "only" for polygon in polygons)
    return ~inside["out"] & (inside["only"] if alone else True)


def without_left_out(case: CaseSource, slides: tuple[SlideFeatures, ...]) -> tuple[SlideFeatures, ...]:
    """The tiles of each slide that no person left out."""
    kept = []
    for features in slides:
        polygons = newest_polygons(case, features.source)
        kept.append(features if polygons is None else _chosen(features, kept_tiles(features, polygons.polygons)))
    return tuple(kept)


def _chosen(features: SlideFeatures, keep: BoolArray) -> SlideFeatures:
    rows = ("features", "coords", "similarity", "expected_counts", "tissue_fraction")
    values = {name: getattr(features, name) for name in rows}
    return replace(features, **{name: value[keep] for name, value in values.items() if value is not None})
