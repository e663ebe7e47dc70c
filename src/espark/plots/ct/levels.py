"""A CT in axial planes through all levels of its regions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from espark.ct.preview import Plane
from espark.plots.ct.planes import LEVEL_HU, WINDOW_HU, draw_outlines
from espark.plots.style import DOUBLE_COLUMN, SCALE_COLORS, new_figure, styled
from espark.types import Region

_COLUMNS = 6


@styled
def ct_levels_figure(planes: Sequence[Plane], *, legend: Mapping[Region, str]) -> Figure:
    """Axial planes in rows, from head to feet, with the contours of tumor and esophagus.

    The patient's right is on the left, the front is on top. A number gives the height of a plane in mm.

    Args:
        planes: from head to feet, at least one, all of one size.
        legend: for each region, its words in the legend.
    """
    rows = -(-len(planes) // _COLUMNS)
    side = DOUBLE_COLUMN / _COLUMNS
    figure = new_figure(DOUBLE_COLUMN, rows * (side + 0.18) + 0.4)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, plane in zip(panels, planes, strict=False):
        axes.imshow(plane.hu, cmap="gray", vmin=LEVEL_HU - WINDOW_HU / 2, vmax=LEVEL_HU + WINDOW_HU / 2)
        draw_outlines(axes, plane)
        axes.set_title(f"{plane.centre_mm[2]:.0f} mm")
    handles = [Line2D([], [], color=SCALE_COLORS[scale], linewidth=1.5, label=words) for scale, words in legend.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure
