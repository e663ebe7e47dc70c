"""Which CT features speak for and against pCR, and how many are significant at each scale."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Set

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch
from matplotlib.ticker import MaxNLocator
from scipy.optimize import brentq

from espark.plots.style import (
    DOUBLE_COLUMN,
    MUTED,
    NO_PCR_COLOR,
    PCR_COLOR,
    SCALE_COLORS,
    SINGLE_COLUMN,
    SMALL,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import SCALES

_IMAGES = {"original": "", "squareroot": "square root", "lbp": "LBP", "log": "LoG", "logarithm": "logarithm"}
_FAMILIES = {"firstorder": "first-order", "shape": "shape", "shape2D": "shape 2D"}
_WORDS = {
    "10Percentile": "10th percentile",
    "90Percentile": "90th percentile",
    "NonUniformity": "non-uniformity",
    "Idm": "IDM",
    "Idmn": "IDMN",
    "Id": "ID",
    "Idn": "IDN",
    "Imc1": "IMC1",
    "Imc2": "IMC2",
}


def feature_name(name: str) -> str:
    """A PyRadiomics name as a person reads it.

    Example:
        >>> feature_name("wavelet-LLH_glcm_ClusterShade")
        'wavelet LLH · GLCM cluster shade'
    """
    parts = name.split("_", 2)
    if len(parts) < 3:
        return name.replace("_", " ")
    kind, _, variant = parts[0].partition("-")
    sigma = re.fullmatch(r"sigma-(\d+)-(\d+)-mm-3D", variant)
    if sigma:
        variant = f"σ {float('.'.join(sigma.groups())):g} mm"
    image = f"{_IMAGES.get(kind, kind)} {variant.replace('-', ' ')}".strip()
    family = _FAMILIES.get(parts[1], parts[1].upper())
    return f"{image} · {family} {_feature_words(parts[2])}".removeprefix(" · ")


def _feature_words(feature: str) -> str:
    if feature in _WORDS:
        return _WORDS[feature]
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[23]D)(?=[A-Z])", " ", feature)
    words = " ".join(word if word.isupper() else word.lower() for word in spaced.split(" "))
    return words.replace("non uniformity", "non-uniformity")


@styled
def attribution_figure(tables: Mapping[str, pd.DataFrame], *, top: int = 10) -> Figure:
    """The CT features with the largest attributions, tumor above esophagus; several patients side by side.

    Every patient's panel shows the same features: those whose attribution is largest in any of them.

    Args:
        tables: by title of the column of panels (one patient each), attributions with columns ``scale``, ``feature``
            and ``attribution`` (on the logit; above 0 speaks for pCR).
        top: features in a panel, at most.
    """
    scales = [scale for scale in SCALES if any((table["scale"] == scale).any() for table in tables.values())]
    width = DOUBLE_COLUMN if len(tables) > 1 else 0.75 * DOUBLE_COLUMN
    figure = new_figure(width, 0.8 + max(1, len(scales)) * (0.35 + 0.19 * top))
    if not scales:
        say_nothing_to_show(figure.add_subplot(), "no CT feature attributions")
        return figure
    panels = figure.subplots(len(scales), len(tables), squeeze=False, sharex=True, sharey="row")
    for row, scale in enumerate(scales):
        values = pd.DataFrame({title: _by_feature(table, scale) for title, table in tables.items()})
        largest = values.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:top]
        for column, (title, axes) in enumerate(zip(tables, panels[row], strict=True)):
            _draw_attributions(axes, values.loc[largest, title])
            heading = scale.capitalize() if column == 0 else ""
            axes.set_title(f"{title}\n{heading}" if row == 0 and title else heading, loc="left")
        panels[row, 0].set_yticks(range(len(largest)), [feature_name(str(name)) for name in largest])
        panels[row, 0].set_ylim(max(top, len(largest)) - 0.4, -0.6)
    for axes in panels[-1]:
        axes.set_xlabel("Attribution (change of the logit)")
    handles = [Patch(color=PCR_COLOR, label="speaks for pCR"), Patch(color=NO_PCR_COLOR, label="speaks against pCR")]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _by_feature(table: pd.DataFrame, scale: str) -> pd.Series:
    chosen = table[(table["scale"] == scale) & np.isfinite(table["attribution"])]
    return chosen.set_index("feature")["attribution"].astype(float)


def _draw_attributions(axes: Axes, values: pd.Series) -> None:
    if values.isna().all():
        say_nothing_to_show(axes, "scale not available")
        return
    colors = [PCR_COLOR if value > 0 else NO_PCR_COLOR for value in values]
    axes.barh(range(len(values)), values.fillna(0), color=colors, height=0.7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.spines["left"].set_visible(False)


@styled
def venn_figure(tumor: Set[str], esophagus: Set[str], *, n_tested: int, criterion: str) -> Figure:
    """How many features are significant at the tumor scale, the esophagus scale and both; areas are to scale.

    Args:
        tumor: names of the significant features of the tumor scale.
        esophagus: the same of the esophagus scale.
        n_tested: features tested per scale.
        criterion: what counts as significant, e.g. ``p < 0.05``.
    """
    figure = new_figure(SINGLE_COLUMN, 2.7)
    axes = figure.add_subplot()
    both = len(tumor & esophagus)
    if not tumor | esophagus:
        say_nothing_to_show(axes, f"no significant feature\nof {n_tested} per scale ({criterion})")
        return figure
    radii = (math.sqrt(len(tumor) / math.pi), math.sqrt(len(esophagus) / math.pi))
    distance = circle_distance(*radii, both)
    for scale, x, radius in zip(SCALES, (0.0, distance), radii, strict=True):
        axes.add_patch(Circle((x, 0), radius, facecolor=SCALE_COLORS[scale], alpha=0.55, linewidth=0))
    _label_areas(axes, (len(tumor) - both, both, len(esophagus) - both), radii, distance)
    axes.set_aspect("equal")
    axes.set_axis_off()
    title = f"Significant CT features ({criterion}; {n_tested} tested per scale)"
    axes.set_title(title, fontsize=SMALL, fontweight="normal")
    handles = [
        Patch(facecolor=SCALE_COLORS[scale], alpha=0.55, label=f"{scale} ({len(names)})")
        for scale, names in zip(SCALES, (tumor, esophagus), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _label_areas(axes: Axes, counts: tuple[int, int, int], radii: tuple[float, float], distance: float) -> None:
    """Counts in their areas; where an area is too narrow for a number, above it with a line into it."""
    reach = max(radii)
    left, right = min(-radii[0], distance - radii[1]), max(radii[0], distance + radii[1])
    # Where the circles' edges cross the line through their centres: tumor only, both, esophagus only.
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
    """Distance of two circles' centres at which they share an area.

    Args:
        radius_a: radius of the first.
        radius_b: radius of the second.
        overlap: area shared, between 0 and that of the smaller circle.
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
