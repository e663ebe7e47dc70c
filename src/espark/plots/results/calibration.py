"""Observed risk by predicted risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from espark.outcome import Outcome
from espark.plots.style import LINE_STYLES, MARKERS, MUTED, PALETTE, SINGLE_COLUMN, new_figure, styled
from espark.statistics.calibration import CalibrationCurve
from espark.statistics.estimate import Estimate
from espark.types import AnyArray
from espark.wording import number


@dataclass(frozen=True)
class CalibrationInput:
    """One cohort.

    Attributes:
        label: name of the cohort.
        curve: observed by predicted risk, in groups.
        p: (n,) all predictions, for the histogram.
        intercept: calibration in the large.
        slope: calibration slope.
    """

    label: str
    curve: CalibrationCurve
    p: AnyArray
    intercept: Estimate
    slope: Estimate


@styled
def calibration_figure(cohorts: Sequence[CalibrationInput], *, outcome: Outcome, title: str = "") -> Figure:
    """Calibration curves with Wilson's intervals, above the histogram of the predictions.

    Args:
        cohorts: in the order of the legend.
        outcome: what was predicted.
        title: title of the figure.
    """
    legend_height = 0.42 * len(cohorts) + 0.1
    heights = (SINGLE_COLUMN, 0.7, legend_height)
    figure = new_figure(SINGLE_COLUMN, sum(heights))
    main, histogram, legend = figure.subplots(3, 1, height_ratios=heights)
    main.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    handles, entries = [], []
    for index, cohort in enumerate(cohorts):
        color = PALETTE[index % len(PALETTE)]
        handles.append(_draw_curve(main, cohort.curve, index, color))
        counts, edges = np.histogram(np.asarray(cohort.p, dtype=float), bins=np.linspace(0, 1, 21))
        style = LINE_STYLES[index % len(LINE_STYLES)]
        histogram.stairs(counts / max(1, counts.sum()), edges, color=color, linewidth=1.2, linestyle=style)
        entries.append(f"{cohort.label} (n = {len(cohort.p)})\n{_words(cohort)}")
    main.set(xlim=(0, 1), ylim=(0, 1), ylabel=f"Observed share with {outcome.name}", title=title)
    main.set_xlabel(f"Predicted probability of {outcome.name}")
    histogram.set(xlim=(0, 1), ylabel="Share", xticks=main.get_xticks())
    histogram.set_xlabel("Distribution of the predictions")
    legend.set_axis_off()
    legend.legend(handles, entries, loc="upper center", borderaxespad=0, borderpad=0)
    return figure


def _draw_curve(axes: Axes, curve: CalibrationCurve, index: int, color: str) -> object:
    axes.vlines(curve.predicted, curve.ci_low, curve.ci_high, color=color, linewidth=0.9, alpha=0.7)
    style, marker = LINE_STYLES[index % len(LINE_STYLES)], MARKERS[index % len(MARKERS)]
    (line,) = axes.plot(curve.predicted, curve.observed, color=color, linestyle=style, linewidth=1.1, clip_on=False)
    line.set(marker=marker, markersize=3.5)
    return line


def _words(cohort: CalibrationInput) -> str:
    parts = []
    for name, estimate in (("intercept", cohort.intercept), ("slope", cohort.slope)):
        if estimate.available:
            interval = f"{number(estimate.ci_low)} to {number(estimate.ci_high)}"
            parts.append(f"{name} {number(estimate.value)} ({interval})")
        else:
            parts.append(f"{name} not available")
    return "\n".join(parts)
