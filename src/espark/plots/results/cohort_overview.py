"""The patients of a study: numbers by center, role and outcome, and their clinical features."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from espark.outcome import Outcome
from espark.plots.style import (
    DOUBLE_COLUMN,
    NEGATIVE_COLOR,
    PALETTE,
    POSITIVE_COLOR,
    SMALL,
    UNKNOWN_COLOR,
    new_figure,
    say_nothing_to_show,
    styled,
)
from espark.types import ROLES, ClinicalColumn, DoubleArray
from espark.wording import percent

_ROLE_TITLES = {"development": "development", "internal_test": "internal test", "external": "external"}
_NUMBERS = "cividis"
_MOST_CATEGORIES = len(PALETTE) - 1
_KEY_INCHES = 1.7
_KEY_CHARACTERS = 28
_STRIP_INCHES = 4.0
_CHARACTER_INCHES = 0.062


@styled
def cohort_overview_figure(cohort: pd.DataFrame, outcome: Outcome) -> Figure:
    """Patients by center, role and outcome.

    Args:
        cohort: columns ``center``, ``role`` and the outcome column (1, 0 or NaN), one row per patient.
        outcome: what is predicted.
    """
    groups = _groups(cohort)
    figure = new_figure(0.75 * DOUBLE_COLUMN, 1.0 + 0.32 * max(1, len(groups)))
    axes = figure.add_subplot()
    if not groups:
        say_nothing_to_show(axes, "no patients")
        return figure
    counts = np.array([_outcome_counts(group[outcome.column]) for _, _, group in groups])
    start = np.zeros(len(groups))
    for (name, color), column in zip(_parts(outcome), counts.T, strict=True):
        if not column.any():
            continue
        bars = axes.barh(range(len(groups)), column, left=start, height=0.68, color=color, label=name)
        if color != POSITIVE_COLOR:
            _hatch(bars.patches)
        for row, count in enumerate(column):
            # A number that does not fit into its part is left out; the sum is beside the bar.
            if count >= 0.04 * counts.sum(axis=1).max():
                place = (start[row] + count / 2, row)
                behind = {"facecolor": color, "edgecolor": "none", "pad": 1.5}
                style = {"color": "white", "fontsize": SMALL, "fontweight": "bold", "bbox": behind}
                axes.text(*place, str(count), ha="center", va="center", **style)  # type: ignore[arg-type]
        start = start + column
    for row, (known, total) in enumerate(zip(counts[:, :2].sum(axis=1), counts.sum(axis=1), strict=True)):
        rate = f", {percent(counts[row, 0] / known)} with {outcome.name}" if known else ""
        axes.text(total, row, f"  n = {total}{rate}", va="center", fontsize=SMALL)
    axes.set_yticks(range(len(groups)), [f"{center}, {_ROLE_TITLES[role]}" for center, role, _ in groups], fontsize=8)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_xlim(0, (1.25 + 0.02 * max(0, len(outcome.name) - 4)) * counts.sum(axis=1).max())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("Patients")
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _hatch(bars: Sequence[Patch]) -> None:
    """White strokes, so that the outcomes differ in a grey print too."""
    for bar in bars:
        bar.set(hatch="////", edgecolor="white", linewidth=0)


def _groups(cohort: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Patients of each center and role: roles in the order of a study, centers by name."""
    present = {(str(center), str(role)): group for (center, role), group in cohort.groupby(["center", "role"])}
    order = sorted(present, key=lambda key: (ROLES.index(key[1]), key[0]))
    return [(center, role, present[center, role]) for center, role in order]


def _parts(outcome: Outcome) -> tuple[tuple[str, str], ...]:
    """Name and color of each part of a bar."""
    return (
        (outcome.name, POSITIVE_COLOR),
        (outcome.negation, NEGATIVE_COLOR),
        ("outcome not known", UNKNOWN_COLOR),
    )


def _outcome_counts(labels: pd.Series) -> tuple[int, int, int]:
    """Patients in each part of a bar."""
    return int((labels == 1).sum()), int((labels == 0).sum()), int(labels.isna().sum())


