"""Quantities in patients with and without the outcome: by center, and one patient among others."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from espark.outcome import Outcome
from espark.plots.results.distributions import swarm_offsets
from espark.plots.style import (
    BLACK,
    DOUBLE_COLUMN,
    MUTED,
    POSITIVE_COLOR,
    SMALL,
    UNKNOWN_COLOR,
    both_outcomes,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import AnyArray, DoubleArray

_APART = 0.38  # distance between the two outcomes of a center; centers are 1 apart


@styled
def group_difference_figure(
    values: pd.DataFrame,
    p_values: Mapping[tuple[str, str], float],
    *,
    outcome: Outcome,
    titles: Mapping[str, str],
    axis_name: str,
    log: bool = False,
) -> Figure:
    """Box plots and points of several quantities, one panel per quantity, by center and outcome.

    Boxes span the middle half with the median, whiskers 1.5 times that; every patient is a point. Above each center
    is its p, below it the number of patients with each outcome.

    Args:
        values: columns ``quantity``, ``center``, ``label`` (0 or 1) and ``value``.
        p_values: by center and quantity; NaN or absent when there is none.
        outcome: what the labels are.
        titles: titles of the panels, by quantity, in order.
        axis_name: what the values are.
        log: whether they are ratios, drawn on a logarithmic axis.
    """
    shown = [key for key in titles if (values["quantity"] == key).any()]
    centers = sorted(values["center"].astype(str).unique())
    columns = int(np.clip(DOUBLE_COLUMN // (0.45 * max(1, len(centers))), 1, max(1, min(5, len(shown)))))
    rows = max(1, math.ceil(len(shown) / columns))
    figure = new_figure(DOUBLE_COLUMN, 0.4 + 2.0 * rows)
    if not shown:
        say_nothing_to_show(figure.add_subplot(), "no patient with a known outcome")
        return figure
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes, key in zip(panels.flatten(), shown, strict=False):
        _draw_quantity(axes, values[values["quantity"] == key], centers, outcome, log)
        _write_p(axes, [p_values.get((center, key), math.nan) for center in centers])
        axes.set_title(titles[key], loc="left", pad=14)
    for axes in panels.flatten()[len(shown) :]:
        axes.set_axis_off()
    for axes in panels[:, 0]:
        axes.set_ylabel(axis_name)
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=4.5, linestyle="none", label=name)
        for _, name, color, marker in reversed(both_outcomes(outcome))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _draw_quantity(axes: Axes, rows: pd.DataFrame, centers: list[str], outcome: Outcome, log: bool) -> None:
    if log:
        _ratio_axis(axes, "y")
    for place, center in enumerate(centers):
        inside = rows[rows["center"].astype(str) == center]
        for label, _, color, marker in both_outcomes(outcome):
            found = inside.loc[inside["label"] == label, "value"].dropna().to_numpy(float)
            _draw_box(axes, place + _APART * (label - 0.5), found, color, marker, log)
        for line, (label, _, color, _) in enumerate(reversed(both_outcomes(outcome))):
            count = str(int((inside["label"] == label).sum()))
            axes.annotate(
                count, (place, 0), xycoords=axes.get_xaxis_transform(), xytext=(0, -14 - 9 * line),
                textcoords="offset points", ha="center", va="top", fontsize=SMALL, color=color,
            )  # fmt: skip
    axes.set_xticks(range(len(centers)), centers)
    axes.set_xlim(-0.6, len(centers) - 0.4)
    axes.tick_params(axis="x", length=0)
    if not log:
        axes.yaxis.set_major_locator(MaxNLocator(5))


def _draw_box(axes: Axes, place: float, values: DoubleArray, color: str, marker: str, log: bool) -> None:
    if not values.size:
        return
    axes.boxplot(
        values,
        positions=[place],
        widths=0.3,
        showfliers=False,
        manage_ticks=False,
        boxprops={"color": color, "linewidth": 0.9},
        medianprops={"color": color, "linewidth": 1.8},
        whiskerprops={"color": color, "linewidth": 0.9},
        capprops={"color": color, "linewidth": 0.9},
        zorder=3,
    )
    offsets = swarm_offsets(_unit(np.log(values) if log else values), bins=30)
    axes.scatter(place + 0.13 * offsets, values, s=5, color=color, alpha=0.5, marker=marker, linewidths=0, zorder=2)


def _unit(values: DoubleArray) -> DoubleArray:
    """Values scaled to [0, 1]."""
    spread = float(np.ptp(values))
    return (values - values.min()) / spread if spread > 0 else np.zeros_like(values)


def _ratio_axis(axes: Axes, which: str) -> None:
    """A logarithmic axis with plain numbers."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    (axes.set_yscale if which == "y" else axes.set_xscale)("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=12))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _write_p(axes: Axes, p_values: list[float]) -> None:
    for place, value in enumerate(p_values):
        words = "–" if not np.isfinite(value) else _p_words(value)
        axes.text(
            place, 1.01, words, transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=SMALL,
            color=BLACK if np.isfinite(value) and value < 0.05 else MUTED,
            fontweight="bold" if np.isfinite(value) and value < 0.05 else "normal",
        )  # fmt: skip


def _p_words(value: float) -> str:
    if value < 0.001:
        return "<0.001"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


@styled
def biomarker_position_figure(
    values: AnyArray, labels: AnyArray, value: float, *, outcome: Outcome, cutoff: float, name: str, favorable: str
) -> Figure:
    """One patient's biomarker among patients with a known outcome, with the two sides of the cut-off.

    Args:
        values: (n,) the biomarker, a ratio.
        labels: (n,) outcomes, 0 or 1; empty when they are not known.
        value: the patient's value.
        outcome: what the labels are.
        cutoff: the cut-off; NaN when there is none.
        name: name of the biomarker.
        favorable: side on which the outcome is expected, ``low`` or ``high``.
    """
    cohort, known = np.asarray(values, dtype=float), np.asarray(labels, dtype=float)
    if known.size:
        groups = [(word, color, mark, cohort[known == label]) for label, word, color, mark in both_outcomes(outcome)]
    else:
        groups = [("all", UNKNOWN_COLOR, "o", cohort)]
    figure = new_figure(4.3, 0.75 + 0.42 * len(groups))
    axes = figure.add_subplot()
    _ratio_axis(axes, "x")
    for row, (_, color, marker, found) in enumerate(groups):
        if found.size:
            offsets = swarm_offsets(_unit(np.log(np.maximum(found, 1e-6))), bins=50)
            places = row + 0.36 * offsets
            axes.scatter(found, places, s=12, color=color, alpha=0.6, marker=marker, linewidths=0, zorder=2)
            axes.plot([np.median(found)] * 2, [row - 0.4, row + 0.4], color=color, linewidth=2, zorder=3)
    axes.axvline(value, color=BLACK, linewidth=2, zorder=4)
    if np.isfinite(cutoff):
        axes.axvline(cutoff, color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
        ends = axes.get_xlim()
        shaded = (ends[0], cutoff) if favorable == "low" else (cutoff, ends[1])
        axes.axvspan(*shaded, color=POSITIVE_COLOR, alpha=0.07)
        axes.set_xlim(ends)
    axes.set_yticks(range(len(groups)), [f"{word} (n = {found.size})" for word, _, _, found in groups])
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.set_xlabel(f"{name} (dashed: cut-off {cutoff:.2g})" if np.isfinite(cutoff) else name)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.set_title(f"This patient: {value:.2g}", loc="left", fontsize=10)
    return figure
