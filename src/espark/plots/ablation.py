"""Aggregators side by side, each with and without the selection of tiles by cell type."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from espark.plots.style import BLUE, DOUBLE_COLUMN, MUTED, ORANGE, SMALL, new_figure, say_nothing_to_show, styled
from espark.statistics.estimate import Estimate

_COLUMNS = 2
_ARMS = {True: ("chosen by cell type", BLUE, "o", -0.17), False: ("all tiles", ORANGE, "s", 0.17)}


@dataclass(frozen=True)
class AggregatorAuc:
    """AUC of one aggregator in one cohort.

    Attributes:
        aggregator: title of the aggregator.
        cohort: title of the cohort.
        selection: whether tiles were chosen by cell type.
        estimate: AUC with its interval.
    """

    aggregator: str
    cohort: str
    selection: bool
    estimate: Estimate


@styled
def aggregator_figure(entries: Sequence[AggregatorAuc]) -> Figure:
    """AUC of every aggregator with its 95 % interval, one panel a cohort; with and without selection in one row.

    Args:
        entries: in the order of aggregators and cohorts.
    """
    aggregators = list(dict.fromkeys(entry.aggregator for entry in entries))
    cohorts = list(dict.fromkeys(entry.cohort for entry in entries))
    rows = max(1, math.ceil(len(cohorts) / _COLUMNS))
    figure = new_figure(DOUBLE_COLUMN, 0.5 + rows * (0.75 + 0.27 * max(1, len(aggregators))))
    if not entries:
        say_nothing_to_show(figure.add_subplot(), "no AUC")
        return figure
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).flatten()
    for axes, cohort in zip(panels, cohorts, strict=False):
        _draw_cohort(axes, aggregators, [entry for entry in entries if entry.cohort == cohort])
    for axes in panels[len(cohorts) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(cohorts) - _COLUMNS) : len(cohorts)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("AUC (95 % CI)")
    shown = [arm for arm in _ARMS if any(entry.selection == arm for entry in entries)]
    handles = [
        Line2D([], [], color=_ARMS[arm][1], marker=_ARMS[arm][2], markersize=4.5, label=_ARMS[arm][0]) for arm in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _draw_cohort(axes: Axes, aggregators: list[str], entries: list[AggregatorAuc]) -> None:
    for entry in entries:
        _, color, marker, shift = _ARMS[entry.selection]
        place, estimate = aggregators.index(entry.aggregator) + shift, entry.estimate
        if estimate.available:
            axes.plot([estimate.ci_low, estimate.ci_high], [place, place], color=color, linewidth=1.2)
            axes.plot(estimate.value, place, color=color, marker=marker, markersize=4, linestyle="none")
    available = [entry.estimate for entry in entries if entry.estimate.available]
    if not available:
        reason = entries[0].estimate.method
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", color=MUTED, fontsize=SMALL)
    axes.set_title(f"{entries[0].cohort} (n = {max(entry.estimate.n for entry in entries)})", loc="left")
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(aggregators)), aggregators)
    axes.set_ylim(len(aggregators) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
