"""The parts of the study report on cell types and biomarkers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from espark.cells import BIOMARKERS
from espark.plots.slides.cell_types import cell_name
from espark.report.study_content import MetricsTable
from espark.statistics.estimate import Estimate
from espark.steps.ablate.cell_ablation import NOTHING
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.evaluate.validation import interval_text
from espark.steps.explain.biomarker_cutoffs import SUMMARY
from espark.steps.explain.biomarker_tests import ALL
from espark.steps.report.biomarker_cards import ratio_text
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

Section = tuple[str, str, dict[str, str]]
"""Title, text, and the captions of its figures by name."""

_SMALL_P = 0.05


def cell_sections(workspace: Workspace) -> tuple[Section, ...]:
    """Sections on cell types, biomarkers and ablation; none for a study that was not explained."""
    if not workspace.layout.explanation("meta.csv").exists():
        return ()
    tests = stored_table(workspace.layout, workspace.layout.explanation("tests.csv"))
    name = workspace.outcome.name
    return (
        ("Cell types",
         "How much the tiles resemble each cell type, weighted by the attention of the model and given as a share of "
         f"the group, in patients with and without {name}. Mann–Whitney within each center, over all centers "
         "stratified by center (van Elteren); p adjusted by Benjamini and Hochberg's method over all cell types and "
         "biomarkers of a center. " + _findings(tests[~tests["quantity"].isin(BIOMARKERS)], name),
         {"cell-types": "Contribution of each cell type by center and outcome. Above: adjusted p; below: patients with "
          f"and without {name}",
          "cell-types-forest-major": "Major cell types: Cliff's delta with 95 % interval. Random effects: interval of "
          "Hartung and Knapp, not adjusted",
          "cell-types-forest-subtypes": "Immune and tumor subtypes: Cliff's delta with 95 % interval"}),
        ("Biomarkers of the tumor tissue",
         "NLR and differentiation are measured on the slides without any model; the tissue NLR is not the blood NLR. "
         + _findings(tests[tests["quantity"].isin(BIOMARKERS)], name),
         {"biomarkers": f"Biomarkers by center and outcome. Above: adjusted p; below: patients with and without {name}",
          "biomarkers-forest": "Cliff's delta with 95 % interval, within each center and over all",
          "biomarkers-cutoff": f"Odds ratio of {name} on the side of the cut-off where it is expected; the summary "
          "leaves out the development patients, who set the cut-off"}),
        ("What the model loses without a cell type",
         "The tiles of a cell type are those that pass its cut-off, even if they pass other cut-offs too. The change "
         "of AUC compares the same patients with and without these tiles, paired (DeLong), within center and role. "
         + _losses(workspace),
         {"cell-ablation": "Change of AUC without the tiles of each cell type, with 95 % interval"}),
    )  # fmt: skip


def _findings(tests: pd.DataFrame, outcome: str) -> str:
    """One sentence on the pooled comparison: what differs, and on how many patients."""
    pooled = tests[tests["center"] == ALL]
    clear = pooled[pooled["p_adjusted"] < _SMALL_P]
    n = int(pooled["n"].max()) if len(pooled) else 0
    if clear.empty:
        return f"Over all centers no quantity differs clearly (adjusted p ≥ {_SMALL_P:g}; n = {n})."
    parts = []
    for row in clear.sort_values("p_adjusted", kind="stable").itertuples():
        key = str(row.quantity)
        name = BIOMARKERS[key].title if key in BIOMARKERS else cell_name(key)
        way = "higher" if float(row.effect) > 0 else "lower"
        effect = interval_text(float(row.effect), float(row.ci_low), float(row.ci_high), signed=True)
        parts.append(f"{name} {way}, Cliff's delta {effect}")
    return f"Over all centers (n = {n}), patients with {outcome} differ from patients without: {'; '.join(parts)}."


def _losses(workspace: Workspace) -> str:
    """One sentence on the cell types that lower the pooled AUC when they are removed."""
    table = stored_table(workspace.layout, workspace.layout.explanation("ablation.csv"))
    pooled = table[(table["center"] == ALL) & (table["mode"] == "predict") & (table["cell_type"] != NOTHING)]
    if pooled.empty:
        return "Not available: the tiles of this model are not chosen by cell type."
    clear = pooled[pooled["ci_high"] < 0].sort_values("auc_change", kind="stable")
    if clear.empty:
        return "Over all centers no interval lies below 0."
    parts = [
        f"{cell_name(str(row.cell_type))} "
        f"{interval_text(float(row.auc_change), float(row.ci_low), float(row.ci_high), signed=True)}"
        for row in clear.itertuples()
    ]
    return f"Over all centers the AUC falls without: {'; '.join(parts)} (intervals are not adjusted)."


def cutoff_table(workspace: Workspace) -> Iterator[MetricsTable]:
    """The cut-offs of the biomarkers in every cohort; nothing for a study that was not explained."""
    path = workspace.layout.explanation("biomarker_cutoffs.csv")
    if not path.exists():
        return
    outcome = workspace.outcome
    table = outcome.neutral(stored_table(workspace.layout, path), path)
    rows = []
    for (key, cohort), part in table.groupby(["biomarker", "cohort"], sort=False):
        entry = BIOMARKERS[str(key)]
        cutoff = f"{entry.title} {'≤' if part['favorable'].iloc[0] == 'low' else '≥'} {part['cutoff'].iloc[0]:.2f}"
        found = {
            str(row["metric"]): Estimate(row["value"], row["ci_low"], row["ci_high"], row["method"], int(row["n"]))
            for row in part.to_dict("records")
        }
        title = "validation, random effects" if cohort == SUMMARY else cohort_title(str(cohort))
        names = ("sensitivity", "specificity", "positive_favorable", "positive_unfavorable")
        shares = (_with_n(found[name]) if name in found else "–" for name in names)
        rows.append((cutoff, title, *shares, ratio_text(found["odds_ratio"])))
    if rows:
        sides = (f"{outcome.heading} on this side", f"{outcome.heading} on the other side")
        yield MetricsTable(
            "Biomarkers at their cut-offs",
            "The cut-off has the highest Youden index among the development patients, on the side that was fixed "
            "in advance; development figures are cross-fitted. Shares with Wilson's 95 % interval and the number of "
            f"patients; odds ratio of {outcome.name} with Woolf's (* one half was added to each count because one is "
            "0), summary by DerSimonian–Laird with the interval of Hartung and Knapp.",
            ("Biomarker", "Cohort", "Sensitivity", "Specificity", *sides, "Odds ratio"),
            tuple(rows),
        )


def _with_n(estimate: Estimate) -> str:
    if not np.isfinite(estimate.value):
        return "not available"
    return f"{interval_text(estimate.value, estimate.ci_low, estimate.ci_high)}, n = {estimate.n}"
