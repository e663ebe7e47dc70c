"""The performance of a model, formatted for people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import pandas as pd

from espark import wording
from espark.bundle.card import BundleCard
from espark.report.patient_content import ANSWER_KINDS, AnswerRecord, ModalityRow, ValidationRow, answer_kind
from espark.statistics.auc import auc, paired_delong
from espark.statistics.metrics import evaluate_predictions
from espark.steps.evaluate.evaluation_tables import POOLED, cohort_title
from espark.steps.train.predictions import read_predictions
from espark.training.members.catalogue import MODELS
from espark.types import Modality
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_table

_SHOWN = ("auc", "sensitivity", "specificity", "ppv", "npv")


def read_metrics(workspace: Workspace) -> pd.DataFrame:
    """``evaluation/metrics.csv``, with neutral names.

    Raises:
        InputError: when it was written for a different outcome.
    """
    return workspace.outcome.neutral(stored_table(workspace.layout, workspace.layout.metrics), workspace.layout.metrics)


def validation_rows(workspace: Workspace, model: str) -> tuple[ValidationRow, ...]:
    """The performance of a model in each cohort of the study."""
    metrics = read_metrics(workspace)
    rows = []
    for cohort in workspace.cohort.cohort_names:
        found = metrics[(metrics["model"] == model) & (metrics["cohort"] == cohort)].set_index("metric")
        if not found.empty:
            first = found.iloc[0]
            values = [
                _shown(name, found.loc[name, "value"], found.loc[name, "ci_low"], found.loc[name, "ci_high"])
                for name in _SHOWN
            ]
            rows.append(ValidationRow(cohort_title(cohort), int(first["n"]), int(first["n_positive"]), *values))
    return tuple(rows)


def bundle_validation(card: BundleCard) -> tuple[ValidationRow, ...]:
    """The performance that a bundle itself contains: its development patients, out of fold."""
    reference = card.reference
    if not reference.labels:
        return ()
    metrics = evaluate_predictions(reference.labels, reference.probability, decisions=reference.prediction)
    values = [_shown(name, metrics[name].value, metrics[name].ci_low, metrics[name].ci_high) for name in _SHOWN]
    return (ValidationRow(cohort_title("development"), len(reference.labels), sum(reference.labels), *values),)


def development_record(card: BundleCard, modality: Modality) -> tuple[AnswerRecord, ...]:
    """How often each answer from ``modality`` was right in the development patients, out of fold; empty when not known.

    Source: only the reference patients of the bundle.
    """
    parts = card.reference.by_modality
    whole = modality == MODELS[card.model].answers_from[0]
    reference = parts.get(modality) if parts else card.reference if whole else None
    if reference is None or not reference.conformal_set:
        return ()
    return (_record(cohort_title("development"), reference.conformal_set, reference.labels),)


def study_record(workspace: Workspace, model: str, card: BundleCard, modality: Modality) -> tuple[AnswerRecord, ...]:
    """How often each answer from ``modality`` was right in every cohort of the study; external cohorts count as one.

    A cohort is left out when no patient with a known outcome got an answer from this modality.
    """
    table = read_predictions(workspace, model)
    table = table[(table["modality"] == modality) & table["label"].notna()]
    records = list(development_record(card, modality))
    external = {patient.cohort_name for patient in workspace.cohort.used if patient.role == "external"}
    for role, title in (
        ("internal_test", cohort_title("internal_test")),
        ("external", cohort_title(POOLED if len(external) > 1 else next(iter(external), ""))),
    ):
        rows = table[table["role"] == role]
        if not rows.empty:
            records.append(_record(title, rows["conformal_set"].fillna("").astype(str), rows["label"].astype(int)))
    return tuple(records)


def _record(cohort: str, sets: Iterable[str], labels: Iterable[int]) -> AnswerRecord:
    found = Counter((answer_kind(name), int(label)) for name, label in zip(sets, labels, strict=True))
    counts = {kind: (found[kind, 0] + found[kind, 1], found[kind, 1]) for kind in ANSWER_KINDS}
    return AnswerRecord(cohort, counts)


def modality_rows(card: BundleCard) -> tuple[ModalityRow, ...]:
    """The performance with CT and slides and with either alone, on the same development patients.

    AUC and its change by DeLong's method for paired curves, out of fold.
    """
    parts = card.reference.by_modality
    if not parts:
        return ()
    whole = parts["both"]
    rows = []
    for modality, part in parts.items():
        area = auc(part.labels, part.probability)
        lost = paired_delong(part.labels, part.probability, whole.probability)
        rows.append(
            ModalityRow(
                modality,
                len(part.labels),
                sum(part.labels),
                interval_text(area.value, area.ci_low, area.ci_high),
                None if part is whole else interval_text(lost.difference, lost.ci_low, lost.ci_high, signed=True),
            )
        )
    return tuple(rows)


def _shown(metric: str, value: float, low: float, high: float) -> str:
    """A metric as a patient's page shows it: shares of patients in percent, as everywhere on that page."""
    if metric == "auc" or not math.isfinite(value):
        return interval_text(value, low, high)
    middle = wording.percent(value)
    return f"{middle} ({100 * low:.0f}–{100 * high:.0f})" if math.isfinite(low) else middle


def format_interval(row: pd.Series, *, signed: bool = False) -> str:
    """A row of a table with ``value``, ``ci_low`` and ``ci_high``, as text."""
    return interval_text(float(row["value"]), float(row["ci_low"]), float(row["ci_high"]), signed=signed)


def interval_text(value: float, low: float, high: float, *, signed: bool = False) -> str:
    """A value with its interval.

    Example:
        >>> interval_text(0.751, 0.6, 0.9)
        '0.75 (0.60–0.90)'
        >>> interval_text(0.1, -0.1, 0.3)
        '0.10 (−0.10 to 0.30)'
    """
    if not math.isfinite(value):
        return "not available"
    middle, least, most = map(wording.signed if signed else wording.number, (value, low, high))
    if not math.isfinite(low):
        return middle
    # A dash next to a minus sign is hard to read.
    between = " to " if signed or low < 0 else "–"
    return f"{middle} ({least}{between}{most})"
