"""Distributions of predictions: of cohorts by outcome, and of one patient among a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from espark.outcome import Outcome
from espark.plots.style import (
    BLACK,
    DOUBLE_COLUMN,
    FAINT,
    MUTED,
    SINGLE_COLUMN,
    SMALL,
    UNKNOWN_COLOR,
    both_outcomes,
    in_lines,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import AnyArray, DoubleArray
from espark.wording import THIN, percent

_NAME_CHARACTERS = 11  # characters of the name of an outcome on one line below its box
_AXIS_CHARACTERS = 32


@dataclass(frozen=True)
class CohortPredictions:
    """Predictions of one cohort.

    Attributes:
        label: name of the cohort.
        y: (n,) labels, 0 or 1; NaN when the outcome is not known.
        p: (n,) probabilities; NaN when there is none.
    """

    label: str
    y: AnyArray
    p: AnyArray

    def of(self, label: float) -> DoubleArray:
        """Probabilities of the patients with this label (NaN: patients without a known outcome)."""
        labels, values = np.asarray(self.y, dtype=np.float64), np.asarray(self.p, dtype=np.float64)
        chosen = np.isnan(labels) if np.isnan(label) else labels == label
        return values[chosen & np.isfinite(values)]


@styled
def prediction_distribution_figure(
    cohorts: Sequence[CohortPredictions], *, outcome: Outcome, threshold: float | None = None
) -> Figure:
    """Box plots and points of the predicted probability, by cohort and outcome.

    Boxes span the middle half with the median, whiskers 1.5 times that; every patient is a point.

    Args:
        cohorts: from left to right.
        outcome: what was predicted.
        threshold: operating point, drawn as a line.
    """
    boxes = [
        (cohort.label, name, color, marker, cohort.of(label))
        for cohort in cohorts
        for label, name, color, marker in (*both_outcomes(outcome), (np.nan, "unknown", UNKNOWN_COLOR, "s"))
    ]
    boxes = [box for box in boxes if box[4].size]
    width = min(DOUBLE_COLUMN, max(SINGLE_COLUMN, 0.75 * len(boxes) + 0.8))
    figure = new_figure(width, 2.9)
    axes = figure.add_subplot()
    if not boxes:
        say_nothing_to_show(axes, "no predictions")
        return figure
    positions = _positions([box[0] for box in boxes])
    for position, (_, _, color, marker, values) in zip(positions, boxes, strict=True):
        _draw_box(axes, position, values, color, marker)
    names = [in_lines(name, _NAME_CHARACTERS) for _, name, *_ in boxes]
    axes.set_xticks(positions, [f"{name}\nn = {box[4].size}" for name, box in zip(names, boxes, strict=True)])
    for cohort in dict.fromkeys(box[0] for box in boxes):
        centre = float(np.mean([x for x, box in zip(positions, boxes, strict=True) if box[0] == cohort]))
        axes.text(
            centre, 1.04, cohort, ha="center", va="bottom", fontweight="bold", transform=axes.get_xaxis_transform()
        )
    if threshold is not None:
        axes.axhline(threshold, color=BLACK, linewidth=0.9, linestyle="--")
        axes.annotate(
            f"threshold\n{threshold:.2f}",
            (1, threshold),
            xycoords=axes.get_yaxis_transform(),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
        )
    axes.set(ylim=(-0.02, 1.02), xlim=(positions[0] - 0.7, positions[-1] + 0.7))
    axes.set_ylabel(in_lines(f"Predicted probability of {outcome.name}", _AXIS_CHARACTERS))
    return figure


def _positions(cohorts: Sequence[str]) -> list[float]:
    """One place per box, with a wider gap between cohorts."""
    positions = [0.0]
    for before, cohort in pairwise(cohorts):
        positions.append(positions[-1] + (1.0 if cohort == before else 1.6))
    return positions


def _draw_box(axes: Axes, position: float, values: DoubleArray, color: str, marker: str) -> None:
    axes.boxplot(
        values,
        positions=[position],
        widths=0.62,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "none", "edgecolor": color},
        medianprops={"color": color, "linewidth": 1.8},
        whiskerprops={"color": color},
        capprops={"color": color},
        zorder=3,
    )
    offsets = swarm_offsets(values, bins=40)
    axes.scatter(position + 0.27 * offsets, values, s=9, color=color, alpha=0.55, marker=marker, linewidths=0, zorder=2)


def swarm_offsets(values: DoubleArray, *, bins: int) -> DoubleArray:
    """Offsets in [−1, 1] that place points with similar values side by side, widest where there are most points.

    Args:
        values: (n,) numbers in [0, 1].
        bins: points closer than 1 / ``bins`` are placed side by side.
    """
    offsets = np.zeros(values.size)
    cells = np.minimum((values * bins).astype(int), bins - 1)
    fullest = int(np.bincount(cells, minlength=1).max()) if values.size else 1
    for cell in np.unique(cells):
        members = np.flatnonzero(cells == cell)
        members = members[np.argsort(values[members], kind="stable")]
        # 0, +1, −1, +2, −2 …: from the center outwards.
        steps = np.array([(rank + 1) // 2 * (1 if rank % 2 else -1) for rank in range(members.size)], dtype=float)
        offsets[members] = steps / max(4.0, fullest / 2)
    return offsets


@styled
def patient_position_figure(
    cohort_probabilities: AnyArray,
    cohort_labels: AnyArray,
    probability: float,
    interval: tuple[float, float] | None = None,
    *,
    outcome: Outcome,
    threshold: float | None = None,
    cohort_name: str = "development patients",
    interval_name: str = "range of the fold models",
    width: float = DOUBLE_COLUMN,
) -> Figure:
    """One patient's probability among patients with a known outcome.

    Args:
        cohort_probabilities: (n,) probabilities of the cohort (out-of-fold if the model was trained on it).
        cohort_labels: (n,) outcomes, 0 or 1; NaN when not known.
        probability: the patient's probability.
        interval: its lower and upper end.
        outcome: what was predicted.
        threshold: operating point.
        cohort_name: name of the cohort.
        interval_name: what the interval is.
        width: inches; below the full width, the page explains the band, not the figure.
    """
    cohort = CohortPredictions(cohort_name, cohort_labels, cohort_probabilities)
    groups = [(name, color, marker, cohort.of(label)) for label, name, color, marker in both_outcomes(outcome)]
    figure = new_figure(width, 2.15 if width >= DOUBLE_COLUMN else 1.45)
    axes = figure.add_subplot()
    for row, (_, color, marker, values) in enumerate(groups):
        offsets = swarm_offsets(values, bins=60)
        axes.scatter(values, row + 0.36 * offsets, s=14, color=color, alpha=0.6, marker=marker, linewidths=0, zorder=2)
        if values.size:
            axes.plot([np.median(values)] * 2, [row - 0.4, row + 0.4], color=color, linewidth=2, zorder=3)
    if interval is not None:
        axes.axvspan(*interval, color=FAINT, zorder=0, linewidth=0)
    axes.axvline(probability, color=BLACK, linewidth=2, zorder=4)
    if threshold is not None:
        _mark_threshold(axes, threshold, probability)
    axes.set_yticks(range(len(groups)), [in_lines(f"{name} (n = {values.size})", 22) for name, _, _, values in groups])
    axes.set(xlim=(0, 1), ylim=(-0.8, 1.6))
    axes.set_xlabel(in_lines(f"Predicted probability of {outcome.name}", _AXIS_CHARACTERS))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=f"{THIN}%"))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=8)
    headline, detail = _patient_words(cohort, probability, interval, interval_name)
    axes.set_title(headline, loc="left", fontsize=10)
    if width >= DOUBLE_COLUMN:
        axes.set_title(detail, loc="right", fontsize=SMALL, fontweight="normal", color=MUTED)
    return figure


def _mark_threshold(axes: Axes, threshold: float, probability: float) -> None:
    axes.axvline(threshold, color=MUTED, linewidth=0.9, linestyle="--", zorder=1)
    # The text is on the side away from the patient's line.
    side = "right" if probability > threshold else "left"
    axes.text(threshold, -0.62, f" threshold {percent(threshold)} ", ha=side, va="center", fontsize=SMALL, color=MUTED)


def _patient_words(
    cohort: CohortPredictions, probability: float, interval: tuple[float, float] | None, interval_name: str
) -> tuple[str, str]:
    headline = f"This patient: {percent(probability)}"
    known = np.concatenate([cohort.of(0), cohort.of(1)])
    lines = []
    if interval is not None:
        lines.append(f"grey band: {interval_name}, {percent(interval[0])} to {percent(interval[1])}")
    if known.size:
        lines.append(f"higher than {percent(float((known < probability).mean()))} of {known.size} {cohort.label}")
    return headline, "\n".join(lines)
