"""Models side by side, each trained in several ways: aggregators with and without selection, CT models by scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from espark.plots.style import DOUBLE_COLUMN, MARKERS, MUTED, PALETTE, SMALL, new_figure, say_nothing_to_show, styled
from espark.statistics.estimate import Estimate

_COLUMNS = 2
_SPREAD = 0.17  # distance between the arms of a row; rows are 1 apart


@dataclass(frozen=True)
class ArmAuc:
    """AUC of one arm of a model in one cohort.

    Attributes:
        model: title of the model, such as an aggregator, or of a cell type: a row of each panel.
        cohort: title of the cohort: a panel.
        arm: title of the way of training.
        estimate: AUC with its interval.
    """

    model: str
    cohort: str
    arm: str
    estimate: Estimate


@styled
def arms_figure(entries: Sequence[ArmAuc], *, quantity: str = "AUC", no_effect: float = 0.5) -> Figure:
    """AUC of every model with its 95 % interval, one panel per cohort; the arms of a model share a row.

    Args:
        entries: in the order of models, arms and cohorts.
        quantity: what the estimates are, such as a change of AUC.
        no_effect: value without an effect, drawn as a line.
    """
    models = list(dict.fromkeys(entry.model for entry in entries))
    arms = list(dict.fromkeys(entry.arm for entry in entries))
    cohorts = list(dict.fromkeys(entry.cohort for entry in entries))
    rows = max(1, math.ceil(len(cohorts) / _COLUMNS))
    height = 0.75 + (0.07 + 0.1 * max(1, len(arms))) * max(1, len(models))
    figure = new_figure(DOUBLE_COLUMN, 0.5 + rows * height)
    if not entries:
        say_nothing_to_show(figure.add_subplot(), f"no {quantity}")
        return figure
    panels = figure.subplots(rows, _COLUMNS, sharex=True, sharey=True, squeeze=False).flatten()
    for axes, cohort in zip(panels, cohorts, strict=False):
        _draw_cohort(axes, models, arms, [entry for entry in entries if entry.cohort == cohort])
        if any(entry.estimate.available for entry in entries if entry.cohort == cohort):
            axes.axvline(no_effect, color=MUTED, linewidth=0.8, linestyle=":", zorder=0)
    for axes in panels[len(cohorts) :]:
        axes.set_axis_off()
    for axes in panels[max(0, len(cohorts) - _COLUMNS) : len(cohorts)]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(f"{quantity} (95 % CI)")
    handles = [
        Line2D([], [], color=PALETTE[index], marker=MARKERS[index], markersize=4.5, label=arm)
        for index, arm in enumerate(arms)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _draw_cohort(axes: Axes, models: list[str], arms: list[str], entries: Sequence[ArmAuc]) -> None:
    width = min(2 * _SPREAD, 0.8 / len(arms))
    for entry in entries:
        index = arms.index(entry.arm)
        place = models.index(entry.model) + (index - (len(arms) - 1) / 2) * width
        estimate, color = entry.estimate, PALETTE[index]
        if estimate.available:
            axes.plot([estimate.ci_low, estimate.ci_high], [place, place], color=color, linewidth=1.2)
            axes.plot(estimate.value, place, color=color, marker=MARKERS[index], markersize=4, linestyle="none")
    available = [entry.estimate for entry in entries if entry.estimate.available]
    if not available:
        reason = entries[0].estimate.method
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, ha="center", color=MUTED, fontsize=SMALL)
    cohort, n = entries[0].cohort, max(entry.estimate.n for entry in entries)
    axes.set_title(f"{cohort[:-1]}, n = {n})" if cohort.endswith(")") else f"{cohort} (n = {n})", loc="left")
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
