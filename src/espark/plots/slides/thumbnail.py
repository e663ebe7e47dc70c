"""Where on a slide a model looked: heatmap over the overview, and the tiles it looked at most."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from scipy.stats import rankdata

from espark.plots.scale_bar import draw_scale_bar, round_length
from espark.plots.style import DOUBLE_COLUMN, SMALL, new_figure, say_nothing_to_show, styled
from espark.types import AnyArray, BoolArray, ByteArray, DoubleArray, IntArray

_COLORS = "viridis"
_OPACITY = 0.62


def attention_percentile(attention: AnyArray) -> DoubleArray:
    """Share of the slide's tiles with at most this attention, in percent; ties share a rank, NaN stays NaN.

    Args:
        attention: (n,) attention; NaN for tiles that were not in the bag.
    """
    values = np.asarray(attention, dtype=np.float64)
    ranks = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    ranks[known] = 100 * rankdata(values[known]) / max(1, int(known.sum()))
    return ranks


def heatmap_overlay(height: int, width: int, rectangles: AnyArray, percentiles: DoubleArray) -> ByteArray:
    """Only the heatmap, to be drawn over a picture of the slide.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        rectangles: (n, 4) x, y, width, height of the tiles in pixels of the picture; fractions are rounded so that
            neighbors meet.
        percentiles: (n,) attention percentile, 0–100; tiles with NaN stay clear.

    Returns:
        (height, width, 4) RGBA, clear where there is no tile.
    """
    colors = mpl.colormaps[_COLORS](np.nan_to_num(percentiles) / 100, bytes=True)
    return painted_tiles(height, width, rectangles, colors, np.isfinite(percentiles), opacity=_OPACITY)


def painted_tiles(
    height: int, width: int, rectangles: AnyArray, colors: ByteArray, shown: BoolArray, *, opacity: float
) -> ByteArray:
    """Tiles in their colors, clear elsewhere.

    Args:
        height: of the picture, pixels.
        width: of the picture, pixels.
        rectangles: (n, 4) x, y, width, height of the tiles in pixels of the picture.
        colors: (n, 3 or 4) color of each tile.
        shown: (n,) False for tiles that stay clear.
        opacity: opacity of the other tiles, 0–1.

    Returns:
        (height, width, 4) RGBA.
    """
    overlay = np.zeros((height, width, 4), dtype=np.uint8)
    for (left, top), (right, bottom), color, drawn in zip(*pixel_corners(rectangles), colors, shown, strict=True):
        if drawn:
            overlay[top:bottom, left:right, :3] = color[:3]
            overlay[top:bottom, left:right, 3] = round(255 * opacity)
    return overlay


def pixel_corners(rectangles: AnyArray) -> tuple[IntArray, IntArray]:
    """First and end corners, (n, 2) x and y, of tiles in whole pixels of a picture; neighbors meet.

    Args:
        rectangles: (n, 4) x, y, width, height in pixels of the picture.
    """
    tiles = np.asarray(rectangles, dtype=np.float64).reshape(-1, 4)
    starts = np.maximum(0, np.rint(tiles[:, :2])).astype(np.int64)
    # A tile smaller than a pixel still shows.
    return starts, np.maximum(starts + 1, np.rint(tiles[:, :2] + tiles[:, 2:]).astype(np.int64))


@styled
def slide_heatmap_figure(
    thumbnail: ByteArray, rectangles: AnyArray, attention: AnyArray, *, um_per_px: float, title: str = ""
) -> Figure:
    """The slide, beside the slide under its attention heatmap.

    Args:
        thumbnail: (h, w, 3) RGB overview.
        rectangles: (n, 4) x, y, width, height of the tiles in pixels of the overview.
        attention: (n,) attention of the tiles; NaN for tiles that were not in the bag.
        um_per_px: micrometers per pixel of the overview.
        title: title above both.
    """
    height, width = thumbnail.shape[:2]
    figure, panels = two_panels(height, width, more=0.1 + (0.2 if title else 0))
    percentiles = attention_percentile(attention)
    for axes in panels:
        draw_overview(axes, thumbnail, um_per_px)
    panels[1].imshow(heatmap_overlay(height, width, rectangles, percentiles), interpolation="nearest")
    _draw_color_bar(figure, panels, int(np.isfinite(percentiles).sum()))
    if title:
        figure.suptitle(title, fontsize=8.5, fontweight="bold")
    return figure


def two_panels(height: int, width: int, *, more: float) -> tuple[Figure, list[Axes]]:
    """A figure with two panels for a slide: side by side, or one above the other when the slide is wide.

    Args:
        height: of the slide's picture.
        width: of the slide's picture.
        more: inches to add to the height of the panels.
    """
    rows, columns = (2, 1) if width > 1.9 * height else (1, 2)
    panel_width = (DOUBLE_COLUMN - 0.8) / columns
    panel_height = min(panel_width * height / width, 5.0)
    figure = new_figure(DOUBLE_COLUMN, rows * panel_height + more)
    return figure, list(figure.subplots(rows, columns))


def draw_overview(axes: Axes, thumbnail: ByteArray, um_per_px: float) -> None:
    """A slide's overview with a scale bar.

    Args:
        axes: the panel.
        thumbnail: (h, w, 3) RGB.
        um_per_px: micrometers per pixel.
    """
    height, width = thumbnail.shape[:2]
    length_mm = round_length(width * um_per_px / 1000)
    axes.imshow(thumbnail)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    bar = {"length_px": 1000 * length_mm / um_per_px, "text": f"{length_mm:g} mm"}
    draw_scale_bar(axes, **bar, width_px=width, height_px=height, color="black")  # type: ignore[arg-type]


def _draw_color_bar(figure: Figure, panels: list[Axes], n_tiles: int) -> None:
    colors = ScalarMappable(Normalize(0, 100), _COLORS)
    bar = figure.colorbar(colors, ax=panels, shrink=0.7, aspect=25, pad=0.015, alpha=_OPACITY)
    bar.outline.set_visible(False)
    bar.set_label(f"Attention (percentile of {n_tiles} tiles)", fontsize=SMALL)


@styled
def tile_gallery_figure(
    tiles: Sequence[ByteArray], titles: Sequence[str], *, um_per_px: float, columns: int = 4
) -> Figure:
    """Tiles at full resolution, each with its title and a scale bar.

    Args:
        tiles: (h, w, 3) RGB each.
        titles: one per tile, e.g. its rank and cell type.
        um_per_px: micrometers per pixel of the tiles.
        columns: tiles in a row.

    Raises:
        ValueError: when there are not as many titles as tiles.
    """
    if len(tiles) != len(titles):
        raise ValueError(f"{len(tiles)} tiles need as many titles, found {len(titles)}")
    rows = max(1, -(-len(tiles) // columns))
    side = DOUBLE_COLUMN / columns
    lines = max((title.count("\n") + 1 for title in titles), default=1)
    figure = new_figure(DOUBLE_COLUMN, rows * (side + 0.14 * lines))
    if not tiles:
        say_nothing_to_show(figure.add_subplot(), "no tiles")
        return figure
    for index, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        height, width = tile.shape[:2]
        axes.imshow(tile)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(title, fontsize=SMALL, fontweight="normal", pad=3)
        length_um = round_length(width * um_per_px, share=0.45)
        bar = {"length_px": length_um / um_per_px, "text": f"{length_um:g} µm"}
        draw_scale_bar(axes, **bar, width_px=width, height_px=height, color="white")  # type: ignore[arg-type]
    return figure
