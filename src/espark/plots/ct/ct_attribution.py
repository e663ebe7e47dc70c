"""What the CT features add to the answers of a study: by group, by feature, and when they are removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from espark.ct.features.feature_words import CLASS_TITLES, IMAGE_TITLES
from espark.explain.ct_groups import ALL
from espark.outcome import Outcome
from espark.plots.ct.feature_bars import feature_name
from espark.plots.style import (
    DOUBLE_COLUMN,
    FAINT,
    LINE_STYLES,
    MARKERS,
    MUTED,
    PALETTE,
    SINGLE_COLUMN,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import AnyArray, DoubleArray, IntArray

_GROUPINGS = (("image_type", "feature_class", IMAGE_TITLES), ("feature_class", "image_type", CLASS_TITLES))
_MEASURES = (("absolute", "Size\n(sum of absolute values)"), ("signed", "Direction\n(sum)"))
_SWARM_LIMIT = 2.0
_VALUES = LinearSegmentedColormap.from_list("low to high", ["#3B1F7A", "#B9B4C7", "#E69F00"])


@styled
def group_figure(groups: pd.DataFrame, cohorts: Mapping[str, str]) -> Figure:
    """Attribution by image type and by feature class, one row of panels per scale, one mark per cohort.

    Args:
        groups: the table of groups of `espark.explain.ct_groups`.
        cohorts: title by name of the cohorts to draw.
    """
    scales = list(groups["scale"].unique())
    if not scales or not cohorts:
        figure = new_figure(DOUBLE_COLUMN, 1.5)
        say_nothing_to_show(figure.add_subplot(), "no CT feature attributions")
        return figure
    row_count = [_rows(groups, key) for key, _, _ in _GROUPINGS]
    tallest = max(map(len, row_count))
    figure = new_figure(DOUBLE_COLUMN, 0.9 + len(scales) * (0.55 + tallest * (0.1 + 0.06 * len(cohorts))))
    blocks = figure.subfigures(1, 2, squeeze=False)[0]
    for block, (key, other, titles), rows in zip(blocks, _GROUPINGS, row_count, strict=True):
        panels = block.subplots(len(scales), 2, squeeze=False, sharex="col", sharey=True)
        for line, scale in zip(panels, scales, strict=True):
            part = groups[(groups["scale"] == scale) & (groups[other] == ALL) & (groups[key] != ALL)]
            for axes, (measure, title) in zip(line, _MEASURES, strict=True):
                _draw_groups(axes, part, key, rows, measure, list(cohorts))
                if scale == scales[-1]:
                    axes.set_xlabel(title)
            line[0].set_yticks(range(len(rows)), [titles[row] for row in rows])
            line[0].set_ylim(len(rows) - 0.5, -0.5)
            what = "by image type" if key == "image_type" else "by feature class"
            line[0].set_title(f"{str(scale).capitalize()}, {what}", loc="left")
    figure.legend(handles=_cohort_handles(groups, cohorts), loc="outside lower center", ncols=min(4, len(cohorts)))
    figure.suptitle("Contribution of the CT features to the answer, in log-odds", fontsize=8.5)
    return figure


def _rows(groups: pd.DataFrame, key: str) -> list[str]:
    titles = IMAGE_TITLES if key == "image_type" else CLASS_TITLES
    return [row for row in titles if (groups[key] == row).any()]


def _draw_groups(
    axes: Axes, part: pd.DataFrame, key: str, rows: Sequence[str], measure: str, cohorts: Sequence[str]
) -> None:
    spread = np.linspace(-0.3, 0.3, len(cohorts)) if len(cohorts) > 1 else np.zeros(1)
    for row in range(1, len(rows), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#F3F3F3", linewidth=0, zorder=0)
    for place, cohort in enumerate(cohorts):
        found = part[part["cohort"] == cohort].set_index(key).reindex(rows)
        value = found[measure].to_numpy(float)
        low, high = (found[f"{measure}_ci_{end}"].to_numpy(float) for end in ("low", "high"))
        height = np.arange(len(rows)) + spread[place]
        color, marker = PALETTE[place % len(PALETTE)], MARKERS[place % len(MARKERS)]
        axes.hlines(height, low, high, color=color, linewidth=0.9)
        axes.plot(value, height, linestyle="none", marker=marker, markersize=3.2, color=color)
    axes.axvline(0, color=MUTED, linewidth=0.7, zorder=1)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.spines["left"].set_visible(False)


def _cohort_handles(groups: pd.DataFrame, cohorts: Mapping[str, str]) -> list[Line2D]:
    count = groups.groupby("cohort")["n"].max()
    return [
        Line2D(
            [], [], color=PALETTE[place % len(PALETTE)], marker=MARKERS[place % len(MARKERS)], markersize=4,
            linewidth=0.9, label=f"{title} (n = {count.get(name, 0)})",
        )
        for place, (name, title) in enumerate(cohorts.items())
    ]  # fmt: skip


@styled
def feature_swarm_figure(
    features: pd.DataFrame, values: DoubleArray, standardized: DoubleArray, *, outcome: Outcome, top: int = 10
) -> Figure:
    """The features that move the answers most, one panel per scale; each dot is a patient, colored by the feature's
    value.

    Args:
        features: one row per feature: ``scale`` and ``feature``.
        values: (patients, features) attributions in log-odds.
        standardized: (patients, features) values in SD of the development patients.
        outcome: what was predicted.
        top: features in a panel, at most: those with the largest mean absolute attribution above 0.
    """
    scales = list(features["scale"].unique()) if len(values) else []
    leading = {scale: _leading(values, np.flatnonzero(features["scale"] == scale), top) for scale in scales}
    rows = [max(1, len(order)) for order in leading.values()]
    figure = new_figure(DOUBLE_COLUMN, 0.9 + 0.45 * max(1, len(rows)) + 0.2 * max(8, sum(rows)))
    if not leading:
        say_nothing_to_show(figure.add_subplot(), "no CT feature attributions")
        return figure
    heights = [0.45 + 0.2 * count for count in rows]
    panels = figure.subplots(len(scales), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    for axes, (scale, order), count in zip(panels, leading.items(), rows, strict=True):
        for row, index in enumerate(order):
            _draw_swarm(axes, row, values[:, index], standardized[:, index])
        axes.set_yticks(range(len(order)), [feature_name(str(features["feature"].iloc[index])) for index in order])
        axes.set_ylim(count - 0.4, -0.6)
        axes.axvline(0, color=MUTED, linewidth=0.7, zorder=0)
        axes.tick_params(axis="y", length=0)
        axes.tick_params(axis="x", labelbottom=True)
        axes.spines["left"].set_visible(False)
        axes.set_title(f"{str(scale).capitalize()} scale", loc="left")
    panels[-1].set_xlabel(f"Attribution (log-odds; above 0 for {outcome.name})\nn = {len(values)} patients")
    shades = ScalarMappable(Normalize(-_SWARM_LIMIT, _SWARM_LIMIT), _VALUES)
    bar = figure.colorbar(shades, ax=list(panels), shrink=0.6, aspect=30, pad=0.02, extend="both")
    bar.set_label("Value of the feature\n(SD from the mean development patient)")
    return figure


def _leading(values: DoubleArray, inside: IntArray, top: int) -> IntArray:
    """The features at the indices ``inside`` that move answers most, largest first; only those with an effect."""
    size = np.abs(values[:, inside]).mean(axis=0)
    order = np.argsort(-size, kind="stable")[:top]
    leading: IntArray = inside[order[size[order] > 0]]
    return leading


def _draw_swarm(axes: Axes, row: int, values: AnyArray, standardized: AnyArray) -> None:
    reach = max(float(np.abs(values).max()), 1e-12)
    axes.hlines(row, -reach, reach, color=FAINT, linewidth=0.5, zorder=0)
    axes.scatter(
        values, row + _side_by_side(values), c=np.clip(standardized, -_SWARM_LIMIT, _SWARM_LIMIT), cmap=_VALUES,
        vmin=-_SWARM_LIMIT, vmax=_SWARM_LIMIT, s=5, linewidths=0, rasterized=len(values) > 500,
    )  # fmt: skip


def _side_by_side(values: AnyArray) -> DoubleArray:
    """(patients,) shifts up and down, so that patients with about the same value are side by side."""
    reach = max(float(np.abs(values).max()), 1e-12)
    bins = np.rint(values / reach * 40).astype(int)
    shift = np.zeros(len(values))
    for place in np.unique(bins):
        here = np.flatnonzero(bins == place)
        number = np.arange(len(here))
        step = min(0.09, 0.7 / max(1, len(here)))
        shift[here] = np.where(number % 2, 1, -1) * ((number + 1) // 2) * step
    return shift


@styled
def deletion_figure(curves: pd.DataFrame) -> Figure:
    """How far the answers move when the most influential features are removed or put back first, and in random order.

    Args:
        curves: ``curve``, ``share``, ``n``, ``movement``, ``ci_low``, ``ci_high``.
    """
    figure = new_figure(2 * SINGLE_COLUMN, 2.5)
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"deleted": "Set to the development mean", "inserted": "Put back, others at the mean"}
    for axes, (name, title) in zip(panels, titles.items(), strict=True):
        for place, (curve, label) in enumerate(((name, "most influential first"), (f"{name}_random", "random"))):
            part = curves[curves["curve"] == curve]
            share = 100 * part["share"].to_numpy(float)
            low, high = part["ci_low"].to_numpy(float), part["ci_high"].to_numpy(float)
            axes.fill_between(share, low, high, color=PALETTE[place], alpha=0.2, linewidth=0)
            axes.plot(share, part["movement"], color=PALETTE[place], linestyle=LINE_STYLES[place], label=label)
        axes.axhline(0, color=MUTED, linewidth=0.7)
        axes.set(title=title, xlabel="Share of the CT features (%)", xlim=(0, 100))
    panels[0].set_ylabel("Movement of the answer (log-odds)")
    count = int(curves["n"].max()) if len(curves) else 0
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, [f"{label} (n = {count})" for label in labels], loc="outside lower center", ncols=2)
    return figure
