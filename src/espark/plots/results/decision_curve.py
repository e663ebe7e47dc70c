"""Net benefit of acting on a model, compared with acting on all patients or on none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from espark.outcome import Outcome
from espark.plots.style import LINE_STYLES, MUTED, PALETTE, SINGLE_COLUMN, new_figure, styled
from espark.statistics.decisions.decision_curve import DecisionCurve
from espark.wording import THIN


@styled
def decision_curve_figure(
    curves: Mapping[str, DecisionCurve],
    *,
    outcome: Outcome,
    title: str = "",
    highest_threshold: float = 0.8,
    colors: Mapping[str, str] | None = None,
) -> Figure:
    """Decision curves of several models on the same patients; the band is the 95 % interval of the last one.

    Args:
        curves: by name of the model, at least one.
        outcome: what was predicted.
        title: title of the figure; the number of patients is added.
        highest_threshold: end of the axis.
        colors: color by model; by default those of the palette.
    """
    figure = new_figure(SINGLE_COLUMN, 2.9 + 0.15 * (len(curves) + 2))
    axes = figure.add_subplot()
    first = next(iter(curves.values()))
    shown = first.thresholds <= highest_threshold
    # Thin and grey, to keep them apart from the lines of the models.
    axes.axhline(0, color=MUTED, linewidth=0.7, linestyle=":", label="treat none")
    axes.plot(first.thresholds, first.treat_all, color=MUTED, linewidth=0.7, label="treat all")
    tops = []
    for index, (name, curve) in enumerate(curves.items()):
        color = (colors or {}).get(name, PALETTE[index % len(PALETTE)])
        style = LINE_STYLES[index % len(LINE_STYLES)]
        axes.plot(curve.thresholds, curve.net_benefit, color=color, linestyle=style, label=name)
        if index == len(curves) - 1:
            band = {"color": color, "alpha": 0.15, "linewidth": 0, "label": f"{name}, 95{THIN}% CI"}
            axes.fill_between(curve.thresholds, curve.ci_low, curve.ci_high, **band)  # type: ignore[arg-type]
            tops.append(float(curve.ci_high[shown].max(initial=0.0)))
        tops.append(float(curve.net_benefit[shown].max(initial=0.0)))
    top = max(0.05, float(np.max(tops)))
    axes.set(xlim=(0, highest_threshold), ylim=(-0.25 * top, 1.08 * top), ylabel="Net benefit per patient")
    axes.set_xlabel(f"Threshold probability of {outcome.name}")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=f"{THIN}%"))
    axes.set_title(f"{title} (n = {first.n})".strip())
    figure.legend(loc="outside lower center", ncols=2)
    return figure
