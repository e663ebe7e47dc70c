"""Figures of cell types and biomarkers, drawn from the tables under ``explain/``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from espark.cells import BIOMARKERS, CELL_GROUPS
from espark.outcome import Outcome
from espark.plots.results.ablation import ArmAuc, arms_figure
from espark.plots.results.group_differences import group_difference_figure
from espark.plots.slides.cell_types import ForestRow, cell_name, effects_forest_figure
from espark.plots.style import save_figure
from espark.statistics.estimate import Estimate
from espark.steps.ablate.cell_ablation import NOTHING
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.explain.biomarker_cutoffs import SUMMARY
from espark.steps.explain.biomarker_tests import ALL, quantities
from espark.wording import percent
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

MODES = {"predict": "tiles taken away at prediction", "retrain": "trained again without them"}
_OF_AN_OUTCOME = ("cell_types", "biomarkers", "biomarker_cutoffs")


def cell_figures(workspace: Workspace) -> None:
    """Draw ``cell-types…``, ``biomarkers…`` and ``cell-ablation``, if there are data for them."""
    layout = workspace.layout
    tables = {name: stored_table(layout, layout.explanation(f"{name}.csv")) for name in ("tests", "meta", "ablation")}
    for name in _OF_AN_OUTCOME:
        path = layout.explanation(f"{name}.csv")
        tables[name] = workspace.outcome.neutral(stored_table(layout, path), path)
    for name, figure in _figures(tables, workspace.outcome).items():
        save_figure(figure, layout.figure(name))


def _figures(tables: Mapping[str, pd.DataFrame], outcome: Outcome) -> dict[str, Figure]:
    tests = tables["tests"]
    p_values = {(str(row.center), str(row.quantity)): float(row.p_adjusted) for row in tests.itertuples()}
    values = quantities(tables["cell_types"], tables["biomarkers"])
    found: dict[str, Figure] = {}
    keys = [key for group in CELL_GROUPS.values() for key in group]
    if len(tables["cell_types"]):
        titles = {key: re.sub("[- ]differentiated", " diff.", cell_name(key)) for key in keys}
        found["cell-types"] = group_difference_figure(
            values, p_values, outcome=outcome, titles=titles, axis_name="Contribution"
        )
        for name, groups in (("major", ("major",)), ("subtypes", ("immune", "tumor"))):
            shown = [key for group in groups for key in CELL_GROUPS[group]]
            rows = [row for key in shown for row in _center_rows(tests, tables["meta"], key, cell_name(key))]
            found[f"cell-types-forest-{name}"] = _forest(rows, outcome)
    if len(tables["biomarkers"]):
        titles = {key: entry.title for key, entry in BIOMARKERS.items()}
        found["biomarkers"] = group_difference_figure(
            values, p_values, outcome=outcome, titles=titles, axis_name="Ratio", log=True
        )
        rows = [row for key, title in titles.items() for row in _center_rows(tests, tables["meta"], key, title)]
        found["biomarkers-forest"] = _forest(rows, outcome)
    if len(tables["biomarker_cutoffs"]):
        found["biomarkers-cutoff"] = _cutoff_forest(tables["biomarker_cutoffs"], outcome)
    if len(tables["ablation"]):
        found["cell-ablation"] = ablation_figure(tables["ablation"], tables["biomarkers"])
    return found


def _forest(rows: Sequence[ForestRow], outcome: Outcome) -> Figure:
    directions = (f"← lower with {outcome.name}", f"higher with {outcome.name} →")
    return effects_forest_figure(rows, effect_name="Cliff's delta", directions=directions, p_name="adjusted p")


def _center_rows(tests: pd.DataFrame, meta: pd.DataFrame, key: str, title: str) -> Iterator[ForestRow]:
    """Every center, all centers stratified, and the random-effects summary without its p, which is not adjusted."""
    part = tests[tests["quantity"] == key]
    [joined] = meta[meta["quantity"] == key].itertuples()
    heading = title
    if joined.centers > 1:
        heading += f"   (between centers: I² = {percent(joined.i2)}, p = {joined.p_heterogeneity:.2f})"
    for row in part.itertuples():
        pooled = row.center == ALL
        name = "all, stratified" if pooled else str(row.center)
        numbers = (int(row.n), float(row.effect), float(row.ci_low), float(row.ci_high), float(row.p_adjusted))
        yield ForestRow(heading, name, *numbers, pooled=pooled)
    numbers = (int(joined.n), float(joined.effect), float(joined.ci_low), float(joined.ci_high), math.nan)
    if joined.centers > 1:
        yield ForestRow(heading, "all, random effects", *numbers, pooled=True)


def _cutoff_forest(table: pd.DataFrame, outcome: Outcome) -> Figure:
    rows = []
    for row in table[table["metric"] == "odds_ratio"].itertuples():
        entry = BIOMARKERS[str(row.biomarker)]
        sign = "≤" if row.favorable == "low" else "≥"
        summary = row.cohort == SUMMARY
        cohort = "validation, random effects" if summary else _short_title(str(row.cohort))
        heading = f"{entry.title} {sign} {row.cutoff:.2f} (cut-off from development)"
        numbers = (int(row.n), float(row.value), float(row.ci_low), float(row.ci_high), math.nan)
        rows.append(ForestRow(heading, cohort, *numbers, pooled=summary))
    return effects_forest_figure(
        rows,
        effect_name=f"Odds ratio of {outcome.name}",
        no_effect=1.0,
        directions=(f"← less {outcome.name}", f"more {outcome.name} →"),
        p_name="",
        log=True,
    )


def _short_title(cohort: str) -> str:
    return "development, cross-fitted" if cohort == "development" else cohort_title(cohort)


def ablation_figure(table: pd.DataFrame, biomarkers: pd.DataFrame) -> Figure:
    """Change of AUC without each cell type, by center and mode.

    Args:
        table: ``ablation.csv``.
        biomarkers: ``biomarkers.csv`` with neutral names, for the number of patients with a known outcome and slides.
    """
    counts = biomarkers.dropna(subset=["label"])["center"].astype(str).value_counts()
    entries = []
    for row in table[table["cell_type"] != NOTHING].itertuples():
        center = str(row.center)
        n = int(counts.sum() if center == ALL else counts.get(center, 0))
        words = "paired DeLong" if np.isfinite(row.auc_change) else "not available: one class only"
        estimate = Estimate(float(row.auc_change), float(row.ci_low), float(row.ci_high), words, n)
        title = "All centers, stratified" if center == ALL else f"Center {center}"
        entries.append(ArmAuc(cell_name(str(row.cell_type)), title, MODES[str(row.mode)], estimate))
    return arms_figure(entries, quantity="Change of AUC", no_effect=0.0)
