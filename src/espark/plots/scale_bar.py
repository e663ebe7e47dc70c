"""A bar that says how large things are in a picture."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from espark.plots.style import SMALL


def round_length(extent: float, *, share: float = 0.25) -> float:
    """The largest of 1, 2, 5, 10, 20, 50 … that takes at most ``share`` of ``extent``.

    Args:
        extent: width of the picture in the unit of the bar, above 0.
        share: how much of it the bar may take.

    Example:
        >>> round_length(23.0)
        5.0
    """
    limit = extent * share
    decade = 10.0 ** math.floor(math.log10(limit))
    return max(step * decade for step in (1.0, 2.0, 5.0) if step * decade <= limit * (1 + 1e-9))


def draw_scale_bar(axes: Axes, *, length_px: float, text: str, width_px: int, height_px: int, color: str) -> None:
    """Draw a bar with its length in the lower left of a picture shown with ``imshow``.

    Args:
        axes: where the picture is.
        length_px: length of the bar in pixels of the picture.
        text: its length in words.
        width_px: width of the picture.
        height_px: height of the picture.
        color: ``white`` or ``black``; the other one outlines it.
    """
    outline = [withStroke(linewidth=2, foreground="black" if color == "white" else "white")]
    left, bottom = 0.04 * width_px, height_px * 0.955
    thickness = 0.012 * height_px
    bar = Rectangle((left, bottom - thickness), length_px, thickness, color=color, linewidth=0, path_effects=outline)
    axes.add_patch(bar)
    axes.text(
        left,
        bottom - 1.8 * thickness,
        text,
        ha="left",
        va="bottom",
        fontsize=SMALL,
        color=color,
        path_effects=outline,
    )
