"""What was left out of a slide, as a picture and in words."""

from __future__ import annotations

from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from espark.pathology.features import SlideFeatures
from espark.pathology.slide import Slide
from espark.plots.slides.slide_quality import REASONS, slide_quality_figure
from espark.report.formatting import count, counted
from espark.types import AnyArray

_OVERVIEW_PX = 1400


def quality_figure(slide: Slide, features: SlideFeatures) -> Figure:
    """Which regions of a slide were left out and why, with legend and scale bar."""
    thumbnail, um_per_px = slide.thumbnail(_OVERVIEW_PX)
    level0_per_px = um_per_px / slide.mpp
    return slide_quality_figure(
        thumbnail,
        tile_rectangles(features.coords, features.tile_px_level0, level0_per_px),
        tile_rectangles(features.rejected_coords, features.tile_px_level0, level0_per_px),
        features.rejected_reasons,
        um_per_px=um_per_px,
    )


def tile_rectangles(corners: AnyArray, side: float, level0_per_px: float) -> AnyArray:
    """(n, 4) x, y, width, height of tiles in pixels of an overview.

    Args:
        corners: (n, 2) x, y of the top-left corners in level-0 pixels.
        side: side of a tile in level-0 pixels.
        level0_per_px: level-0 pixels for each pixel of the overview.
    """
    return np.concatenate([corners, np.full((len(corners), 2), side)], axis=1) / level0_per_px


def left_out(features: SlideFeatures) -> dict[str, int]:
    """Number of tiles that were left out, by reason."""
    return dict(Counter(features.rejected_reasons))


def quality_sentence(slide: str, n_used: int, left_out: dict[str, int], *, picture: str | None = None) -> str:
    """How many tiles of a slide were left out, and why.

    Args:
        slide: name of the slide.
        n_used: tiles that are used.
        left_out: number of tiles by reason.
        picture: where the picture of it lies.

    Example:
        >>> quality_sentence("p1", 90, {"pen": 8, "blur": 2})
        'Slide p1: 10 of 100 tiles were left out: 8 pen, 2 out of focus'
    """
    total = sum(left_out.values())
    if not total:
        return f"Slide {slide}: all {counted(n_used, 'tile')} with tissue are used"
    parts = ", ".join(
        f"{count(left_out[reason])} {name}" for reason, (name, _) in REASONS.items() if left_out.get(reason)
    )
    shown = f" (shown in {picture})" if picture else ""
    return f"Slide {slide}: {count(total)} of {counted(total + n_used, 'tile')} were left out: {parts}{shown}"