@styled
def clinical_heatmap_figure(cohort: pd.DataFrame, columns: Sequence[ClinicalColumn], outcome: Outcome) -> Figure:
    """Patients as columns, clinical features as rows, sorted by role, center and outcome.

    Numbers are shaded from their 5th to their 95th percentile, categories have colors, missing values are hatched.

    Args:
        cohort: ``center``, ``role``, the outcome column and the columns in ``columns``, one row per patient.
        columns: clinical features from top to bottom.
        outcome: what is predicted.
    """
    if cohort.empty:
        figure = new_figure(DOUBLE_COLUMN, 1.0)
        say_nothing_to_show(figure.add_subplot(), "no patients")
        return figure
    order = _sorted_patients(cohort, outcome)
    rows: list[_Numbers | _Categories] = [_center_row(order), _outcome_row(order, outcome)]
    rows += [
        _number_row(order, column) if column.kind == "number" else _category_row(order, column) for column in columns
    ]
    heights = [max(0.24, 0.15 * row.legend_lines) for row in rows]
    figure = new_figure(DOUBLE_COLUMN, 0.5 + 1.15 * sum(heights))
    panels = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(2.3, 1.0), height_ratios=heights)
    for (strip, key), row in zip(panels, rows, strict=True):
        _draw_strip(strip, row)
        key.set_axis_off()
        if isinstance(row, _Categories):
            _draw_key(key, row)
        else:
            _draw_ramp(key, row)
    panels[-1, 0].set_xlabel(f"Patients (n = {len(order)}); hatched: missing")
    return figure


@dataclass(frozen=True)
class _Numbers:
    """A row of numbers, shaded from ``low`` to ``high``."""

    name: str
    values: DoubleArray
    low: float
    high: float
    colors: str = _NUMBERS
    legend_lines: int = 1


