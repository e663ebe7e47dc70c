"""Tables of the study report beyond the models' performance: subgroups, and the checks of the explanations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from espark.report.study_content import MetricsTable
from espark.steps.evaluate.evaluation_tables import POOLED, cohort_title
from espark.steps.evaluate.validation import format_interval, interval_text
from espark.training.members.catalogue import MODELS
from espark.types import column_title
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_content, stored_table

_ENTRY = {"title", "n", "value", "ci_low", "ci_high", "sentence"}


def subgroup_table(workspace: Workspace, model: str) -> Iterator[MetricsTable]:
    """AUC of a model by center and clinical column; nothing for a study without subgroups.

    The table shows the development patients and all external patients together. When no external cohorts were pooled,
    it shows every cohort.

    Args:
        workspace: the opened study.
        model: the model that is shown.
    """
    path = workspace.layout.subgroups
    if not path.exists():
        return
    texts = {"subgroup": str, "level": str}
    table = stored_table(workspace.layout, path, dtype=texts, keep_default_na=False, na_values=[""])
    table = workspace.outcome.neutral(table, path)
    table = table[table["model"] == model]
    cohorts = list(dict.fromkeys(table["cohort"]))
    if POOLED in cohorts:
        cohorts = [cohort for cohort in ("development", POOLED) if cohort in cohorts]
    shown = table[table["cohort"].isin(cohorts)]
    # The levels of a column stay together, even when only a later cohort has one of them.
    order = {name: place for place, name in enumerate(dict.fromkeys(shown["subgroup"]))}
    shown = shown.sort_values("subgroup", key=lambda names: names.map(order), kind="stable")
    rows = []
    for (subgroup, level), part in shown.groupby(["subgroup", "level"], sort=False):
        found = {str(row["cohort"]): row for _, row in part.rename(columns={"auc": "value"}).iterrows()}
        cells = (cell for cohort in cohorts for cell in _subgroup_cells(found.get(cohort)))
        rows.append((column_title(str(subgroup)), str(level), *cells))
    if rows:
        counts = f"{workspace.outcome.heading} of n"
        heads = (head for cohort in cohorts for head in (f"{counts}, {cohort_title(cohort)}", "AUC"))
        yield MetricsTable(
            f"{MODELS[model].title} by subgroup",
            "AUC with its 95 % interval (DeLong); numbers are split at the median of the development patients. "
            "The groups are small and the intervals are not adjusted for their number: do not read a difference "
            "between two groups as a finding. Not available: all patients of the group had the same outcome.",
            ("Subgroup", "Level", *heads),
            tuple(rows),
        )


def _subgroup_cells(row: pd.Series | None) -> tuple[str, str]:
    return ("–", "–") if row is None else (f"{row['n_positive']} of {row['n']}", format_interval(row))


def checks_table(workspace: Workspace) -> Iterator[MetricsTable]:
    """The checks of the explanations themselves; nothing for a study that was not explained."""
    path = workspace.layout.explanation("checks.json")
    entries = stored_content(workspace.layout, path).values() if path.exists() else ()
    rows = tuple(
        (str(entry["title"]), str(entry["n"]), _entry_number(entry), _sentence(entry))
        for entry in entries
        if isinstance(entry, dict) and entry.keys() >= _ENTRY
    )
    if rows:
        yield MetricsTable(
            "Checks of the explanations",
            "Whether the explanations describe the model correctly, measured on the patients of this study: value and "
            "95 % interval (shares by Wilson, means by t).",
            ("Check", "Patients", "Value", "What it means"),
            rows,
        )


def _entry_number(entry: Mapping[str, Any]) -> str:
    numbers = [math.nan if entry[name] is None else float(entry[name]) for name in ("value", "ci_low", "ci_high")]
    return interval_text(*numbers)


def _sentence(entry: Mapping[str, Any]) -> str:
    return str(entry["sentence"]) if entry["n"] else "No patient could be used for this check."
