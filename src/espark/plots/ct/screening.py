"""The relation of every CT feature to the outcome: which image types and scales have significant features."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from espark.outcome import Outcome
from espark.plots.ct.feature_bars import feature_name
from espark.plots.style import (
    DOUBLE_COLUMN,
    FAINT,
    MUTED,
    NEGATIVE_COLOR,
    POSITIVE_COLOR,
    SMALL,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import Scale

_ONE_GROUP = {"squareroot": "square root", "log": "LoG", "lbp": "LBP"}


@styled
def manhattan_figure(
    tables: Mapping[Scale, pd.DataFrame], *, outcome: Outcome, n: int, n_positive: int, level: float = 0.05
) -> Figure:
    """−log10 p of every feature, one panel per scale, features in the order of their image types.

    Args:
        tables: by scale, columns ``feature``, ``odds_ratio``, ``p_value`` and ``p_adjusted`` (Benjamini-Hochberg).
        outcome: what the features are compared with.
        n: patients.
        n_positive: patients with the outcome.
        level: share of false findings up to which a feature is colored.
    """
    figure = new_figure(DOUBLE_COLUMN, 0.6 + 1.9 * max(1, len(tables)))
    if not tables:
        say_nothing_to_show(figure.add_subplot(), "no CT features")
        return figure
    panels = figure.subplots(len(tables), 1, sharex=False, sharey=True, squeeze=False)[:, 0]
    top = max(float(-np.log10(table["p_value"].clip(lower=1e-300).min())) for table in tables.values())
    for axes, (scale, table) in zip(panels, tables.items(), strict=True):
        _draw_scale(axes, table.reset_index(drop=True), level)
        count = int((table["p_adjusted"] < level).sum())
        tested = int(table["p_value"].notna().sum())
        axes.set_title(f"{scale.capitalize()}: {count} of {tested} tested features significant", loc="left")
        axes.set_ylabel("−log10 p")
        axes.set_ylim(0, 1.22 * max(1.5, top if math.isfinite(top) else 0.0))
    handles = [
        Line2D([], [], color=color, marker="o", markersize=4, linestyle="none", label=label)
        for color, label in (
            (POSITIVE_COLOR, f"higher with {outcome.name}, adjusted p < {level:g}"),
            (NEGATIVE_COLOR, f"lower with {outcome.name}, adjusted p < {level:g}"),
            (FAINT, f"not significant (n = {n}, {n_positive} with {outcome.name})"),
        )
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _draw_scale(axes: Axes, table: pd.DataFrame, level: float) -> None:
    strength = -np.log10(table["p_value"].clip(lower=1e-300))
    found = (table["p_adjusted"] < level).to_numpy()
    higher = (table["odds_ratio"] > 1).to_numpy()
    for chosen, color, size in (
        (~found, FAINT, 3.0),
        (found & higher, POSITIVE_COLOR, 7.0),
        (found & ~higher, NEGATIVE_COLOR, 7.0),
    ):
        axes.scatter(np.flatnonzero(chosen), strength[chosen], s=size, color=color, linewidths=0, rasterized=True)
    if found.any():
        axes.axhline(float(strength[found].min()), color=MUTED, linewidth=0.7, linestyle=":")
        place = int(np.nanargmax(strength))
        side = "right" if place > len(table) / 2 else "left"
        text = f" {feature_name(str(table['feature'][place]))} "
        axes.text(place, float(strength[place]), text, ha=side, va="bottom", fontsize=SMALL)
    _mark_groups(axes, table["feature"])
    axes.set_xlim(-0.01 * len(table), 1.01 * len(table))


def _mark_groups(axes: Axes, features: pd.Series) -> None:
    """Name the image types below their features, and separate them by thin lines."""
    kinds = features.str.split("_").str[0].str.split("-").str[0]
    starts = np.flatnonzero(kinds.ne(kinds.shift()))
    ends = [*starts[1:], len(kinds)]
    for start in starts[1:]:
        axes.axvline(start - 0.5, color=FAINT, linewidth=0.6, zorder=0)
    middles = [(start + end) / 2 for start, end in zip(starts, ends, strict=True)]
    axes.set_xticks(middles, [_ONE_GROUP.get(kinds[start], kinds[start]) for start in starts], rotation=30, ha="right")
    axes.tick_params(axis="x", length=0)
