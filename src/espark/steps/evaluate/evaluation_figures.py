"""Figures of the evaluation: the cohorts, and the performance of each model in each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from espark.bundle.folder import load_bundle
from espark.outcome import Outcome
from espark.plots.results.calibration import CalibrationInput, calibration_figure
from espark.plots.results.cohort_overview import clinical_heatmap_figure, cohort_overview_figure
from espark.plots.results.comparison import AucEntry, PairedPredictions, auc_comparison_figure, corrections_figure
from espark.plots.results.decision_curve import decision_curve_figure
from espark.plots.results.distributions import CohortPredictions, prediction_distribution_figure
from espark.plots.results.roc import RocInput, roc_figure, roc_panels_figure
from espark.plots.style import BLACK, MODEL_COLORS, save_figure
from espark.statistics.auc import auc
from espark.statistics.calibration import calibration_curve, calibration_intercept, calibration_slope
from espark.statistics.decisions.decision_curve import DecisionCurve
from espark.statistics.decisions.reclassification import reclassification
from espark.steps.evaluate.evaluation_tables import POOLED, Predictions, cohort_title, labelled
from espark.steps.train.predictions import operating_threshold
from espark.training.members.catalogue import MODELS
from espark.types import AnyArray
from espark.workspace.opened import Workspace

_PATIENTS_IN_A_GROUP = 10
_COLORS = {MODELS[name].title: MODEL_COLORS.get(name, BLACK) for name in MODELS}


def cohort_figures(workspace: Workspace) -> dict[str, Figure]:
    """The patients: ``cohort`` and, when clinical columns are declared, ``clinical``.

    Like the other functions here, it returns the figures by the names of their files.
    """
    outcome = workspace.outcome
    table = pd.DataFrame(
        {"center": patient.center, "role": patient.role, outcome.column: patient.label, **patient.clinical}
        for patient in workspace.cohort.used
    ).astype({outcome.column: float})
    figures = {"cohort": cohort_overview_figure(table, outcome)}
    if workspace.cohort.clinical:
        figures["clinical"] = clinical_heatmap_figure(table, workspace.cohort.clinical, outcome)
    return figures


def model_figures(workspace: Workspace, model: str, predictions: pd.DataFrame) -> dict[str, Figure]:
    """One model: ``roc-<model>``, ``distribution-<model>`` and ``calibration-<model>``."""
    title = MODELS[model].title
    curves, distributions, calibrations = [], [], []
    for cohort in workspace.cohort.cohort_names:
        rows = predictions[predictions["cohort"] == cohort]
        if rows.empty:
            continue
        name = cohort_title(cohort)
        labels = rows["label"].to_numpy(float, na_value=np.nan)
        distributions.append(CohortPredictions(name, labels, rows["probability"].to_numpy(float)))
        known = labelled(predictions, cohort)
        if len(known):
            labels, scores = _answers(known)
            curves.append(RocInput(name, labels, scores, auc(labels, scores)))
            calibrations.append(_calibration(name, labels, scores))
    threshold = operating_threshold(load_bundle(workspace.layout.model(model)))
    outcome = workspace.outcome
    return {
        f"roc-{model}": roc_figure(curves, outcome=outcome, title=title),
        f"distribution-{model}": prediction_distribution_figure(distributions, outcome=outcome, threshold=threshold),
        f"calibration-{model}": calibration_figure(calibrations, outcome=outcome, title=title),
    }


def comparison_figures(
    workspace: Workspace,
    predictions: Predictions,
    cohorts: Sequence[str],
    decisions: Mapping[tuple[str, str], DecisionCurve],
) -> dict[str, Figure]:
    """Models side by side: ``roc``, ``auc``, ``decision-<cohort>`` and ``corrections``."""
    figures: dict[str, Figure] = {}
    known = {cohort: _known(predictions, cohort) for cohort in cohorts}
    known = {cohort: answers for cohort, answers in known.items() if answers}
    panels, entries = {}, []
    for cohort, answers in known.items():
        curves = [
            RocInput(model, labels, scores, auc(labels, scores), _COLORS[model])
            for model, (labels, scores) in answers.items()
        ]
        panels[cohort_title(cohort)] = curves
        entries += [
            AucEntry(curve.label, cohort_title(cohort), curve.estimate, int(np.sum(curve.y))) for curve in curves
        ]
        net_benefit = {MODELS[model].title: curve for (model, place), curve in decisions.items() if place == cohort}
        figures[decision_name(cohort)] = decision_curve_figure(
            net_benefit, outcome=workspace.outcome, title=cohort_title(cohort), colors=_COLORS
        )
    figures["roc"] = roc_panels_figure(panels, outcome=workspace.outcome)
    figures["auc"] = auc_comparison_figure(entries, outcome=workspace.outcome, colors=_COLORS)
    if {"mscalect", "espark"} <= set(predictions):
        apart = [cohort for cohort in known if cohort != POOLED]
        figures["corrections"] = _corrections(predictions, apart, workspace.outcome)
    return figures


def save_figures(workspace: Workspace, draw: Callable[..., Mapping[str, Figure]], *arguments: Any) -> list[Path]:
    """Draw figures with one of the functions above, and save them.

    Returns:
        The files that were written.
    """
    figures = draw(*arguments)
    return [file for name, figure in figures.items() for file in save_figure(figure, workspace.layout.figure(name))]


def decision_name(cohort: str) -> str:
    """File name of a cohort's decision curves; the name of a center may contain any character."""
    return "decision-" + re.sub(r"[^\w.-]+", "_", cohort)


def _known(predictions: Predictions, cohort: str) -> dict[str, tuple[AnyArray, AnyArray]]:
    """Labels and probabilities by title of the model."""
    found = {MODELS[model].title: labelled(table, cohort) for model, table in predictions.items()}
    return {title: _answers(rows) for title, rows in found.items() if len(rows)}


def _answers(rows: pd.DataFrame) -> tuple[AnyArray, AnyArray]:
    return rows["label"].to_numpy(np.int64), rows["probability"].to_numpy(float)


def _calibration(name: str, labels: AnyArray, scores: AnyArray) -> CalibrationInput:
    groups = int(np.clip(len(labels) // _PATIENTS_IN_A_GROUP, 2, 10))
    curve = calibration_curve(labels, scores, n_groups=groups)
    return CalibrationInput(
        name, curve, scores, calibration_intercept(labels, scores), calibration_slope(labels, scores)
    )


def _corrections(predictions: Predictions, cohorts: Sequence[str], outcome: Outcome) -> Figure:
    """The decisions of MScaleCT that eSPARK corrects or worsens."""
    parts = {
        cohort_title(cohort): labelled(predictions["espark"], cohort).merge(
            predictions["mscalect"], on="patient_id", suffixes=("", "_ct")
        )
        for cohort in cohorts
    }
    parts = {title: rows for title, rows in parts.items() if len(rows)}
    moves = {title: reclassification(*_decisions(rows)) for title, rows in parts.items()}
    rows = pd.concat(parts.values())
    labels, before, now = _decisions(rows)
    pairs = PairedPredictions(
        labels, rows["probability_ct"].to_numpy(float), rows["probability"].to_numpy(float), before, now
    )
    return corrections_figure(pairs, moves, outcome=outcome)


def _decisions(rows: pd.DataFrame) -> tuple[AnyArray, AnyArray, AnyArray]:
    """Labels, decisions of MScaleCT, decisions of eSPARK."""
    labels, before, now = (rows[column].to_numpy(np.int64) for column in ("label", "prediction_ct", "prediction"))
    return labels, before, now
