"""Which parts of a slide are used, and why other parts were left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from espark.plots.scale_bar import draw_scale_bar, round_length
from espark.plots.slides.thumbnail import pixel_corners
from espark.plots.style import DOUBLE_COLUMN, MUTED, new_figure, styled
from espark.types import AnyArray, ByteArray

REASONS: dict[str, tuple[str, str]] = {
    "glass": ("too little tissue", MUTED),
    "pen": ("pen", "#882255"),
    "fold": ("fold", "#004D40"),
    "bubble": ("bubble or dirt", "#00FFD5"),
    "blur": ("out of focus", "#7F00FF"),
    "person": ("left out by a person", "#FF00FF"),
}
"""The name and the color of each reason. Clusters of tiles have other colors, because both may be shown at once."""

_VEIL = 0.6
_OPACITY = 0.6


def quality_overlay(thumbnail: ByteArray, used: AnyArray, left_out: AnyArray, reasons: Sequence[str]) -> ByteArray:
    """The slide: used tiles in full color, the rest pale, and left-out tiles in the color of their reason.

    Args:
        thumbnail: (h, w, 3) RGB overview.
        used: (n, 4) x, y, width, height of the used tiles in pixels of the overview.
        left_out: (m, 4) x, y, width, height of the tiles that were left out.
        reasons: (m,) why, each a key of `REASONS`.

    Returns:
        (h, w, 3) RGB.
    """
    picture = 255 - (255 - thumbnail.astype(np.float32)) * (1 - _VEIL)
    for (left, top), (right, bottom) in zip(*pixel_corners(used), strict=True):
        picture[top:bottom, left:right] = thumbnail[top:bottom, left:right]
    for (left, top), (right, bottom), reason in zip(*pixel_corners(left_out), reasons, strict=True):
        color = 255 * np.array(to_rgb(REASONS[reason][1]), dtype=np.float32)
        shown = thumbnail[top:bottom, left:right]
        picture[top:bottom, left:right] = (1 - _OPACITY) * shown + _OPACITY * color
    return np.asarray(np.rint(picture), dtype=np.uint8)


@styled
def slide_quality_figure(
    thumbnail: ByteArray,
    used: AnyArray,
    left_out: AnyArray,
    reasons: Sequence[str],
    *,
    um_per_px: float,
    title: str = "",
) -> Figure:
    """The slide, beside the parts of it that are used.

    Args:
        thumbnail: (h, w, 3) RGB overview.
        used: (n, 4) x, y, width, height of the used tiles in pixels of the overview.
        left_out: (m, 4) x, y, width, height of the tiles that were left out.
        reasons: (m,) why, each a key of `REASONS`.
        um_per_px: micrometers per pixel of the overview.
        title: title above both.
    """
    height, width = thumbnail.shape[:2]
    stacked = width > 1.9 * height
    rows, columns = (2, 1) if stacked else (1, 2)
    panel_height = min(DOUBLE_COLUMN / columns * height / width, 6.0)
    figure = new_figure(DOUBLE_COLUMN, rows * panel_height + 0.45 + (0.2 if title else 0))
    length_mm = round_length(width * um_per_px / 1000)
    pictures = (thumbnail, quality_overlay(thumbnail, used, left_out, reasons))
    for axes, picture in zip(figure.subplots(rows, columns), pictures, strict=True):
        axes.imshow(picture)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        bar = {"length_px": 1000 * length_mm / um_per_px, "text": f"{length_mm:g} mm", "color": "black"}
        draw_scale_bar(axes, **bar, width_px=width, height_px=height)  # type: ignore[arg-type]
    figure.legend(handles=_legend(len(used), reasons), loc="outside lower center", ncols=3)
    if title:
        figure.suptitle(title, fontsize=8.5, fontweight="bold")
    return figure


def _legend(used: int, reasons: Sequence[str]) -> list[Patch]:
    """An entry for the used tiles, and one for each reason that occurs, with the number of tiles."""
    found = [Patch(facecolor="none", edgecolor=MUTED, label=f"full color: used ({used} tiles)")]
    for reason, (name, color) in REASONS.items():
        if reason in reasons:
            found.append(Patch(color=color, alpha=_OPACITY, label=f"{name} ({reasons.count(reason)})"))
    return found
