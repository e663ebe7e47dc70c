"""Models side by side: their AUCs, and the decisions that one model corrects or worsens compared with another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from espark.outcome import Outcome
from espark.plots.style import (
    BLACK,
    DOUBLE_COLUMN,
    GREEN,
    MARKERS,
    MUTED,
    NEGATIVE_COLOR,
    PALETTE,
    POSITIVE_COLOR,
    PURPLE,
    SMALL,
    UNKNOWN_COLOR,
    both_outcomes,
    in_lines,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.statistics.decisions.reclassification import Reclassification
from espark.statistics.estimate import Estimate
from espark.types import AnyArray

_CORRECTED, _WORSENED = GREEN, PURPLE


@dataclass(frozen=True)
class AucEntry:
    """AUC of one model in one cohort.

    Attributes:
        model: title of the model.
        cohort: title of the cohort.
        estimate: AUC with its interval.
        n_positive: patients with the outcome among those of the estimate; None when not given.
    """

    model: str
    cohort: str
    estimate: Estimate
    n_positive: int | None = None


@styled
def auc_comparison_figure(
    entries: Sequence[AucEntry], *, outcome: Outcome, colors: Mapping[str, str] | None = None
) -> Figure:
    """AUCs with their 95 % intervals, models side by side in every cohort.

    Args:
        entries: in the order of cohorts and models; an AUC that is not available is replaced by the reason.
        outcome: what was predicted.
        colors: color by model; by default those of the palette.
    """
    models = list(dict.fromkeys(entry.model for entry in entries))
    cohorts = list(dict.fromkeys(entry.cohort for entry in entries))
    rows = max(1, len(cohorts)) * max(1, len(models))
    figure = new_figure(0.75 * DOUBLE_COLUMN, 0.9 + 0.2 * rows + 0.12 * len(cohorts))
    axes = figure.add_subplot()
    if not entries:
        say_nothing_to_show(axes, "no AUC")
        return figure
    for entry in entries:
        index = models.index(entry.model)
        color = (colors or {}).get(entry.model, PALETTE[index % len(PALETTE)])
        place = cohorts.index(entry.cohort) * (len(models) + 0.8) + index
        _draw_auc(axes, place, entry.estimate, color, MARKERS[index % len(MARKERS)])
    middles = [number * (len(models) + 0.8) + (len(models) - 1) / 2 for number in range(len(cohorts))]
    sizes = {entry.cohort: _size(entry, outcome) for entry in entries}
    axes.set_yticks(middles, [f"{cohort}\n{sizes[cohort]}" for cohort in cohorts], fontsize=8)
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
    lows = [entry.estimate.ci_low for entry in entries if entry.estimate.available]
    axes.set_xlim(min([0.5, *lows]) - 0.02, 1.03)  # a marker at 1 is drawn whole
    axes.set_ylim(middles[-1] + len(models) / 2 + 0.2, -0.8)
    axes.set_xlabel("AUC (95 % CI)")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    handles = [
        Line2D(
            [],
            [],
            color=(colors or {}).get(model, PALETTE[index % len(PALETTE)]),
            marker=MARKERS[index % len(MARKERS)],
            markersize=4.5,
            label=model,
        )
        for index, model in enumerate(models)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return figure


def _size(entry: AucEntry, outcome: Outcome) -> str:
    positive = "" if entry.n_positive is None else f", {entry.n_positive} with {outcome.name}"
    return in_lines(f"(n = {entry.estimate.n}{positive})", 26)


def _draw_auc(axes: Axes, place: float, estimate: Estimate, color: str, marker: str) -> None:
    beside: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": SMALL}
    if not estimate.available:
        axes.text(1.02, place, estimate.method.partition(":")[0], color=MUTED, **beside)
        return
    axes.plot([estimate.ci_low, estimate.ci_high], [place, place], color=color, linewidth=1.4, clip_on=False)
    axes.plot(estimate.value, place, color=color, marker=marker, markersize=4.5, linestyle="none", clip_on=False)
    words = f"{estimate.value:.2f} ({estimate.ci_low:.2f}–{estimate.ci_high:.2f})"
    axes.text(1.02, place, words, **beside)


@dataclass(frozen=True)
class PairedPredictions:
    """Predictions of a reference model and a new one on the same patients.

    Attributes:
        y: (n,) labels, 0 or 1.
        p_reference: (n,) probabilities of the reference model.
        p_new: (n,) probabilities of the new model.
        called_reference: (n,) decisions of the reference model, 0 or 1.
        called_new: (n,) decisions of the new model, 0 or 1.
    """

    y: AnyArray
    p_reference: AnyArray
    p_new: AnyArray
    called_reference: AnyArray
    called_new: AnyArray


@styled
def corrections_figure(
    patients: PairedPredictions,
    moves: Mapping[str, Reclassification],
    *,
    outcome: Outcome,
    reference: str = "MScaleCT",
    new: str = "eSPARK",
) -> Figure:
    """The predictions that a new model corrects or worsens, compared with a reference model.

    Left: every patient at the two probabilities. Right: per cohort, corrected predictions to the right and worsened
    predictions to the left.

    Args:
        patients: all patients.
        moves: counts by cohort.
        outcome: what was predicted.
        reference: title of the reference model.
        new: title of the new model.
    """
    figure = new_figure(DOUBLE_COLUMN, max(3.2, 1.4 + 0.42 * len(moves)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    _draw_pairs(left, patients, outcome, reference, new)
    _draw_moves(right, moves, outcome)
    right.set_title(f"Decisions that {new} changes", loc="left")
    if moves:
        right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.26), ncols=2)
    return figure


def _draw_pairs(axes: Axes, patients: PairedPredictions, outcome: Outcome, reference: str, new: str) -> None:
    y = np.asarray(patients.y).astype(bool)
    right_before = np.asarray(patients.called_reference).astype(bool) == y
    right_now = np.asarray(patients.called_new).astype(bool) == y
    # Filled, open and small, so that they differ in a grey print too.
    kinds: tuple[tuple[str, AnyArray, int, dict[str, Any]], ...] = (
        ("unchanged", right_before == right_now, 8, {"color": UNKNOWN_COLOR, "alpha": 0.5, "linewidths": 0}),
        ("corrected", ~right_before & right_now, 18, {"color": _CORRECTED, "alpha": 0.9, "linewidths": 0}),
        ("worsened", right_before & ~right_now, 18, {"facecolor": "white", "edgecolor": _WORSENED, "linewidths": 1.1}),
    )
    for _, chosen, size, look in kinds:
        for label, _, _, marker in both_outcomes(outcome):
            group = chosen & (y == bool(label))
            x, up = np.asarray(patients.p_reference)[group], np.asarray(patients.p_new)[group]
            axes.scatter(x, up, s=size, marker=marker, **look)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel(in_lines(f"Probability of {outcome.name}, {reference} (n = {len(y)})", 40))
    axes.set_ylabel(in_lines(f"Probability of {outcome.name}, {new}", 30))
    fills = {"unchanged": (UNKNOWN_COLOR, 3.0), "corrected": (_CORRECTED, 4.5), "worsened": (_WORSENED, 4.5)}
    handles = [
        Line2D([], [], color=fills[name][0], markerfacecolor="white" if name == "worsened" else fills[name][0],
               marker="s", linestyle="none", markersize=fills[name][1], label=f"{name} ({int(chosen.sum())})")
        for name, chosen, *_ in kinds
    ]  # fmt: skip
    for _, name, _, marker in reversed(both_outcomes(outcome)):
        handles.append(
            Line2D([], [], color=BLACK, marker=marker, linestyle="none", markersize=4, label=in_lines(name, 16))
        )
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.0)


def _draw_moves(axes: Axes, moves: Mapping[str, Reclassification], outcome: Outcome) -> None:
    if not moves:
        say_nothing_to_show(axes, "no cohort")
        return
    parts = (
        (outcome.name, POSITIVE_COLOR, [(move.events_up, move.events_down) for move in moves.values()]),
        (outcome.negation, NEGATIVE_COLOR, [(move.nonevents_down, move.nonevents_up) for move in moves.values()]),
    )
    rows = np.arange(len(moves))
    better, worse = np.zeros(len(moves)), np.zeros(len(moves))
    for name, color, counts in parts:
        corrected, worsened = np.array(counts, dtype=float).T
        axes.barh(rows, corrected, left=better, height=0.55, color=color, label=in_lines(name, 16))
        axes.barh(rows, -worsened, left=-worse, height=0.55, color=color, alpha=0.55, hatch="////", edgecolor="white")
        better, worse = better + corrected, worse + worsened
    reach = max(1.0, better.max(), worse.max())
    for row, move in enumerate(moves.values()):
        corrected = _moved(move.corrected, move.events_up, outcome)
        worsened = _moved(move.worsened, move.events_down, outcome)
        axes.text(better[row] + 0.03 * reach, row, corrected, va="center", fontsize=SMALL)
        axes.text(-worse[row] - 0.03 * reach, row, worsened, va="center", ha="right", fontsize=SMALL)
    axes.axvline(0, color=BLACK, linewidth=0.8)
    labels = [f"{name}\nn = {move.n_events + move.n_nonevents}, p = {move.p_value:.2g}" for name, move in moves.items()]
    axes.set_yticks(rows, labels)
    axes.set_ylim(len(moves) - 0.4, -0.6)
    axes.set_xlim(-1.6 * reach, 1.6 * reach)
    axes.set_xticks([-reach, 0, reach], [f"{reach:.0f}", "0", f"{reach:.0f}"])
    axes.set_xlabel("← worsened       patients       corrected →\np: McNemar's exact test")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _moved(patients: int, positive: int, outcome: Outcome) -> str:
    """The number of patients, and of patients with the outcome, so that the figure can be read without colors."""
    return in_lines(f"{patients} ({positive} with {outcome.name})", 16) if patients else "0"
