"""Predictions to metrics, comparisons and figures."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd

from espark.bundle import load_bundle
from espark.errors import MissingStepError
from espark.files import write_csv
from espark.plots.distributions import CohortPredictions, prediction_distribution_figure
from espark.plots.roc import RocInput, roc_figure
from espark.plots.style import save_figure
from espark.registry import MODELS
from espark.statistics.auc import auc, paired_delong
from espark.statistics.metrics import evaluate_predictions
from espark.steps.manifest import recorded
from espark.steps.predictions import operating_threshold, read_predictions
from espark.steps.progress import Reporter
from espark.steps.workspace import Workspace

_METRIC_COLUMNS = ["model", "cohort", "n", "n_pcr", "metric", "value", "ci_low", "ci_high", "method"]
_COMPARISON_COLUMNS = ["model_a", "model_b", "cohort", "metric", "difference", "ci_low", "ci_high", "p_value", "test"]


def evaluate(workspace: Workspace, *, reporter: Reporter | None = None) -> None:
    """Write ``evaluation/`` and the figures of the predictions, for every trained model.

    Development figures rest on cross-fitted, out-of-fold predictions; the others on the vote of all folds.

    Raises:
        MissingStepError: when no model was trained.
    """
    reporter = reporter or Reporter()
    with recorded(workspace, "evaluate"):
        models = trained_models(workspace)
        predictions = {model: read_predictions(workspace, model) for model in models}
        rows = [row for model in models for row in _metric_rows(workspace, model, predictions[model])]
        write_csv(workspace.layout.metrics, pd.DataFrame(rows, columns=_METRIC_COLUMNS))
        differences = list(_comparison_rows(workspace, predictions))
        write_csv(workspace.layout.comparisons, pd.DataFrame(differences, columns=_COMPARISON_COLUMNS))
        with reporter.track("evaluate", len(models)) as advance:
            for model in models:
                _figures(workspace, model, predictions[model])
                advance()


def trained_models(workspace: Workspace) -> tuple[str, ...]:
    """Names of the models that have predictions.

    Raises:
        MissingStepError: when there are none.
    """
    models = tuple(name for name in MODELS if workspace.layout.predictions(name).exists())
    if not models:
        raise MissingStepError(
            "no model is trained", where=workspace.root, action=f"Run `espark train {workspace.root}` first."
        )
    return models


def labelled(predictions: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """The rows of a cohort whose outcome is known."""
    return predictions[(predictions["cohort"] == cohort) & predictions["pcr"].notna()]


def _metric_rows(workspace: Workspace, model: str, predictions: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    for cohort in workspace.cohort.cohort_names:
        rows = labelled(predictions, cohort)
        if rows.empty:
            continue
        labels = rows["pcr"].to_numpy(np.int64)
        decisions = rows["prediction"].to_numpy(np.int64)
        estimates = evaluate_predictions(labels, rows["probability"].to_numpy(float), decisions=decisions)
        for metric, estimate in estimates.items():
            values = (estimate.value, estimate.ci_low, estimate.ci_high)
            yield (model, cohort, len(labels), int(labels.sum()), metric, *values, estimate.method)


def _comparison_rows(workspace: Workspace, predictions: dict[str, pd.DataFrame]) -> Iterator[tuple[object, ...]]:
    for model_b, model_a in itertools.combinations(predictions, 2):
        for cohort in workspace.cohort.cohort_names:
            rows = labelled(predictions[model_a], cohort).merge(
                predictions[model_b], on="patient_id", suffixes=("_a", "_b")
            )
            if rows.empty:
                continue
            result = paired_delong(
                rows["pcr_a"].to_numpy(np.int64),
                rows["probability_a"].to_numpy(float),
                rows["probability_b"].to_numpy(float),
            )
            numbers = (result.difference, result.ci_low, result.ci_high, result.p_value)
            yield (model_a, model_b, cohort, "auc", *numbers, result.method)


def _figures(workspace: Workspace, model: str, predictions: pd.DataFrame) -> None:
    curves, distributions = [], []
    for cohort in workspace.cohort.cohort_names:
        rows = predictions[predictions["cohort"] == cohort]
        known = labelled(predictions, cohort)
        if rows.empty:
            continue
        name = cohort_title(cohort)
        probability = rows["probability"].to_numpy(float)
        distributions.append(CohortPredictions(name, rows["pcr"].to_numpy(float, na_value=np.nan), probability))
        if len(known):
            labels, scores = known["pcr"].to_numpy(np.int64), known["probability"].to_numpy(float)
            curves.append(RocInput(name, labels, scores, auc(labels, scores)))
    title = MODELS[model].title
    threshold = operating_threshold(load_bundle(workspace.layout.model(model)))
    save_figure(roc_figure(curves, title=title), workspace.layout.figure(f"roc-{model}"))
    figure = prediction_distribution_figure(distributions, threshold=threshold)
    save_figure(figure, workspace.layout.figure(f"distribution-{model}"))


def cohort_title(cohort: str) -> str:
    """Name of a cohort in running text."""
    known = {"development": "development (out of fold)", "internal_test": "internal test"}
    return known.get(cohort, f"external {cohort}")
