"""Parts of a slide that a person leaves out, or takes alone: polygons in level-0 coordinates."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from skimage.measure import points_in_poly

from espark.errors import SlideError
from espark.pathology.features import BY_A_PERSON, SlideFeatures
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


def without_left_out(features: SlideFeatures, polygons: tuple[Polygon, ...]) -> SlideFeatures:
    """The tiles that stay; the others are listed among those that were left out, by a person.

    Raises:
        SlideError: when no tile stays.
    """
    keep = kept_tiles(features, polygons)
    if not keep.any():
        raise SlideError(
            f"the polygons that a person drew leave out all {len(keep)} tiles",
            where=features.source,
            action="Change the polygons in the workbench, or take the slide out of cohort.csv.",
            code="E-SLIDE-007",
        )
    rows = ("features", "coords", "similarity", "expected_counts", "tissue_fraction")
    values = {name: getattr(features, name) for name in rows}
    return replace(
        features,
        rejected_coords=np.concatenate([features.rejected_coords, features.coords[~keep]]),
        rejected_reasons=(*features.rejected_reasons, *[BY_A_PERSON] * int((~keep).sum())),
        **{name: value[keep] for name, value in values.items() if value is not None},
    )
