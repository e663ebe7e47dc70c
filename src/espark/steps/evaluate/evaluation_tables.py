"""Rows of the tables under ``evaluation/``: every number with its patients and its interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from espark.outcome import NEGATIVE, POSITIVE
from espark.statistics.auc import auc, bootstrap_auc, detectable_auc_difference, paired_delong
from espark.statistics.classification import confusion, ppv_npv_at_prevalence
from espark.statistics.conformal import coverage_estimate
from espark.statistics.decisions.decision_curve import DecisionCurve, decision_curve
from espark.statistics.decisions.reclassification import integrated_discrimination, reclassification
from espark.statistics.estimate import Estimate
from espark.statistics.metrics import evaluate_predictions
from espark.statistics.multiplicity import holm
from espark.types import ClinicalColumn, IntArray
from espark.workspace.opened import Workspace

POOLED = "external_pooled"
"""Name of all external cohorts together, when there are several."""

Row = tuple[object, ...]
Predictions = Mapping[str, pd.DataFrame]

METRIC_COLUMNS = ["model", "cohort", "n", "n_positive", "metric", "value", "ci_low", "ci_high", "method"]
COMPARISON_COLUMNS = [
    "model_a", "model_b", "cohort", "metric", "difference", "ci_low", "ci_high", "p_value", "test", "p_adjusted",
    "detectable",
]  # fmt: skip
RECLASSIFICATION_COLUMNS = [
    "model_a", "model_b", "cohort", "n_positive", "n_negative", "positive_corrected", "positive_worsened",
    "negative_corrected", "negative_worsened", "nri", "ci_low", "ci_high", "p_value",
]  # fmt: skip
DECISION_COLUMNS = ["model", "cohort", "threshold", "net_benefit", "ci_low", "ci_high", "treat_all"]
SUBGROUP_COLUMNS = ["model", "cohort", "subgroup", "level", "n", "n_positive", "auc", "ci_low", "ci_high", "method"]

_LONGEST_SUBGROUPS = 8


def evaluated_cohorts(workspace: Workspace) -> tuple[str, ...]:
    """Names of the cohorts, and of all external cohorts together when there are several."""
    names = workspace.cohort.cohort_names
    external = {patient.cohort_name for patient in workspace.cohort.used if patient.role == "external"}
    return (*names, POOLED) if len(external) > 1 else names


def cohort_title(cohort: str) -> str:
    """Name of a cohort in running text."""
    known = {"development": "development (out of fold)", "internal_test": "internal test", POOLED: "external, pooled"}
    return known.get(cohort, f"external {cohort}")


def labelled(predictions: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """The rows of a cohort with a known outcome."""
    inside = predictions["role"] == "external" if cohort == POOLED else predictions["cohort"] == cohort
    return predictions[inside & predictions["label"].notna()]


def metric_rows(predictions: Predictions, cohorts: Sequence[str], prevalences: Sequence[float] = ()) -> Iterator[Row]:
    """Rows of ``metrics.csv``."""
    for model, cohort in itertools.product(predictions, cohorts):
        rows = labelled(predictions[model], cohort)
        if rows.empty:
            continue
        labels = rows["label"].to_numpy(np.int64)
        decisions = rows["prediction"].to_numpy(np.int64)
        probabilities = rows["probability"].to_numpy(float)
        estimates = evaluate_predictions(labels, probabilities, decisions=decisions)
        estimates |= {"auc_bootstrap": bootstrap_auc(labels, probabilities)}
        estimates |= set_estimates(labels, rows["conformal_set"].fillna("").astype(str))
        for prevalence in prevalences:
            values = ppv_npv_at_prevalence(confusion(labels, decisions), prevalence)
            estimates |= {
                f"{name}_at_{prevalence:g}": value for name, value in zip(("ppv", "npv"), values, strict=True)
            }
        for metric, estimate in estimates.items():
            yield (model, cohort, len(labels), int(labels.sum()), metric, *_numbers(estimate), estimate.method)


def set_estimates(labels: IntArray, sets: Iterable[str]) -> dict[str, Estimate]:
    """How often the conformal sets contained the true outcome, and how often they contained a single outcome.

    Args:
        labels: (patients,) 0 or 1.
        sets: the set of each patient, with neutral names.
    """
    inside = [set(labels_in_set.split(";")) - {""} for labels_in_set in sets]
    held = [(POSITIVE if label else NEGATIVE) in names for label, names in zip(labels, inside, strict=True)]
    return {
        "conformal_coverage": coverage_estimate(held),
        "conformal_single": coverage_estimate([len(names) == 1 for names in inside]),
    }


def comparison_table(predictions: Predictions, cohorts: Sequence[str]) -> pd.DataFrame:
    """``comparisons.csv``: differences in AUC by DeLong and integrated discrimination, model against model.

    ``p_adjusted`` is adjusted by Holm's method over the pairs of models of a cohort and metric; ``detectable`` is the
    difference in AUC that the cohort could have detected with 80 % power.
    """
    table = pd.DataFrame(_comparison_rows(predictions, cohorts), columns=COMPARISON_COLUMNS)
    if not table.empty:
        table["p_adjusted"] = table.groupby(["cohort", "metric"])["p_value"].transform(
            lambda p: holm(p.to_numpy(float))
        )
    return table


def _comparison_rows(predictions: Predictions, cohorts: Sequence[str]) -> Iterator[Row]:
    for model_a, model_b, cohort, rows in _pairs(predictions, cohorts):
        labels = rows["label_a"].to_numpy(np.int64)
        ours, theirs = rows["probability_a"].to_numpy(float), rows["probability_b"].to_numpy(float)
        area = paired_delong(labels, ours, theirs)
        numbers = (area.difference, area.ci_low, area.ci_high, area.p_value, area.method)
        detectable = detectable_auc_difference(labels, ours, theirs)
        yield (model_a, model_b, cohort, "auc", *numbers, np.nan, detectable)
        gain = integrated_discrimination(labels, theirs, ours)
        yield (model_a, model_b, cohort, "idi", *_numbers(gain.idi), gain.p_value, gain.idi.method, np.nan, np.nan)


def reclassification_rows(predictions: Predictions, cohorts: Sequence[str]) -> Iterator[Row]:
    """Rows of ``reclassification.csv``: the decisions of model B that model A corrects or worsens."""
    for model_a, model_b, cohort, rows in _pairs(predictions, cohorts):
        moves = reclassification(
            rows["label_a"].to_numpy(np.int64),
            rows["prediction_b"].to_numpy(np.int64),
            rows["prediction_a"].to_numpy(np.int64),
        )
        counts = (moves.events_up, moves.events_down, moves.nonevents_down, moves.nonevents_up)
        yield (
            model_a, model_b, cohort, moves.n_events, moves.n_nonevents, *counts, *_numbers(moves.nri), moves.p_value,
        )  # fmt: skip


def decision_curves(predictions: Predictions, cohorts: Sequence[str]) -> dict[tuple[str, str], DecisionCurve]:
    """The decision curve of each model in each cohort that has labelled patients, by (model, cohort)."""
    curves = {}
    for model, cohort in itertools.product(predictions, cohorts):
        rows = labelled(predictions[model], cohort)
        if len(rows):
            labels = rows["label"].to_numpy(np.int64)
            curves[model, cohort] = decision_curve(labels, rows["probability"].to_numpy(float))
    return curves


def decision_rows(curves: Mapping[tuple[str, str], DecisionCurve]) -> Iterator[Row]:
    """Rows of ``decision_curves.csv``."""
    for (model, cohort), curve in curves.items():
        columns = (curve.thresholds, curve.net_benefit, curve.ci_low, curve.ci_high, curve.treat_all)
        for numbers in zip(*columns, strict=True):
            yield (model, cohort, *map(float, numbers))


def subgroup_rows(workspace: Workspace, predictions: Predictions, cohorts: Sequence[str]) -> Iterator[Row]:
    """Rows of ``subgroups.csv``: the AUC by center and by every clinical column.

    A number is split at its median over the development patients. A category with many levels shows the most frequent
    ones.
    """
    levels = _levels(workspace)
    for model, cohort in itertools.product(predictions, cohorts):
        rows = labelled(predictions[model], cohort)
        for subgroup, of_patient in levels.items():
            belongs = rows["patient_id"].map(of_patient)
            if belongs.nunique() < 2:
                continue
            for level in belongs.value_counts().sort_index().nlargest(_LONGEST_SUBGROUPS).index.sort_values():
                part = rows[belongs == level]
                labels = part["label"].to_numpy(np.int64)
                estimate = auc(labels, part["probability"].to_numpy(float))
                counts = (len(part), int(labels.sum()))
                yield (model, cohort, subgroup, level, *counts, *_numbers(estimate), estimate.method)


def _levels(workspace: Workspace) -> dict[str, dict[str, str]]:
    """By subgroup, the level of each patient; a patient without a value has no level."""
    patients = workspace.cohort.used
    levels = {"center": {patient.patient_id: patient.center for patient in patients}}
    for column in workspace.cohort.clinical:
        values = {patient.patient_id: patient.clinical.get(column.name) for patient in patients}
        known = {patient_id: value for patient_id, value in values.items() if value is not None}
        if column.kind == "number":
            levels[column.name] = _halves(workspace, column, known)
        else:
            levels[column.name] = {patient_id: str(value) for patient_id, value in known.items()}
    return levels


def _halves(workspace: Workspace, column: ClinicalColumn, known: Mapping[str, float | str]) -> dict[str, str]:
    development = [
        float(known[patient.patient_id]) for patient in workspace.cohort.development if patient.patient_id in known
    ]
    if not development:
        return {}
    cut = float(np.median(development))
    unit = f" {column.unit}" if column.unit else ""
    return {
        patient_id: f"≤ {cut:g}{unit}" if float(value) <= cut else f"> {cut:g}{unit}"
        for patient_id, value in known.items()
    }


def _pairs(predictions: Predictions, cohorts: Sequence[str]) -> Iterator[tuple[str, str, str, pd.DataFrame]]:
    """Every later model compared with every earlier one, on the labelled patients of a cohort with answers of both."""
    for model_b, model_a in itertools.combinations(predictions, 2):
        for cohort in cohorts:
            rows = labelled(predictions[model_a], cohort).merge(
                predictions[model_b], on="patient_id", suffixes=("_a", "_b")
            )
            if not rows.empty:
                yield model_a, model_b, cohort, rows


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.ci_low, estimate.ci_high
