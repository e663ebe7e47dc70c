"""What the benchmarks of the embedded networks share: a figure with n, interval and verdict; printing and JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

from espark.pathology.encoders.mini import SHIPPED, WEIGHTS_FILE

RESAMPLES = 400
_ROUNDING = 1e-9

Statistic = Callable[[np.ndarray, np.ndarray], float]
"""From two columns of the same rows to a number."""


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        task: what was measured.
        score: by what.
        value: the figure.
        low: lower end of its 95 % interval; None where there is none.
        high: upper end.
        n: on how many.
        unit: of what: tiles, patients ….
        positive: how many of them were positive, for an AUC.
        wanted: the least value that passes; None where nothing was asked.
    """

    task: str
    score: str
    value: float
    n: int
    unit: str
    low: float | None = None
    high: float | None = None
    positive: int | None = None
    wanted: float | None = None

    @property
    def verdict(self) -> str:
        if self.wanted is None:
            return ""
        return "PASS" if self.value >= self.wanted - _ROUNDING else "FALLS SHORT"


def auc(score: np.ndarray, positive: np.ndarray) -> float:
    n = positive.sum()
    if n in (0, len(positive)):
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(spearmanr(one, other).statistic)


def with_interval(
    figure: Figure, statistic: Statistic, one: np.ndarray, other: np.ndarray, group: np.ndarray
) -> Figure:
    """Add the value of a statistic of two columns, and its 95 % percentile interval over resampled groups.

    Without a row the value is NaN.
    """
    if not len(group):
        return replace(figure, value=float("nan"))
    members = [np.flatnonzero(group == name) for name in np.unique(group)]
    rng = np.random.default_rng(0)
    values = [
        statistic(one[rows], other[rows])
        for _ in range(RESAMPLES)
        for rows in [np.concatenate([members[index] for index in rng.integers(0, len(members), len(members))])]
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return replace(figure, value=statistic(one, other), low=float(low), high=float(high))


def show(figures: Sequence[Figure]) -> None:
    """Print a table."""
    task = None
    for figure in figures:
        if figure.task != task:
            task = figure.task
            print(f"\n{task}")
        interval = "" if figure.low is None else f"[{figure.low:.3f}, {figure.high:.3f}]"
        positive = "" if figure.positive is None else f", {figure.positive} positive"
        verdict = f"{figure.verdict} (≥ {figure.wanted:.3f})" if figure.wanted is not None else ""
        print(f"  {figure.score:<32} {figure.value:8.3f} {interval:<17} {figure.n} {figure.unit}{positive}  {verdict}")
    judged = [figure.verdict for figure in figures if figure.verdict]
    if judged:
        print(f"\n{judged.count('PASS')} of {len(judged)} criteria PASS, {judged.count('FALLS SHORT')} FALL SHORT")


def write(path: Path | None, command: str, weights: Path | None, figures: Sequence[Figure]) -> None:
    """Write figures as JSON, with the command and the weights they belong to; nothing when ``path`` is None.

    ``weights`` is the file, or the folder of an encoder's; None for the embedded encoder.
    """
    if path is None:
        return
    file = weights if weights is not None and weights.is_file() else (weights or SHIPPED) / WEIGHTS_FILE
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    rows = [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
    path.write_text(json.dumps({"command": command, "weights_sha256": digest, "figures": rows}, indent=1) + "\n")
