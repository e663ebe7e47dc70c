"""Texture features over the CT: where in a region they are high, in three planes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from espark.ct.features.feature_words import in_words, unit_of
from espark.ct.preview import Plane
from espark.plots.ct.planes import LEVEL_HU, WINDOW_HU, draw_plane, region_handles
from espark.plots.style import DOUBLE_COLUMN, new_figure, say_nothing_to_show, styled
from espark.types import DoubleArray
from espark.wording import signed

_COLORS = "viridis"
_OPACITY = 0.75
_ENDS = (2.0, 98.0)  # percentiles at the ends of the color bar, so that a few extreme voxels do not take most of it
_TITLE_LETTERS = 112
_BAR_LETTERS = 34
_BAR_INCHES = 1.0


@dataclass(frozen=True, eq=False)
class ShownMap:
    """One feature of one region.

    Attributes:
        feature: PyRadiomics name.
        scale: region in which it is measured.
        attribution: what the feature adds to the log-odds of the outcome.
        planes: planes of the CT with the contours.
        values: for each plane, (rows, columns) the map on its pixels; NaN outside the region.
    """

    feature: str
    scale: str
    attribution: float
    planes: Sequence[Plane]
    values: Sequence[DoubleArray]


@styled
def voxel_map_figure(maps: Sequence[ShownMap], *, title: str = "") -> Figure:
    """One row of planes per feature; all planes of a row have the same scale in millimeters and the same colors.

    Args:
        maps: the features, largest attribution first.
        title: title above them.
    """
    if not maps:
        figure = new_figure(DOUBLE_COLUMN, 1.5)
        say_nothing_to_show(figure.add_subplot(), "no texture feature to show")
        return figure
    titles = [_row_title(number, shown) for number, shown in enumerate(maps, start=1)]
    heights = [_row_height(shown) + 0.3 + 0.15 * text.count("\n") for shown, text in zip(maps, titles, strict=True)]
    figure = new_figure(DOUBLE_COLUMN, sum(heights) + 0.4 + (0.25 if title else 0))
    rows = figure.subfigures(len(maps), 1, squeeze=False, height_ratios=heights, hspace=0.04)[:, 0]
    for row, shown, text in zip(rows, maps, titles, strict=True):
        row.suptitle(text, fontsize=8, x=0.01, ha="left")
        _draw_row(row, shown)
    handles = region_handles([plane for shown in maps for plane in shown.planes])
    handles.append(Line2D([], [], linestyle="none", label=f"window {WINDOW_HU:g} HU, level {LEVEL_HU:g} HU"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    if title:
        figure.suptitle(title, fontsize=8.5, fontweight="bold")
    return figure


def _row_height(shown: ShownMap) -> float:
    widths: float = sum(plane.hu.shape[1] * plane.pixel_mm for plane in shown.planes)
    tallest: float = max(plane.hu.shape[0] * plane.pixel_mm for plane in shown.planes)
    return (DOUBLE_COLUMN - _BAR_INCHES) * tallest / widths + 0.2


def _row_title(number: int, shown: ShownMap) -> str:
    text = f"{number}. {shown.scale.capitalize()}: {in_words(shown.feature)} (log-odds {signed(shown.attribution, 3)})"
    return "\n".join(textwrap.wrap(text, _TITLE_LETTERS))


def _draw_row(row: SubFigure, shown: ShownMap) -> None:
    panels = row.subplots(
        1, len(shown.planes), squeeze=False, width_ratios=[plane.hu.shape[1] for plane in shown.planes]
    )[0]
    there = np.concatenate([values[np.isfinite(values)] for values in shown.values])
    low, high = np.percentile(there, _ENDS).tolist() if len(there) else (0.0, 1.0)
    norm = Normalize(low, high if high > low else low + 1.0)
    for axes, plane, values in zip(panels, shown.planes, shown.values, strict=True):
        draw_plane(axes, plane)
        _draw_values(axes, values, norm)
    extend = "both" if len(there) and (there.min() < low or there.max() > high) else "neither"
    bar = row.colorbar(ScalarMappable(norm, _COLORS), ax=list(panels), shrink=0.85, aspect=18, pad=0.01, extend=extend)
    what = in_words(shown.feature).partition(",")[0]
    bar.set_label("\n".join(textwrap.wrap(f"{what} ({unit_of(shown.feature)})", _BAR_LETTERS)))


def _draw_values(axes: Axes, values: DoubleArray, norm: Normalize) -> None:
    axes.imshow(
        np.ma.masked_invalid(values), cmap=_COLORS, norm=norm, alpha=_OPACITY, interpolation="nearest",
        extent=(-0.5, values.shape[1] - 0.5, values.shape[0] - 0.5, -0.5),
    )  # fmt: skip
