"""A slide as a small picture: tiles that are used in full color, tiles that are left out in the color of the reason."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espark.plots.slides.slide_quality import quality_overlay
from espark.plots.small_picture import SmallPicture, scale_bar, webp
from espark.types import AnyArray, ByteArray

_QUALITY = 45


def slide_picture(
    thumbnail: ByteArray,
    used: AnyArray,
    left_out: AnyArray,
    reasons: Sequence[str],
    *,
    um_per_px: float,
) -> SmallPicture:
    """A slide with what is used and what is left out; without tiles, the slide as it is.

    Args:
        thumbnail: (h, w, 3) RGB overview.
        used: (n, 4) x, y, width, height of the used tiles in pixels of the overview.
        left_out: (m, 4) x, y, width, height of the tiles that are left out.
        reasons: (m,) why, each a key of `espark.plots.slides.slide_quality.REASONS`.
        um_per_px: micrometers per pixel of the overview.
    """
    drawn = quality_overlay(thumbnail, used, left_out, reasons) if len(used) or len(left_out) else thumbnail
    height, width = thumbnail.shape[:2]
    bar_px, bar_text = scale_bar(width, um_per_px / 1000)
    return SmallPicture(webp(np.ascontiguousarray(drawn), quality=_QUALITY), width, height, bar_px, bar_text)
