"""Which cell types contribute to a prediction, and how cells differ between patients with and without the outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from espark.cells import CELL_GROUPS, CELL_TYPES
from espark.plots.style import (
    BLACK,
    DOUBLE_COLUMN,
    FAINT,
    MUTED,
    PALETTE,
    SMALL,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.wording import THIN, percent

_TITLES = {"major": "Major cell types", "immune": "Immune cells", "tumor": "Tumor cells"}
_NAMES = {cell_type.key: cell_type.name for cell_type in CELL_TYPES}


_WIDEST_RATIO = 1000.0
"""An axis of ratios ends here, and at its inverse; longer intervals are cut."""


def cell_name(key: str) -> str:
    """Name of a cell type in a figure: capitalised, without the word cell."""
    name = _NAMES.get(key, key.replace("_", " ")).removesuffix(" cell")
    return name[:1].upper() + name[1:]


@styled
def cell_type_figure(
    contributions: Mapping[str, float], cohort: pd.DataFrame, *, cohort_name: str = "development patients"
) -> Figure:
    """A patient's cell-type contributions, compared with a cohort, one panel per group of types.

    Within a group contributions sum to 1. The bar is the patient; the grey box is the middle half of the cohort with
    its median, the whiskers its 5th to 95th percentile.

    Args:
        contributions: attention-weighted share, 0–1, by key of the cell type; types that are absent are left out.
        cohort: columns ``cell_type`` and ``contribution``, one row per patient and type; may be empty.
        cohort_name: name of the cohort.
    """
    present = {
        group: [key for key in keys if np.isfinite(contributions.get(key, np.nan))]
        for group, keys in CELL_GROUPS.items()
    }
    groups = {group: keys for group, keys in present.items() if keys}
    heights = [len(keys) + 0.9 for keys in groups.values()]
    figure = new_figure(0.75 * DOUBLE_COLUMN, 0.6 + 0.27 * sum(heights))
    if not groups:
        say_nothing_to_show(figure.add_subplot(), "no cell-type contributions")
        return figure
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    by_type = {str(key): values.dropna().to_numpy() for key, values in cohort.groupby("cell_type")["contribution"]}
    for axes, (group, keys) in zip(panels, groups.items(), strict=True):
        _draw_contributions(axes, {key: contributions[key] for key in keys}, by_type)
        axes.set_title(_TITLES[group], loc="left")
    panels[-1].set_xlabel("Contribution (attention-weighted share within the group)")
    panels[-1].xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=f"{THIN}%"))
    n_cohort = max((by_type[key].size for keys in groups.values() for key in keys if key in by_type), default=0)
    handles = [Patch(color=PALETTE[0], label="this patient")]
    if n_cohort:
        handles.append(Patch(facecolor=FAINT, edgecolor=MUTED, label=f"{cohort_name} (n = {n_cohort})"))
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return figure


def _draw_contributions(axes: Axes, values: Mapping[str, float], cohort: Mapping[str, np.ndarray]) -> None:
    for row, (key, value) in enumerate(values.items()):
        axes.barh(row - 0.17, value, height=0.34, color=PALETTE[0], zorder=2)
        axes.text(value, row - 0.17, f" {percent(value)}", va="center", fontsize=SMALL, zorder=3)
        if key in cohort and cohort[key].size:
            axes.boxplot(
                cohort[key],
                orientation="horizontal",
                positions=[row + 0.23],
                widths=0.3,
                whis=(5, 95),
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
                boxprops={"facecolor": FAINT, "edgecolor": MUTED},
                medianprops={"color": BLACK, "linewidth": 1.4},
                whiskerprops={"color": MUTED},
                capprops={"color": MUTED},
            )
    axes.set_yticks(range(len(values)), [cell_name(key) for key in values])
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(0, 1.08)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.spines["left"].set_visible(False)


@dataclass(frozen=True)
class ForestRow:
    """One effect of a forest plot.

    Attributes:
        quantity: what was compared, e.g. ``NLR``; rows of one quantity are drawn together.
        center: where, or ``all centers``.
        n: patients.
        effect: effect size.
        ci_low: lower end of its 95 % interval.
        ci_high: upper end.
        p_value: p, adjusted when several quantities were tested; NaN when there is none.
        pooled: whether it combines the centers; drawn as a diamond.
    """

    quantity: str
    center: str
    n: int
    effect: float
    ci_low: float
    ci_high: float
    p_value: float
    pooled: bool = False


@styled
def effects_forest_figure(
    rows: Sequence[ForestRow],
    *,
    effect_name: str,
    no_effect: float = 0.0,
    directions: tuple[str, str] = ("", ""),
    p_name: str = "p",
    log: bool = False,
) -> Figure:
    """Effects with their intervals, by quantity and center.

    Args:
        rows: from top to bottom.
        effect_name: what the effect is, with its unit or scale, under the axis.
        no_effect: value without an effect, drawn as a line.
        directions: the meaning of the left and of the right side.
        p_name: heading of the p-values, e.g. ``adjusted p``; empty for none.
        log: whether the effect is a ratio, drawn on a logarithmic axis.
    """
    figure = new_figure(DOUBLE_COLUMN, 0.9 + 0.2 * (len(rows) + 1.3 * len({row.quantity for row in rows})))
    if not rows:
        say_nothing_to_show(figure.add_subplot(), "no effects")
        return figure
    names, axes, table = figure.subplots(1, 3, sharey=True, width_ratios=(2.0, 2.8, 2.1))
    places = _row_places(rows)
    for place, row in zip(places, rows, strict=True):
        names.text(1, place, f"{row.center} (n = {row.n})", ha="right", va="center", fontsize=SMALL)
        _draw_effect(axes, place, row)
        _write_effect(table, place, row, log)
    for quantity in dict.fromkeys(row.quantity for row in rows):
        top = min(place for place, row in zip(places, rows, strict=True) if row.quantity == quantity)
        # A heading may reach over the effects, because its row is empty.
        names.text(0, top - 1, quantity, fontweight="bold", va="center").set_in_layout(False)
    table.text(0, -1.9, "effect (95 % CI)", fontsize=SMALL, va="center")
    table.text(1, -1.9, p_name, fontsize=SMALL, va="center", ha="right")
    names.set_axis_off()
    table.set_axis_off()
    axes.axvline(no_effect, color=MUTED, linewidth=0.8, linestyle=":")
    axes.patch.set_visible(False)
    axes.set_ylim(places[-1] + 0.8, -2.2)
    axes.set_xlabel(effect_name)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(*np.clip(axes.get_xlim(), 1 / _WIDEST_RATIO, _WIDEST_RATIO))
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", which="both", length=0, labelleft=False)
    for x, side, words in ((0.0, "left", directions[0]), (1.0, "right", directions[1])):
        axes.text(x, 1.0, words, ha=side, va="bottom", transform=axes.transAxes, fontsize=SMALL, color=MUTED)
    return figure


def _row_places(rows: Sequence[ForestRow]) -> list[float]:
    """Heights of the rows, with room for a heading above each quantity."""
    places = [0.0]
    for before, row in pairwise(rows):
        places.append(places[-1] + (1.0 if row.quantity == before.quantity else 2.3))
    return places


def _draw_effect(axes: Axes, place: float, row: ForestRow) -> None:
    if not np.isfinite(row.effect):
        return
    color, marker, size = (BLACK, "D", 6.0) if row.pooled else (PALETTE[0], "o", 4.5)
    axes.plot([row.ci_low, row.ci_high], [place, place], color=color, linewidth=1.3)
    axes.plot(row.effect, place, marker=marker, markersize=size, color=color, linestyle="none")


def _ratio(value: float) -> str:
    """A ratio in two digits, or a bound when it is beyond the axis."""
    if value > _WIDEST_RATIO:
        return f"> {_WIDEST_RATIO:g}"
    return (
        f"< {1 / _WIDEST_RATIO:g}"
        if value < 1 / _WIDEST_RATIO
        else np.format_float_positional(value, precision=2, fractional=False, trim="-")
    )


def _write_effect(axes: Axes, place: float, row: ForestRow, log: bool) -> None:
    words, p_words = "not available", ""
    if np.isfinite(row.effect):
        middle, low, high = (_ratio(end) if log else f"{end:.2f}" for end in (row.effect, row.ci_low, row.ci_high))
        words = f"{middle} ({low} to {high})".replace("-", "−")
    if np.isfinite(row.p_value):
        p_words = "<0.001" if row.p_value < 0.001 else f"{row.p_value:.3f}"
    axes.text(0, place, words, fontsize=SMALL, va="center")
    axes.text(1, place, p_words, fontsize=SMALL, va="center", ha="right")
