"""The number of significant CT features at each scale, and at several scales."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence, Set

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch
from scipy.optimize import brentq

from espark.plots.style import (
    MUTED,
    SCALE_COLORS,
    SINGLE_COLUMN,
    SMALL,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import Scale

_CORNERS = ((-0.5, 0.29), (0.5, 0.29), (0.0, -0.58))
"""Centers of three circles of radius 0.85: a triangle with sides of 1."""
_RADIUS = 0.85
_OUTWARDS = {1: 1.72, 2: 2.1}
"""Distance of the counts for one and for two of three sets from the middle, in distances of the centers."""


@styled
def venn_figure(significant: Mapping[Scale, Set[str]], *, n_tested: int, criterion: str) -> Figure:
    """Number of significant features at each scale and at several; areas are to scale for two scales, not for three.

    Args:
        significant: by scale (two or three), names of the significant features.
        n_tested: features tested per scale.
        criterion: what counts as significant, e.g. ``p < 0.05``.

    Raises:
        ValueError: when there are not two or three scales.
    """
    if len(significant) not in (2, 3):
        raise ValueError(f"a Venn diagram needs two or three scales, found {len(significant)}")
    figure = new_figure(SINGLE_COLUMN, 2.7)
    axes = figure.add_subplot()
    sets = list(significant.values())
    if not any(sets):
        say_nothing_to_show(axes, f"no significant feature\nof {n_tested} per scale ({criterion})")
        return figure
    colors = [SCALE_COLORS[scale] for scale in significant]
    if len(sets) == 2:
        _draw_two(axes, sets, colors)
    else:
        _draw_three(axes, sets, colors)
    axes.set_aspect("equal")
    axes.set_axis_off()
    title = f"Significant CT features ({criterion}; {n_tested} tested per scale)"
    axes.set_title(title, fontsize=SMALL, fontweight="normal")
    handles = [
        Patch(facecolor=SCALE_COLORS[scale], alpha=0.55, label=f"{scale} ({len(names)})")
        for scale, names in significant.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.4, columnspacing=1.2)
    return figure


def _draw_two(axes: Axes, sets: Sequence[Set[str]], colors: Sequence[str]) -> None:
    """Two circles; their areas and the area of their overlap are the counts."""
    first, second = sets
    both = len(first & second)
    radii = (math.sqrt(len(first) / math.pi), math.sqrt(len(second) / math.pi))
    distance = circle_distance(*radii, both)
    for color, x, radius in zip(colors, (0.0, distance), radii, strict=True):
        axes.add_patch(Circle((x, 0), radius, facecolor=color, alpha=0.55, linewidth=0))
    _label_areas(axes, (len(first) - both, both, len(second) - both), radii, distance)


def _draw_three(axes: Axes, sets: Sequence[Set[str]], colors: Sequence[str]) -> None:
    """Three equal circles: circles to scale would in general not show all seven areas."""
    for color, corner in zip(colors, _CORNERS, strict=True):
        axes.add_patch(Circle(corner, _RADIUS, facecolor=color, alpha=0.55, linewidth=0))
    for size in (1, 2, 3):
        for members in itertools.combinations(range(3), size):
            inside = frozenset.intersection(*(frozenset(sets[index]) for index in members))
            outside = frozenset().union(*(sets[index] for index in range(3) if index not in members))
            place = np.mean([_CORNERS[index] for index in members], axis=0) * _OUTWARDS.get(size, 1.0)
            axes.text(
                float(place[0]),
                float(place[1]),
                str(len(inside - outside)),
                ha="center",
                va="center",
                fontsize=9,
                fontweight="bold",
            )
    axes.text(0, -1.62, "areas are not to scale", ha="center", va="center", fontsize=SMALL, color=MUTED)
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.75, 1.25))


def _label_areas(axes: Axes, counts: tuple[int, int, int], radii: tuple[float, float], distance: float) -> None:
    """Counts in their areas; when an area is too narrow for a number, the number is above it with a line into it."""
    reach = max(radii)
    left, right = min(-radii[0], distance - radii[1]), max(radii[0], distance + radii[1])
    # Points where the circles cross the line through their centers: tumor only, both, esophagus only.
    inner, outer = max(-radii[0], distance - radii[1]), min(radii[0], distance + radii[1])
    areas = ((-radii[0], min(inner, radii[0])), (inner, outer), (max(outer, distance - radii[1]), right))
    for count, (start, end), shift in zip(counts, areas, (-0.35, 0.0, 0.35), strict=True):
        if not count:
            continue
        middle = (start + end) / 2
        if end - start > 0.12 * reach * len(str(count)):
            axes.text(middle, 0, str(count), ha="center", va="center", fontsize=9, fontweight="bold")
        else:
            line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.7}
            place = (middle + shift * reach, 1.12 * reach)
            axes.annotate(str(count), (middle, 0), xytext=place, ha="center", fontsize=9, arrowprops=line)
    axes.set_xlim(left - 0.35 * reach, right + 0.35 * reach)
    axes.set_ylim(-1.05 * reach, 1.35 * reach)


def circle_distance(radius_a: float, radius_b: float, overlap: float) -> float:
    """Distance of two circles' centers at which they share an area.

    Args:
        radius_a: radius of the first.
        radius_b: radius of the second.
        overlap: shared area, between 0 and the area of the smaller circle.
    """
    apart, inside = radius_a + radius_b, abs(radius_a - radius_b)
    if overlap <= 0:
        return apart * 1.05
    if overlap >= math.pi * min(radius_a, radius_b) ** 2 * (1 - 1e-9):
        return inside
    return float(brentq(lambda distance: _lens_area(radius_a, radius_b, distance) - overlap, inside, apart))


def _lens_area(a: float, b: float, distance: float) -> float:
    if distance >= a + b:
        return 0.0
    if distance <= abs(a - b):
        return math.pi * min(a, b) ** 2
    angle_a = math.acos(np.clip((distance**2 + a**2 - b**2) / (2 * distance * a), -1, 1))
    angle_b = math.acos(np.clip((distance**2 + b**2 - a**2) / (2 * distance * b), -1, 1))
    kite = (-distance + a + b) * (distance + a - b) * (distance - a + b) * (distance + a + b)
    return a**2 * angle_a + b**2 * angle_b - math.sqrt(max(0.0, kite)) / 2
