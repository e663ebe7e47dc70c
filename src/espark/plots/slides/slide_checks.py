"""Whether the answer depends on the tiles that the explanations name: deletion and insertion curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from espark.plots.style import (
    DOUBLE_COLUMN,
    LINE_STYLES,
    MUTED,
    PALETTE,
    SMALL,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.statistics.estimate import Z_95
from espark.types import DoubleArray
from espark.wording import THIN


@styled
def tile_curves_figure(
    deletion: Mapping[str, DoubleArray], insertion: Mapping[str, DoubleArray], deleted: DoubleArray
) -> Figure:
    """Mean curves over patients with 95 % intervals.

    Args:
        deletion: by order of the tiles, (patients, shares) change of the log-odds in the direction of the patient's
            own answer, without a share of the tiles, compared with the whole bag.
        insertion: that change with only the rest of the tiles.
        deleted: (shares,) share of the tiles that is missing.
    """
    n = max((len(values) for values in deletion.values()), default=0)
    figure = new_figure(DOUBLE_COLUMN, 3.0)
    if n == 0:
        say_nothing_to_show(figure.add_subplot(), "no patient with a confident answer")
        return figure
    first, second = figure.subplots(1, 2, sharey=True)
    _draw(first, deletion, deleted)
    _draw(second, insertion, 1 - deleted)
    first.set(title="Tiles removed", xlabel="Share of the tiles removed")
    second.set(title="Tiles inserted", xlabel="Share of the tiles inserted")
    first.set_ylabel("Log-odds toward the patient's answer,\ncompared with the whole bag")
    figure.legend(
        *first.get_legend_handles_labels(), loc="outside upper center", ncols=len(deletion),
        title=f"Order of the tiles; mean and 95 % interval over {n} patients with a confident answer",
        title_fontsize=SMALL,
    )  # fmt: skip
    return figure


def _draw(axes: Axes, orders: Mapping[str, DoubleArray], shares: DoubleArray) -> None:
    for number, (name, values) in enumerate(orders.items()):
        mean = values.mean(axis=0)
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros_like(mean)
        half = Z_95 * spread / np.sqrt(len(values))
        axes.plot(shares, mean, color=PALETTE[number], linestyle=LINE_STYLES[number], label=name)
        axes.fill_between(shares, mean - half, mean + half, color=PALETTE[number], alpha=0.15, linewidth=0)
    axes.axhline(0, color=MUTED, linewidth=0.7)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=f"{THIN}%"))
    axes.title.set_horizontalalignment("center")