@dataclass(frozen=True)
class _Categories:
    """A row of categories: values are indices into ``labels`` and ``palette``.

    With ``written``, the row also shows the category of each run of equal patients and their number, if there is room.
    """

    name: str
    values: DoubleArray
    labels: list[str]
    palette: list[str]
    written: bool = False

    @property
    def low(self) -> float:
        return -0.5

    @property
    def high(self) -> float:
        return len(self.palette) - 0.5

    @property
    def colors(self) -> ListedColormap:
        return ListedColormap(self.palette)

    @property
    def legend_columns(self) -> int:
        """Number of labels that fit side by side into the key."""
        widest = 0.22 + 0.055 * max((len(line) for label in self.labels for line in label.split("\n")), default=1)
        return max(1, min(len(self.labels), int(_KEY_INCHES / widest)))

    @property
    def legend_lines(self) -> int:
        tallest = max((label.count("\n") + 1 for label in self.labels), default=1)
        within = 2 if self.written else 1
        return max(within, -(-len(self.labels) // self.legend_columns) * tallest)


def _sorted_patients(cohort: pd.DataFrame, outcome: Outcome) -> pd.DataFrame:
    role = cohort["role"].map({role: number for number, role in enumerate(ROLES)})
    keys = cohort.assign(_role=role, _label=-cohort[outcome.column].fillna(-1))
    return keys.sort_values(["_role", "center", "_label"], kind="stable")


def _center_row(order: pd.DataFrame) -> _Categories:
    centers = order["center"].astype(str) + ", " + order["role"].map(_ROLE_TITLES)
    row = _categories("Center, role", centers, list(dict.fromkeys(centers)), PALETTE)
    return replace(row, written=True)


def _outcome_row(order: pd.DataFrame, outcome: Outcome) -> _Categories:
    words = [outcome.name, outcome.negation]
    known = order[outcome.column].map({1: outcome.name, 0: outcome.negation})
    return replace(_categories("Outcome", known, words, (POSITIVE_COLOR, NEGATIVE_COLOR)), written=True)


def _category_row(order: pd.DataFrame, column: ClinicalColumn) -> _Categories:
    values = order[column.name].astype("string").replace("", pd.NA)
    return _categories(column.title, values, sorted(values.dropna().unique()), PALETTE)


def _categories(name: str, values: pd.Series, categories: Sequence[str], colors: Sequence[str]) -> _Categories:
    shown = list(categories[:_MOST_CATEGORIES])
    codes = values.map({category: number for number, category in enumerate(shown)})
    codes = codes.to_numpy(dtype=float, na_value=np.nan)
    if len(categories) > len(shown):
        codes[values.isin(categories[_MOST_CATEGORIES:]).to_numpy(dtype=bool)] = len(shown)
        shown.append("other")
    shown = [textwrap.fill(label, _KEY_CHARACTERS) for label in shown]
    return _Categories(name, codes, shown, [colors[number % len(colors)] for number in range(max(1, len(shown)))])


def _number_row(order: pd.DataFrame, column: ClinicalColumn) -> _Numbers:
    values = pd.to_numeric(order[column.name], errors="coerce").to_numpy(dtype=float)
    values = np.where(np.isfinite(values), values, np.nan)
    known = values[np.isfinite(values)]
    low, high = (float(end) for end in np.quantile(known, (0.05, 0.95))) if known.size else (np.nan, np.nan)
    name = f"{column.title} [{column.unit}]" if column.unit else column.title
    return _Numbers(name, values, low, high)


def _draw_strip(axes: Axes, row: _Numbers | _Categories) -> None:
    """One row of the heatmap; NaN is hatched."""
    limits = {"vmin": row.low, "vmax": row.high} if row.high > row.low else {}
    axes.imshow(row.values[None], aspect="auto", cmap=row.colors, interpolation="nearest", **limits)  # type: ignore[arg-type]
    for patient in np.flatnonzero(np.isnan(row.values)):
        gap = Rectangle((float(patient) - 0.5, -0.5), 1, 1, facecolor="white", edgecolor=UNKNOWN_COLOR, linewidth=0)
        gap.set_hatch("//////")
        axes.add_patch(gap)
    if isinstance(row, _Categories) and row.written:
        _write_runs(axes, row)
    axes.set(xticks=[], yticks=[0], yticklabels=[row.name])
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)


def _write_runs(axes: Axes, row: _Categories) -> None:
    """Write the category and the number of each run of equal patients; only the number when there is little room."""
    codes = np.nan_to_num(row.values, nan=-1).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
    for start, stop in itertools.pairwise(edges):
        if codes[start] < 0:
            continue
        most = int(_STRIP_INCHES * (stop - start) / len(codes) / _CHARACTER_INCHES)
        lines = _run_lines(row.labels[codes[start]], stop - start, most, row.legend_lines)
        red, green, blue = to_rgb(row.palette[codes[start]])
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
        middle = (start + stop - 1) / 2
        axes.text(middle, 0, "\n".join(lines), ha="center", va="center", fontsize=SMALL, color=ink, linespacing=1.05)


def _run_lines(label: str, count: int, characters: int, lines: int) -> list[str]:
    """The longest of three texts that fits: at most ``lines`` lines with at most ``characters`` characters each."""
    wrapped = [
        line
        for part in label.replace("\n", " ").split(", ")
        for line in textwrap.wrap(part, max(1, characters), break_long_words=False)
    ]
    texts = ([*wrapped, f"n = {count}"], [f"n = {count}"], [str(count)])
    fitting = (text for text in texts if len(text) <= lines and max(map(len, text)) <= characters)
    return next(fitting, [])


def _draw_key(axes: Axes, row: _Categories) -> None:
    handles = [Patch(color=color, label=label) for color, label in zip(row.palette, row.labels, strict=False)]
    key = axes.legend(
        handles=handles,
        loc="center left",
        ncols=row.legend_columns,
        borderaxespad=0,
        borderpad=0,
        handlelength=0.8,
        handletextpad=0.4,
        columnspacing=0.8,
        labelspacing=0.25,
    )
    key.set_in_layout(False)


def _draw_ramp(axes: Axes, row: _Numbers) -> None:
    words = {"va": "center", "fontsize": SMALL, "transform": axes.transAxes}
    if not row.high >= row.low:
        axes.text(0, 0.5, "no values", **words)  # type: ignore[arg-type]
        return
    ramp = axes.inset_axes((0.2, 0.3, 0.3, 0.4))
    ramp.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=_NUMBERS)
    ramp.set_axis_off()
    axes.text(0.18, 0.5, f"{row.low:.3g}", ha="right", **words)  # type: ignore[arg-type]
    axes.text(0.52, 0.5, f"{row.high:.3g}", **words)  # type: ignore[arg-type]
