"""The page of `espark plan`: learning curves as drawings that follow the colors of the reader's screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from espark.report import words
from espark.report.pages import asset, rendered
from espark.statistics.sample_size import MinimumSize

TITLES = {"mscalect": "MScaleCT (CT)", "cytopath": "CytoPath (slides)", "espark": "eSPARK (both)"}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640.0, 280.0, 46.0, 34.0, 12.0
_TICKS = (60, 120, 240, 480, 1000)


@dataclass(frozen=True)
class PlanPage:
    """Content of the page.

    Attributes:
        patients: number of patients that was asked for.
        table: what may be expected, one row for each number of patients.
        curves: what was measured.
        minimum: minimum sample size after Riley et al.
        prevalence: share of patients with the outcome.
        parameters: candidate parameters of the minimum sample size.
        r2: R² of Cox and Snell that the expected AUC means.
        model: the model of the headline.
        own: whether the curves are those of the reader's own study.
    """

    patients: int
    table: pd.DataFrame
    curves: pd.DataFrame
    minimum: MinimumSize
    prevalence: float
    parameters: int
    r2: float
    model: str
    own: bool


@dataclass(frozen=True)
class Curve:
    """One curve of a drawing: paths in the coordinates of the drawing.

    Attributes:
        name: class of its color.
        title: what it shows.
        line: path of the curve.
        band: closed path of its interval; empty without one.
        points: places of what was measured.
    """

    name: str
    title: str
    line: str
    band: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Drawing:
    """Curves over the number of patients.

    Attributes:
        title: what the vertical axis shows.
        curves: the curves.
        across: tick label and place on the horizontal axis.
        up: tick label and place on the vertical axis.
        asked: place of the number that was asked for.
        rule: place of a horizontal line to compare with; None without one.
    """

    title: str
    curves: tuple[Curve, ...]
    across: tuple[tuple[str, float], ...]
    up: tuple[tuple[str, float], ...]
    asked: float
    rule: float | None


def render_plan(page: PlanPage) -> str:
    """The page as self-contained HTML: equal content gives equal bytes."""
    models = [name for name in TITLES if f"auc_{name}" in page.table]
    return rendered(
        "plan.html",
        page=page,
        asked=page.table.set_index("n").loc[page.patients],
        rows=page.table.to_dict("records"),
        models={name: TITLES[name] for name in models},
        drawings=_drawings(page, models),
        measured=", ".join(str(int(n)) for n in page.curves["n"]),
        draws=int(page.curves["draws"].min()),
        size=(_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP),
        notices=[*([] if page.own else [words.SIMULATED]), words.RESEARCH_USE],
        plan_style=asset("plan.css"),
        script="",
        script_hash="",
    )


def _drawings(page: PlanPage, models: Sequence[str]) -> list[Drawing]:
    auc = [(name, TITLES[name], f"auc_{name}", (f"auc_low_{name}", f"auc_high_{name}")) for name in models]
    slope = [(page.model, TITLES[page.model], f"slope_{page.model}",
              (f"slope_low_{page.model}", f"slope_high_{page.model}"))]  # fmt: skip
    drawings = [_drawing(page, "AUC", auc, 0.5, None), _drawing(page, "Calibration slope (1 is best)", slope, 0.0, 1.0)]
    if "power" in page.table:
        power = [("espark", "above both parts", "above", None), ("cytopath", "with p < 0.05", "power", None)]
        drawings.append(_drawing(page, "Share of studies in which eSPARK beats its parts", power, 0.0, None))
    return drawings


def _drawing(
    page: PlanPage,
    title: str,
    series: Sequence[tuple[str, str, str, tuple[str, str] | None]],
    low: float,
    rule: float | None,
) -> Drawing:
    columns = [name for _, _, value, band in series for name in (value, *(band or ()))]
    high = 1.0 if low == 0.5 or rule is None else float(np.ceil(page.table[columns].to_numpy().max() * 2) / 2)
    least, most = float(page.table["n"].min()), float(page.table["n"].max())

    def x(n: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 8) * float(np.log(n / least) / np.log(most / least))

    def y(value: float) -> float:
        share = (np.clip(value, low, high) - low) / (high - low)
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * float(share)

    def path(column: str) -> list[str]:
        return [f"{x(n):.1f} {y(value):.1f}" for n, value in zip(page.table["n"], page.table[column], strict=True)]

    curves = [
        Curve(
            name, shown, "M" + "L".join(path(value)),
            "M" + "L".join([*path(band[0]), *reversed(path(band[1]))]) + "Z" if band else "",
            tuple((x(n), y(at)) for n, at in zip(page.curves["n"], page.curves[value], strict=True)),
        )
        for name, shown, value, band in series
    ]  # fmt: skip
    ticks = [tick for tick in _TICKS if least <= tick <= most]
    up = [low + (high - low) * part / 5 for part in range(6)]
    return Drawing(
        title,
        tuple(curves),
        tuple((str(tick), x(tick)) for tick in ticks),
        tuple((f"{value:.1f}", y(value)) for value in up),
        x(page.patients),
        None if rule is None else y(rule),
    )
