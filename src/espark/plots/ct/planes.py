"""CT in three planes with the contours of the regions, in radiological orientation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from espark.ct.preview import Plane
from espark.plots.scale_bar import draw_scale_bar
from espark.plots.style import (
    DOUBLE_COLUMN,
    MUTED,
    SCALE_COLORS,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import SCALES

WINDOW_HU = 400.0
LEVEL_HU = 40.0
_OUTLINE = [withStroke(linewidth=1.5, foreground="black")]


@styled
def ct_planes_figure(planes: Sequence[Plane], *, reference: Sequence[Plane] = (), title: str = "") -> Figure:
    """Planes side by side at one scale, in the soft-tissue window, with the contours of tumor and esophagus.

    Short marks on the edges show where the planes cross. Letters name the sides of a plane: R and L, A and P, H and F.

    Args:
        planes: from left to right.
        reference: the same planes with regions to compare with, dashed; empty for none.
        title: title above them.
    """
    if not planes:
        figure = new_figure(DOUBLE_COLUMN, 1.5)
        say_nothing_to_show(figure.add_subplot(), "no CT")
        return figure
    widths = [plane.hu.shape[1] * plane.pixel_mm for plane in planes]
    tallest = max(plane.hu.shape[0] * plane.pixel_mm for plane in planes)
    height = DOUBLE_COLUMN * tallest / sum(widths)
    figure = new_figure(DOUBLE_COLUMN, height + 0.5 + (0.2 if title else 0))
    panels = figure.subplots(1, len(planes), squeeze=False, width_ratios=widths)[0]
    for index, (axes, plane) in enumerate(zip(panels, planes, strict=True)):
        draw_plane(axes, plane)
        if reference:
            draw_outlines(axes, reference[index], linestyle="dashed")
    handles = region_handles(planes)
    if reference:
        handles.append(Line2D([], [], color=MUTED, linewidth=1.1, label="found"))
        handles.append(Line2D([], [], color=MUTED, linewidth=1.1, linestyle="dashed", label="as given"))
    handles.append(Line2D([], [], linestyle="none", label=f"window {WINDOW_HU:g} HU, level {LEVEL_HU:g} HU"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    if title:
        figure.suptitle(title, fontsize=8.5, fontweight="bold")
    return figure


def region_handles(planes: Sequence[Plane]) -> list[Line2D]:
    """Handles of a legend: the contour of every scale that is visible in any of the planes."""
    shown = [scale for scale in SCALES if any(scale in plane.masks and plane.masks[scale].any() for plane in planes)]
    return [Line2D([], [], color=SCALE_COLORS[scale], linewidth=1.5, label=scale) for scale in shown]


def draw_plane(axes: Axes, plane: Plane) -> None:
    """One plane in the soft-tissue window, with contours, letters, the marks of the other planes and a scale bar."""
    height, width = plane.hu.shape
    axes.imshow(plane.hu, cmap="gray", vmin=LEVEL_HU - WINDOW_HU / 2, vmax=LEVEL_HU + WINDOW_HU / 2)
    draw_outlines(axes, plane)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(plane.name.capitalize())
    _write_sides(axes, plane.sides)
    _mark_crossing(axes, plane)
    length_mm = 50 if width * plane.pixel_mm >= 150 else 20
    draw_scale_bar(
        axes,
        length_px=length_mm / plane.pixel_mm,
        text=f"{length_mm} mm",
        width_px=width,
        height_px=height,
        color="white",
    )


def draw_outlines(axes: Axes, plane: Plane, *, linestyle: str = "solid") -> None:
    """The contours of the regions that are visible in a plane."""
    # The esophagus first, so that it does not cover the tumor's contour where they meet.
    for scale in reversed(SCALES):
        mask = plane.masks.get(scale)
        if mask is not None and mask.any():
            color = SCALE_COLORS[scale]
            axes.contour(mask.astype(float), levels=[0.5], colors=[color], linewidths=1.1, linestyles=linestyle)


def _write_sides(axes: Axes, sides: tuple[str, str, str, str]) -> None:
    places = (
        (0.04, 0.5, "left", "center"),
        (0.96, 0.5, "right", "center"),
        (0.5, 0.96, "center", "top"),
        (0.5, 0.04, "center", "bottom"),
    )
    for letter, (x, y, horizontal, vertical) in zip(sides, places, strict=True):
        axes.text(
            x,
            y,
            letter,
            ha=horizontal,
            va=vertical,
            transform=axes.transAxes,
            color="white",
            fontsize=8,
            fontweight="bold",
            path_effects=_OUTLINE,
        )


def _mark_crossing(axes: Axes, plane: Plane) -> None:
    row, column = plane.centre_px
    marks: dict[str, Any] = {"color": "white", "linewidth": 0.8, "path_effects": _OUTLINE}
    for start, end in ((0.0, 0.03), (0.97, 1.0)):
        axes.plot([column, column], [start, end], transform=axes.get_xaxis_transform(), **marks)
        axes.plot([start, end], [row, row], transform=axes.get_yaxis_transform(), **marks)
