"""ROC curves, with AUC, interval and number of patients in the legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from sklearn.metrics import roc_curve

from espark.outcome import Outcome
from espark.plots.style import DOUBLE_COLUMN, LINE_STYLES, MUTED, PALETTE, SINGLE_COLUMN, in_lines, new_figure, styled
from espark.statistics.estimate import Estimate
from espark.types import AnyArray

_PAD = 0.08  # inches; the layout places square panels too close to the edge
_LINE_HEIGHT = 0.15


@dataclass(frozen=True)
class RocInput:
    """One curve.

    Attributes:
        label: cohort or model of the curve.
        y: (n,) labels, 0 or 1.
        p: (n,) scores.
        estimate: AUC with its interval.
        color: color of the curve; by default the next of the palette.
    """

    label: str
    y: AnyArray
    p: AnyArray
    estimate: Estimate
    color: str | None = None

    def counts(self, outcome: Outcome) -> str:
        """The number of patients, and of patients with the outcome."""
        labels = np.asarray(self.y)
        return f"n = {labels.size}, {int(labels.sum())} with {outcome.name}"

    @property
    def area(self) -> str:
        """AUC and interval, or the reason why there is none."""
        if not self.estimate.available:
            return f"AUC {self.estimate.method}"
        return f"AUC {self.estimate.value:.2f} (95 % CI {self.estimate.ci_low:.2f}–{self.estimate.ci_high:.2f})"


@styled
def roc_figure(curves: Sequence[RocInput], *, outcome: Outcome, title: str = "") -> Figure:
    """One ROC curve per cohort (or model) in one panel.

    When a curve has no AUC, the legend gives the reason.

    Args:
        curves: what to draw, in the order of the legend.
        outcome: what was predicted.
        title: title of the panel.
    """
    legend_height = 2 * _LINE_HEIGHT * len(curves) + 0.1
    figure = new_figure(SINGLE_COLUMN, SINGLE_COLUMN + legend_height)
    figure.set_layout_engine("constrained", w_pad=_PAD)
    grid = figure.add_gridspec(2, 1, height_ratios=(SINGLE_COLUMN, legend_height))
    entries = [f"{curve.label}, {curve.counts(outcome)}\n{curve.area}" for curve in curves]
    _draw_roc(figure, grid, (0, 0), curves, entries)
    figure.axes[0].set_title(title)
    return figure


@styled
def roc_panels_figure(panels: Mapping[str, Sequence[RocInput]], *, outcome: Outcome, columns: int = 2) -> Figure:
    """One panel per cohort, each with the curves of several models on the same patients.

    Args:
        panels: curves by title of the panel.
        outcome: what was predicted.
        columns: panels in a row, at most.
    """
    columns = max(1, min(columns, len(panels)))
    rows = -(-len(panels) // columns)
    width = DOUBLE_COLUMN if columns > 1 else SINGLE_COLUMN
    entries = max((len(curves) for curves in panels.values()), default=0)
    panel_height, legend_height = width / columns, 2 * _LINE_HEIGHT * entries + 0.1
    figure = new_figure(width, rows * (panel_height + legend_height))
    figure.set_layout_engine("constrained", w_pad=_PAD)
    grid = figure.add_gridspec(2 * rows, columns, height_ratios=(panel_height, legend_height) * rows)
    for index, (title, curves) in enumerate(panels.items()):
        place = (2 * (index // columns), index % columns)
        axes = _draw_roc(figure, grid, place, curves, [f"{curve.label}\n{curve.area}" for curve in curves])
        axes.set_title(in_lines(f"{title} ({curves[0].counts(outcome)})", 46) if curves else title)
    return figure


def _draw_roc(
    figure: Figure, grid: GridSpec, place: tuple[int, int], curves: Sequence[RocInput], entries: Sequence[str]
) -> Axes:
    """Draw the curves at ``place`` of the grid and their legend in the cell below."""
    axes = figure.add_subplot(grid[place])
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":", label="_chance")
    handles = []
    for index, curve in enumerate(curves):
        false_positive, true_positive = np.zeros(0), np.zeros(0)
        if curve.estimate.available:
            false_positive, true_positive, _ = roc_curve(curve.y, curve.p)
        color = curve.color or PALETTE[index % len(PALETTE)]
        style = LINE_STYLES[index % len(LINE_STYLES)]
        handles += axes.plot(false_positive, true_positive, color=color, linestyle=style, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="1 − specificity", ylabel="Sensitivity", aspect="equal")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_yticks(np.linspace(0, 1, 6))
    legend_axes = figure.add_subplot(grid[place[0] + 1, place[1]])
    legend_axes.set_axis_off()
    legend_axes.legend(handles, entries, loc="upper center", borderaxespad=0, borderpad=0)
    return axes
