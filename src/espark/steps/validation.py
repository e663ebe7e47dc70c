"""What a model has been worth so far, formatted for people."""

from __future__ import annotations

import math

import pandas as pd

from espark.bundle import BundleCard
from espark.report.content import ValidationRow
from espark.statistics.metrics import evaluate_predictions
from espark.steps.evaluation_tables import cohort_title
from espark.steps.workspace import Workspace

_SHOWN = ("auc", "sensitivity", "specificity", "ppv", "npv")


def validation_rows(workspace: Workspace, model: str) -> tuple[ValidationRow, ...]:
    """What a model has been worth in each cohort of the study."""
    metrics = pd.read_csv(workspace.layout.metrics)
    rows = []
    for cohort in workspace.cohort.cohort_names:
        found = metrics[(metrics["model"] == model) & (metrics["cohort"] == cohort)].set_index("metric")
        if not found.empty:
            first = found.iloc[0]
            values = [format_interval(found.loc[name]) for name in _SHOWN]
            rows.append(ValidationRow(cohort_title(cohort), int(first["n"]), int(first["n_pcr"]), *values))
    return tuple(rows)


def bundle_validation(card: BundleCard) -> tuple[ValidationRow, ...]:
    """What a bundle itself knows: its development patients, out of fold."""
    reference = card.reference
    if not reference.pcr:
        return ()
    metrics = evaluate_predictions(reference.pcr, reference.probability, decisions=reference.prediction)
    values = [interval_text(metrics[name].value, metrics[name].ci_low, metrics[name].ci_high) for name in _SHOWN]
    return (ValidationRow(cohort_title("development"), len(reference.pcr), sum(reference.pcr), *values),)


def format_interval(row: pd.Series, *, signed: bool = False) -> str:
    """A row of a table with ``value``, ``ci_low`` and ``ci_high``, as text."""
    return interval_text(float(row["value"]), float(row["ci_low"]), float(row["ci_high"]), signed=signed)


def interval_text(value: float, low: float, high: float, *, signed: bool = False) -> str:
    """A value with its interval.

    Example:
        >>> interval_text(0.751, 0.6, 0.9)
        '0.75 (0.60–0.90)'
    """
    if not math.isfinite(value):
        return "not available"
    middle, least, most = (f"{number:{'+' if signed else ''}.2f}".replace("-", "−") for number in (value, low, high))
    if not math.isfinite(low):
        return middle
    between = " to " if signed else "–"
    return f"{middle} ({least}{between}{most})"
