"""Clusters of tiles: the map of every cohort, what each cluster resembles, and what it looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from espark.plots.scale_bar import draw_scale_bar, round_length
from espark.plots.slides.cell_types import cell_name
from espark.plots.slides.slide_attribution import CLUSTER_COLORS
from espark.plots.style import DOUBLE_COLUMN, FAINT, SMALL, new_figure, say_nothing_to_show, styled
from espark.types import AnyArray, ByteArray, DoubleArray
from espark.wording import signed

_COLUMNS = 2


@styled
def cluster_maps_figure(maps: Mapping[str, tuple[DoubleArray, AnyArray, int]], titles: Sequence[str]) -> Figure:
    """One map per cohort, each over the development tiles in grey.

    Args:
        maps: by cohort, the first being the development patients: places (tiles, 2), clusters (tiles,) from 0, and the
            number of patients.
        titles: of the clusters.
    """
    rows = max(1, -(-len(maps) // _COLUMNS))
    figure = new_figure(DOUBLE_COLUMN, 3.0 * rows + 0.45)
    if not maps:
        say_nothing_to_show(figure.add_subplot(), "no tiles")
        return figure
    below = next(iter(maps.values()))[0]
    for index, (name, (places, clusters, patients)) in enumerate(maps.items()):
        axes = figure.add_subplot(rows, _COLUMNS, index + 1)
        if index:
            axes.scatter(below[:, 0], below[:, 1], s=3, color=FAINT, linewidth=0, rasterized=True)
        colors = [CLUSTER_COLORS[int(cluster) % len(CLUSTER_COLORS)] for cluster in clusters]
        axes.scatter(places[:, 0], places[:, 1], s=5, c=colors, linewidth=0, rasterized=True)
        axes.set_title(f"{name}\n{len(places)} tiles, {patients} patients", loc="left")
        axes.set(xticks=[], yticks=[])
        axes.set_xlabel("map axis 1", fontsize=SMALL)
        axes.set_ylabel("map axis 2", fontsize=SMALL)
    handles = [
        Line2D([], [], marker="o", linestyle="none", color=CLUSTER_COLORS[number % len(CLUSTER_COLORS)], label=title)
        for number, title in enumerate(titles)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), handlelength=1.0)
    return figure


@styled
def cluster_profile_figure(
    profile: DoubleArray, titles: Sequence[str], cell_types: Sequence[str], tiles: Sequence[int]
) -> Figure:
    """Mean evidence of every cell type in every cluster.

    Args:
        profile: (clusters, cell types) in SD of the development tiles.
        titles: of the clusters.
        cell_types: keys of the columns.
        tiles: development tiles of each cluster.
    """
    figure = new_figure(DOUBLE_COLUMN, 1.5 + 0.27 * len(titles))
    axes = figure.add_subplot()
    limit = max(1.0, float(np.nanmax(np.abs(profile), initial=0.0)))
    shown = axes.imshow(profile, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_yticks(range(len(titles)), [f"{title} (n = {n})" for title, n in zip(titles, tiles, strict=True)])
    axes.set_xticks(
        range(len(cell_types)), [cell_name(key) for key in cell_types], rotation=35, ha="right", rotation_mode="anchor"
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(profile):
        color = "white" if abs(value) > 0.6 * limit else "black"
        axes.text(column, row, signed(value, 1), ha="center", va="center", fontsize=SMALL, color=color)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, aspect=15, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("Mean similarity (SD)", fontsize=SMALL)
    return figure


@styled
def cluster_examples_figure(
    examples: Sequence[Sequence[ByteArray]], titles: Sequence[str], *, um_per_px: float
) -> Figure:
    """Tiles of each cluster, one row per cluster, with a scale bar.

    Args:
        examples: by cluster, (h, w, 3) RGB tiles.
        titles: of the clusters.
        um_per_px: micrometers per pixel of the tiles.
    """
    most = max((len(row) for row in examples), default=0)
    figure = new_figure(DOUBLE_COLUMN, 0.1 + 1.32 * max(1, len(examples)))
    if most == 0:
        say_nothing_to_show(figure.add_subplot(), "no tiles")
        return figure
    panels = figure.subplots(len(examples), most, squeeze=False)
    for row, tiles, title, number in zip(panels, examples, titles, range(len(titles)), strict=True):
        for axes in row:
            axes.set_axis_off()
        for axes, tile in zip(row, tiles, strict=False):
            _draw_tile(axes, tile, um_per_px)
        words = title.replace(" ", "\n").replace("\ndifferentiated\n", " diff.\n")
        color = CLUSTER_COLORS[number % len(CLUSTER_COLORS)]
        row[0].text(-0.12, 0.5, words, ha="right", va="center", transform=row[0].transAxes, fontsize=8)
        row[0].text(-0.03, 0.5, "■", ha="right", va="center", transform=row[0].transAxes, fontsize=9, color=color)
    return figure


def _draw_tile(axes: Axes, tile: ByteArray, um_per_px: float) -> None:
    height, width = tile.shape[:2]
    axes.imshow(tile)
    length_um = round_length(width * um_per_px, share=0.45)
    bar = {"length_px": length_um / um_per_px, "text": f"{length_um:g} µm"}
    draw_scale_bar(axes, **bar, width_px=width, height_px=height, color="white")  # type: ignore[arg-type]
