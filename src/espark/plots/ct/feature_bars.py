"""CT features in favor of the outcome and against it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from espark.ct.features.feature_words import OTHER, in_words, parse_feature_name
from espark.outcome import Outcome
from espark.plots.style import (
    DOUBLE_COLUMN,
    MUTED,
    NEGATIVE_COLOR,
    POSITIVE_COLOR,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import SCALES

_LETTERS = 58
_IMAGES = {"original": "", "squareroot": "square root", "lbp": "LBP", "log": "LoG", "logarithm": "logarithm"}
_FAMILIES = {"firstorder": "first-order", "shape": "shape", "shape2D": "shape 2D"}
_WORDS = {
    "10Percentile": "10th percentile",
    "90Percentile": "90th percentile",
    "NonUniformity": "non-uniformity",
    "Idm": "IDM",
    "Idmn": "IDMN",
    "Id": "ID",
    "Idn": "IDN",
    "Imc1": "IMC1",
    "Imc2": "IMC2",
}


def feature_name(name: str) -> str:
    """A PyRadiomics name in readable form.

    Example:
        >>> feature_name("wavelet-LLH_glcm_ClusterShade")
        'wavelet LLH · GLCM cluster shade'
    """
    parts = name.split("_", 2)
    if len(parts) < 3 or parse_feature_name(name).kind == OTHER:
        return name.replace("_", " ")
    kind, _, variant = parts[0].partition("-")
    sigma = re.fullmatch(r"sigma-(\d+)-(\d+)-mm-3D", variant)
    if sigma:
        variant = f"σ {float('.'.join(sigma.groups())):g} mm"
    image = f"{_IMAGES.get(kind, kind)} {variant.replace('-', ' ')}".strip()
    family = _FAMILIES.get(parts[1], parts[1].upper())
    return f"{image} · {family} {_feature_words(parts[2])}".removeprefix(" · ")


def _feature_words(feature: str) -> str:
    if feature in _WORDS:
        return _WORDS[feature]
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[23]D)(?=[A-Z])", " ", feature)
    words = " ".join(word if word.isupper() else word.lower() for word in spaced.split(" "))
    return words.replace("non uniformity", "non-uniformity")


@styled
def attribution_figure(tables: Mapping[str, pd.DataFrame], *, outcome: Outcome, top: int = 10) -> Figure:
    """The CT features with the largest attributions, in plain words, scale below scale; several patients side by side.

    Every patient's panel shows the same features: those with the largest attribution in any of the patients.

    Args:
        tables: by title of the column of panels (one patient each), attributions with columns ``scale``, ``feature``
            and ``attribution`` (in log-odds; above 0 is in favor of the outcome).
        outcome: what was predicted.
        top: features in a panel, at most.
    """
    scales = [scale for scale in SCALES if any((table["scale"] == scale).any() for table in tables.values())]
    figure = new_figure(DOUBLE_COLUMN, 0.8 + max(1, len(scales)) * (0.35 + 0.29 * top))
    if not scales:
        say_nothing_to_show(figure.add_subplot(), "no CT feature attributions")
        return figure
    panels = figure.subplots(len(scales), len(tables), squeeze=False, sharex=True, sharey="row")
    for row, scale in enumerate(scales):
        values = pd.DataFrame({title: _by_feature(table, scale) for title, table in tables.items()})
        largest = values.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:top]
        for column, (title, axes) in enumerate(zip(tables, panels[row], strict=True)):
            _draw_attributions(axes, values.loc[largest, title])
            heading = scale.capitalize() if column == 0 else ""
            axes.set_title(f"{title}\n{heading}" if row == 0 and title else heading, loc="left")
        panels[row, 0].set_yticks(range(len(largest)), [_wrapped_words(str(name)) for name in largest])
        panels[row, 0].set_ylim(max(top, len(largest)) - 0.4, -0.6)
    for axes in panels[-1]:
        axes.set_xlabel("Attribution (change of the log-odds)")
    figure.legend(handles=speaking_handles(outcome), loc="outside lower center", ncols=2)
    return figure


def speaking_handles(outcome: Outcome) -> list[Patch]:
    """Entries of a legend for the colors of features in favor of an outcome and against it."""
    return [
        Patch(color=POSITIVE_COLOR, label=f"in favor of {outcome.name}"),
        Patch(color=NEGATIVE_COLOR, label=f"against {outcome.name}"),
    ]


def _wrapped_words(name: str) -> str:
    return "\n".join(textwrap.wrap(in_words(name), _LETTERS))


def _by_feature(table: pd.DataFrame, scale: str) -> pd.Series:
    chosen = table[(table["scale"] == scale) & np.isfinite(table["attribution"])]
    return chosen.set_index("feature")["attribution"].astype(float)


def _draw_attributions(axes: Axes, values: pd.Series) -> None:
    if values.isna().all():
        say_nothing_to_show(axes, "scale not available")
        return
    colors = [POSITIVE_COLOR if value > 0 else NEGATIVE_COLOR for value in values]
    axes.barh(range(len(values)), values.fillna(0), color=colors, height=0.7)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.spines["left"].set_visible(False)
