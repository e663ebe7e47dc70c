"""A bar that shows the scale of a picture."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import findfont
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image, ImageDraw, ImageFont

from espark.plots.style import SMALL
from espark.types import ByteArray


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


def burnt_scale_bar(picture: ByteArray, um_per_px: float) -> ByteArray:
    """A copy of a picture with a bar and its length in µm in the lower left, for a separate file.

    Args:
        picture: (h, w, 3) RGB.
        um_per_px: micrometers per pixel.
    """
    height, width = picture.shape[:2]
    length_um = round_length(width * um_per_px)
    image = Image.fromarray(picture.copy())
    draw = ImageDraw.Draw(image)
    size = max(11, height // 28)
    left, bottom = round(0.04 * width), round(0.96 * height)
    box = (left, bottom - max(3, height // 110), left + round(length_um / um_per_px), bottom)
    draw.rectangle((box[0] - 1, box[1] - 1, box[2], box[3]), fill="white", outline="black")
    font = ImageFont.truetype(findfont("DejaVu Sans"), size)
    draw.text(
        (left, box[1] - size // 4), f"{length_um:g} µm", fill="white", anchor="ls", font=font,
        stroke_width=max(1, size // 12), stroke_fill="black",
    )  # fmt: skip
    return np.asarray(image)


def draw_scale_bar(axes: Axes, *, length_px: float, text: str, width_px: int, height_px: int, color: str) -> None:
    """Draw a bar with its length in the lower left of a picture shown with ``imshow``.

    Args:
        axes: where the picture is.
        length_px: length of the bar in pixels of the picture.
        text: its length in words.
        width_px: width of the picture.
        height_px: height of the picture.
        color: ``white`` or ``black``; its outline has the other color.
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
