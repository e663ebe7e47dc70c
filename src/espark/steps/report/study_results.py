"""Tables of the study report beyond the AUC of a model: calibration, answers, a missing modality."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from espark.bundle.card import BundleCard
from espark.report.study_content import MetricsTable
from espark.report.words import MODALITY_WORDS
from espark.steps.evaluate.evaluation_tables import cohort_title, evaluated_cohorts
from espark.steps.evaluate.validation import format_interval, modality_rows
from espark.training.members.catalogue import MODELS
from espark.workspace.opened import Workspace

_FURTHER = {
    "average_precision": "Average precision",
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
}


def further_tables(workspace: Workspace, card: BundleCard, metrics: pd.DataFrame) -> Iterator[MetricsTable]:
    """The tables that have rows.

    Args:
        workspace: the opened study.
        card: card of the model that the report is about.
        metrics: ``evaluation/metrics.csv`` with neutral names.
    """
    yield from _calibration_table(workspace, metrics)
    own = metrics[metrics["model"] == card.model]
    yield from _prevalence_table(workspace, card, own)
    yield from _sets_table(workspace, card, own)
    yield from _modality_table(card)


def _calibration_table(workspace: Workspace, metrics: pd.DataFrame) -> Iterator[MetricsTable]:
    rows, name = [], workspace.outcome.name
    for model in dict.fromkeys(metrics["model"]):
        for title, found in _by_cohort(workspace, metrics[metrics["model"] == model]):
            rows.append((MODELS[str(model)].title, title, *(_cell(found, name) for name in _FURTHER)))
    yield MetricsTable(
        "Calibration and further figures",
        f"Value and 95 % interval. Calibration intercept: 0 when {name} was as frequent as predicted, above 0 when it "
        "was more frequent. Slope: 1 when probabilities are as far apart as they should be, below 1 when they are too "
        f"extreme. Average precision: by chance, the share of patients with {name}; its interval is by bootstrap.",
        ("Model", f"Cohort ({name} of n)", *_FURTHER.values()),
        tuple(rows),
    )


def _prevalence_table(workspace: Workspace, card: BundleCard, metrics: pd.DataFrame) -> Iterator[MetricsTable]:
    prevalences = workspace.config.protocol.prevalences
    rows = tuple(
        (title, f"{prevalence:g}", _cell(found, f"ppv_at_{prevalence:g}"), _cell(found, f"npv_at_{prevalence:g}"))
        for title, found in _by_cohort(workspace, metrics)
        for prevalence in prevalences
        if f"ppv_at_{prevalence:g}" in found.index
    )
    if rows:
        yield MetricsTable(
            f"{card.title} where {card.outcome.name} is rarer or more frequent",
            "PPV and NPV at the prevalences set in study.toml, computed from the sensitivity and specificity of each "
            "cohort, with 95 % intervals (Mercaldo).",
            (f"Cohort ({card.outcome.name} of n)", "Prevalence", "PPV", "NPV"),
            rows,
        )


def _sets_table(workspace: Workspace, card: BundleCard, metrics: pd.DataFrame) -> Iterator[MetricsTable]:
    rows = tuple(
        (title, f"{card.protocol.coverage:g}", _cell(found, "conformal_coverage"), _cell(found, "conformal_single"))
        for title, found in _by_cohort(workspace, metrics)
        if "conformal_coverage" in found.index
    )
    if rows:
        yield MetricsTable(
            f"What {card.title} is sure of",
            "Coverage found: share of patients with their true outcome in the conformal set. One answer: share of "
            "patients with a single outcome in the set; the other patients are “not sure”. Wilson's 95 % interval.",
            (f"Cohort ({card.outcome.name} of n)", "Coverage asked for", "Coverage found", "One answer"),
            rows,
        )


def _modality_table(card: BundleCard) -> Iterator[MetricsTable]:
    rows = tuple(
        (MODALITY_WORDS[row.modality], f"{row.n_positive} of {row.n}", row.auc, row.change or "–")
        for row in modality_rows(card)
    )
    if rows:
        yield MetricsTable(
            f"What a missing modality costs {card.title}",
            "The same development patients, who have both CT and slides: answers from both, from CT alone and from "
            "slides alone, out of fold; 95 % intervals by DeLong's method for paired curves.",
            ("Looked at", f"{card.outcome.heading} of n", "AUC", "Change of the AUC"),
            rows,
        )


def _by_cohort(workspace: Workspace, metrics: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Title with numbers, and the rows by metric, of each cohort of one model."""
    for cohort in evaluated_cohorts(workspace):
        found = metrics[metrics["cohort"] == cohort].set_index("metric")
        if not found.empty:
            first = found.iloc[0]
            yield f"{cohort_title(cohort)} ({first['n_positive']} of {first['n']})", found


def _cell(found: pd.DataFrame, metric: str) -> str:
    row = found.loc[metric]
    if metric == "calibration_intercept":
        return format_interval(row, signed=True)
    text = format_interval(row)
    # A dash next to a minus sign is hard to read.
    return text.replace("–", " to ") if row["ci_low"] < 0 else text
