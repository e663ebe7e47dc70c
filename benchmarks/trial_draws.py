"""Shared by the benchmarks over fresh label draws of the virtual trial: a study for each draw, and its output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binom, t

from espark.files import write_csv, write_text
from espark.workspace.config import StudyConfig, read_config
from espark.workspace.recipes import RECIPES
from espark.workspace.template import config_template

_FILES = ("ct", "slides", "esophagus_mask", "tumor_mask")
_SECTIONS = ("study", "ct", "slides", "protocol", "mscalect", "cytopath", "espark")


class Report:
    """Lines that were printed, as they go into the JSON too."""

    def __init__(self) -> None:
        self.lines: list[dict[str, str]] = []

    def say(self, what: str, value: str, holds: bool | None = None) -> None:
        """Print a figure, with its verdict where something was wanted."""
        verdict = "" if holds is None else "PASS" if holds else "FALLS SHORT"
        print(f"{what:<86} {value:<46} {verdict}", flush=True)
        self.lines.append({"what": what, "value": value, "verdict": verdict})


def mean_and_half(values: Sequence[float] | np.ndarray | pd.Series) -> tuple[float, float]:
    """Mean over draws and half the width of its 95 % interval (Student's t)."""
    found = np.asarray(values, float)
    count = len(found)
    half = t.ppf(0.975, count - 1) * found.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return float(found.mean()), float(half)


def null_bounds(draws: int, alpha: float = 0.05) -> tuple[int, int]:
    """99 % of the binomial: how many of the draws may find something where there is nothing."""
    low, high = (int(binom.ppf(q, draws, alpha)) for q in (0.005, 0.995))
    return low, high


def labelled(table: pd.DataFrame, labels: pd.DataFrame, draw: int) -> pd.DataFrame:
    """The table with ``pcr`` of one draw; ``labels`` as ``redraw_labels`` gives them."""
    drawn = labels.set_index("patient_id")[f"pcr_{draw}"]
    return table.assign(pcr=drawn.reindex(table["patient_id"]).to_numpy())


def cohort_of(trial: Path) -> pd.DataFrame:
    """The cohort of a trial as text, with paths that hold in any folder."""
    cohort = pd.read_csv(trial / "cohort.csv", dtype=str, keep_default_na=False)
    for column in cohort.columns.intersection(_FILES):
        cohort[column] = [str((trial / name).resolve()) if name else "" for name in cohort[column]]
    return cohort


def study_of(trial: Path, labels: pd.DataFrame, draw: int, folder: Path, recipe: str = "published") -> Path:
    """A study with the labels of one draw, beside the images and prepared artefacts of the trial.

    Args:
        trial: the simulated, prepared trial.
        labels: fresh labels.
        draw: which of them.
        folder: where the study is written; what was trained there before stays.
        recipe: key of ``RECIPES``.

    Raises:
        SystemExit: when the folder belongs to another trial.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(folder / "cohort.csv", labelled(cohort_of(trial), labels, draw))
    write_text(folder / "study.toml", settings_of(read_config(trial / "study.toml"), recipe))
    prepared, link = (trial / "prepared").resolve(), folder / "prepared"
    if not link.exists():
        link.symlink_to(prepared)
    if link.resolve() != prepared:
        raise SystemExit(f"{folder} belongs to {link.resolve().parent}; name another folder with --work")
    return folder


def settings_of(config: StudyConfig, recipe: str) -> str:
    """The settings of the trial with the models of a recipe. What another recipe had set is as published again."""
    values = {name: dict(getattr(config, name)) for name in _SECTIONS}
    for entry in RECIPES.values():
        for section, keys in entry.values.items():
            for key in keys:
                values[section].pop(key, None)
    return config_template(config.study, config.clinical_columns, values, recipe)
