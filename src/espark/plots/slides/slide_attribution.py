"""What tiles add to the answer, to which cluster they belong, and the regions that count most."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from espark.outcome import Outcome
from espark.plots.scale_bar import draw_scale_bar, round_length
from espark.plots.slides.thumbnail import draw_overview, painted_tiles, two_panels
from espark.plots.style import DOUBLE_COLUMN, SMALL, new_figure, say_nothing_to_show, styled
from espark.types import AnyArray, BoolArray, ByteArray, IntArray

CLUSTER_COLORS: tuple[str, ...] = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000", "#8C564B", "#999999"),
)
"""One color per cluster, in order of number: those of Okabe and Ito, and two more."""

_COLORS = "RdBu"
_OPACITY = 0.8


def attribution_limit(attribution: AnyArray) -> float:
    """The end of the color scale: the 98th percentile of the absolute attributions that are not zero."""
    size = np.abs(np.asarray(attribution, dtype=np.float64))
    return float(np.percentile(size[size > 0], 98)) if (size > 0).any() else 1.0


def attribution_overlay(height: int, width: int, rectangles: AnyArray, attribution: AnyArray) -> ByteArray:
    """Tiles in favor of the outcome in blue, tiles against it in red; tiles with NaN stay clear.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        rectangles: (n, 4) x, y, width, height of the tiles in pixels of the picture.
        attribution: (n,) in log-odds.

    Returns:
        (height, width, 4) RGBA.
    """
    values = np.asarray(attribution, dtype=np.float64)
    shown = np.isfinite(values)
    limit = attribution_limit(values[shown])
    colors = mpl.colormaps[_COLORS](Normalize(-limit, limit)(np.nan_to_num(values)), bytes=True)
    return painted_tiles(height, width, rectangles, colors, shown, opacity=_OPACITY)


@styled
def slide_attribution_figure(
    thumbnail: ByteArray,
    rectangles: AnyArray,
    attribution: AnyArray,
    *,
    outcome: Outcome,
    um_per_px: float,
    clusters: IntArray | None = None,
    names: Sequence[str] = (),
    regions: Sequence[tuple[float, float, float]] = (),
) -> Figure:
    """The slide under its attributions, with the high-focus regions, beside the slide under its clusters.

    Args:
        thumbnail: (h, w, 3) RGB overview.
        rectangles: (n, 4) x, y, width, height of the tiles in pixels of the overview.
        attribution: (n,) in log-odds; NaN for tiles that were not in the bag.
        outcome: what was predicted.
        um_per_px: micrometers per pixel of the overview.
        clusters: (n,) number of the cluster of each tile, from 0; when None, the slide is shown instead of the
            clusters.
        names: names of the clusters.
        regions: x, y and side of the high-focus regions, in pixels of the overview.
    """
    height, width = thumbnail.shape[:2]
    figure, (first, second) = two_panels(height, width, more=0.5 + 0.17 * (1 + max(0, len(names) - 1) // 2))
    grey = _pale(thumbnail)
    shown = np.isfinite(np.asarray(attribution, dtype=np.float64))
    draw_overview(first, grey, um_per_px)
    first.imshow(attribution_overlay(height, width, rectangles, attribution), interpolation="nearest")
    first.set_title("Attribution")
    _draw_regions(first, regions)
    _draw_color_bar(figure, first, attribution_limit(np.asarray(attribution)[shown]), outcome)
    if clusters is None:
        draw_overview(second, thumbnail, um_per_px)
        second.set_title("The slide")
        return figure
    draw_overview(second, grey, um_per_px)
    colors = np.array([[round(255 * part) for part in to_rgb(_color(cluster))] for cluster in clusters], np.uint8)
    everywhere: BoolArray = np.ones(len(clusters), dtype=bool)
    overlay = painted_tiles(height, width, rectangles, colors.reshape(-1, 3), everywhere, opacity=_OPACITY)
    second.imshow(overlay, interpolation="nearest")
    second.set_title("Clusters of tiles")
    handles = [Patch(color=_color(number), label=name) for number, name in enumerate(names)]
    figure.legend(handles=handles, loc="outside lower right", ncols=2, handlelength=1.0)
    return figure


def _color(cluster: int) -> str:
    return CLUSTER_COLORS[int(cluster) % len(CLUSTER_COLORS)]


def _pale(thumbnail: ByteArray) -> ByteArray:
    """The slide in light grey, so that the colors over it can be told apart."""
    grey = thumbnail.mean(axis=2, keepdims=True)
    return np.repeat(128 + grey / 2, 3, axis=2).astype(np.uint8)


def _draw_regions(axes: Axes, regions: Sequence[tuple[float, float, float]]) -> None:
    outline = [withStroke(linewidth=2, foreground="white")]
    for number, (x, y, side) in enumerate(regions, start=1):
        axes.add_patch(Rectangle((x, y), side, side, fill=False, linewidth=1.2, edgecolor="black"))
        axes.text(x + 0.5 * side, y - 2, str(number), ha="center", va="bottom", fontsize=9, path_effects=outline)


def _draw_color_bar(figure: Figure, axes: Axes, limit: float, outcome: Outcome) -> None:
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), _COLORS), ax=axes, location="bottom", shrink=0.8, aspect=30, pad=0.02
    )
    bar.outline.set_visible(False)
    bar.set_label(f"against ← log-odds of {outcome.name} per tile → for", fontsize=SMALL)
    bar.ax.locator_params(nbins=5)


@styled
def focus_regions_figure(crops: Sequence[ByteArray], titles: Sequence[str], *, um_per_px: float) -> Figure:
    """High-focus regions side by side, two in a row, each with its title and a scale bar.

    Args:
        crops: (h, w, 3) RGB each.
        titles: one per crop.
        um_per_px: micrometers per pixel of the crops.

    Raises:
        ValueError: when there are not as many titles as crops.
    """
    if len(crops) != len(titles):
        raise ValueError(f"{len(crops)} crops need as many titles, found {len(titles)}")
    rows = max(1, -(-len(crops) // 2))
    side = DOUBLE_COLUMN / 2
    figure = new_figure(DOUBLE_COLUMN, rows * (side + 0.32))
    if not crops:
        say_nothing_to_show(figure.add_subplot(), "no region")
        return figure
    for index, (crop, title) in enumerate(zip(crops, titles, strict=True)):
        axes = figure.add_subplot(rows, 2, index + 1)
        height, width = crop.shape[:2]
        axes.imshow(crop)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=SMALL, fontweight="normal", pad=3)
        length_um = round_length(width * um_per_px)
        bar = {"length_px": length_um / um_per_px, "text": f"{length_um:g} µm"}
        draw_scale_bar(axes, **bar, width_px=width, height_px=height, color="white")  # type: ignore[arg-type]
    return figure
