"""A patient with the outcome beside a patient without: the CT, and the features with the largest attributions."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from espark.ct.features.feature_words import in_words
from espark.ct.preview import Plane
from espark.explain.ct_pair import SpeakingFeature
from espark.outcome import Outcome
from espark.plots.ct.feature_bars import speaking_handles
from espark.plots.ct.planes import draw_plane
from espark.plots.style import (
    BLACK,
    DOUBLE_COLUMN,
    MUTED,
    NEGATIVE_COLOR,
    POSITIVE_COLOR,
    SCALE_COLORS,
    SMALL,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.wording import signed

_LETTERS = 58
_LINE = 0.125
_BAR = 0.24


@dataclass(frozen=True)
class PairedPatient:
    """One half of the figure.

    Attributes:
        title: patient, answer and true outcome; may contain line breaks.
        planes: by title, planes of the CT.
        features: by scale, its features, largest attribution first; empty when the scale is not known.
    """

    title: str
    planes: Mapping[str, Plane]
    features: Mapping[str, Sequence[SpeakingFeature]]


@styled
def ct_pair_figure(patients: Sequence[PairedPatient], outcome: Outcome) -> Figure:
    """Patients side by side, with the same log-odds axis for all.

    Args:
        patients: usually one with the outcome and one without, with the same scales.
        outcome: what was predicted.
    """
    scales = list(patients[0].features)
    lines = {scale: max(1, max(len(patient.features[scale]) for patient in patients)) for scale in scales}
    wrapped = {scale: _text_lines(patients, scale) for scale in scales}
    heights = [1.75, *(0.3 + lines[scale] * (_BAR + _LINE * wrapped[scale]) for scale in scales)]
    figure = new_figure(DOUBLE_COLUMN, 0.65 + sum(heights) + 0.95)
    features = [feature for patient in patients for part in patient.features.values() for feature in part]
    reach = max((abs(feature.attribution) for feature in features), default=1.0)
    halves = figure.subfigures(1, len(patients), squeeze=False, wspace=0.03)[0]
    for half, patient in zip(halves, patients, strict=True):
        half.suptitle(patient.title, fontsize=8, fontweight="bold")
        top, below = half.subfigures(2, 1, height_ratios=[heights[0], sum(heights[1:])])
        _draw_planes(top, patient.planes)
        # One grid for all scales, so that their zero lines are aligned.
        panels = below.subplots(len(scales), 1, squeeze=False, sharex=True, height_ratios=heights[1:])[:, 0]
        for axes, scale in zip(panels, scales, strict=True):
            axes.set_title(f"{scale.capitalize()} scale: largest attributions", loc="left")
            _draw_features(axes, patient.features[scale], reach, lines[scale], wrapped[scale])
        axes.set(xlim=(-1.08 * reach, 1.08 * reach), xlabel="Attribution (change of the log-odds)")
        axes.tick_params(axis="x", bottom=True, labelbottom=True)
    _draw_legend(figure, patients, outcome)
    return figure


def _text_lines(patients: Sequence[PairedPatient], scale: str) -> int:
    texts = [_wrapped(feature) for patient in patients for feature in patient.features[scale]]
    return max((text.count("\n") + 1 for text in texts), default=1)


def _wrapped(feature: SpeakingFeature) -> str:
    return "\n".join(textwrap.wrap(in_words(feature.name), _LETTERS))


def _draw_planes(part: SubFigure, planes: Mapping[str, Plane]) -> None:
    panels = part.subplots(1, max(1, len(planes)), squeeze=False)[0]
    if not planes:
        say_nothing_to_show(panels[0], "no CT")
    for axes, (title, plane) in zip(panels, planes.items(), strict=False):
        draw_plane(axes, plane)
        axes.set_title(title)


def _draw_features(axes: Axes, features: Sequence[SpeakingFeature], reach: float, rows: int, text_lines: int) -> None:
    """Bars with the feature in words above each bar, and its value on the free side of the bar."""
    if not features:
        say_nothing_to_show(axes, "scale not available")
        return
    share = _BAR / (_BAR + _LINE * text_lines)  # share of the height of a row for the bar
    for row, feature in enumerate(features):
        speaks_for = feature.attribution > 0
        middle = row + 1 - share / 2
        axes.vlines(0, middle - 0.45 * share, middle + 0.45 * share, color=MUTED, linewidth=0.8)
        color = POSITIVE_COLOR if speaks_for else NEGATIVE_COLOR
        axes.barh(middle, feature.attribution, height=0.6 * share, color=color)
        gap = -0.02 if speaks_for else 0.02
        axes.text(
            gap * reach, middle, _value_words(feature), ha="right" if speaks_for else "left", va="center",
            fontsize=SMALL, color=BLACK,
        )  # fmt: skip
        axes.text(-1.05 * reach, row + 1 - share, _wrapped(feature), ha="left", va="bottom", fontsize=SMALL)
    axes.set(ylim=(rows + 0.05, 0), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(4, symmetric=True))
    axes.tick_params(axis="x", bottom=False, labelbottom=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def _value_words(feature: SpeakingFeature) -> str:
    side = "high" if feature.value > 0 else "low"
    return f"{side} ({signed(feature.value, 1)} SD): {signed(feature.attribution, 3)}"


def _draw_legend(figure: Figure, patients: Sequence[PairedPatient], outcome: Outcome) -> None:
    shown = {
        scale
        for patient in patients
        for plane in patient.planes.values()
        for scale, mask in plane.masks.items()
        if mask.any()
    }
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=color, linewidth=1.5, label=f"{scale} contour")
        for scale, color in SCALE_COLORS.items()
        if scale in shown
    ]
    handles += speaking_handles(outcome)
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
