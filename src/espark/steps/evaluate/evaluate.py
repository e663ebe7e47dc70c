"""Predictions to metrics, comparisons and figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from espark._version import __version__
from espark.errors import MissingStepError
from espark.files import digest, fingerprint, write_csv
from espark.statistics.decisions.decision_curve import DecisionCurve
from espark.steps.evaluate import evaluation_tables as tables
from espark.steps.evaluate.evaluation_figures import (
    cohort_figures,
    comparison_figures,
    model_figures,
    save_figures,
)
from espark.steps.evaluate.screening import screen_features, write_stability
from espark.steps.prepare.unchanged import check_unchanged
from espark.steps.train.predictions import read_predictions
from espark.steps.train.trained_data import check_trained_data
from espark.training.members.catalogue import MODELS
from espark.work.progress import Reporter
from espark.workspace.manifest import is_current, last_entry, recorded, written
from espark.workspace.opened import Workspace


def evaluate(workspace: Workspace, *, reporter: Reporter | None = None) -> None:
    """Write ``evaluation/`` and the figures of the predictions, for every trained model.

    Figures of development patients use cross-fitted, out-of-fold predictions; all others use the vote of all folds.

    Raises:
        MissingStepError: when no model was trained.
        FeatureError: when images or features changed after `prepare`.
        BundleError: when the models were trained on other data than the study has now.
    """
    reporter = reporter or Reporter()
    models = trained_models(workspace)
    check_unchanged(workspace)
    check_trained_data(workspace)
    key = evaluation_key(workspace, models)
    if is_current(workspace, "evaluate", key):
        return
    with recorded(workspace, "evaluate") as facts:
        predictions = {model: read_predictions(workspace, model) for model in models}
        cohorts = tables.evaluated_cohorts(workspace)
        curves = tables.decision_curves(predictions, cohorts)
        files = _write_tables(workspace, predictions, cohorts, curves)
        drawn = partial(partial, save_figures, workspace)
        drawings: list[Callable[[], list[Path]]] = [
            drawn(cohort_figures, workspace),
            partial(screen_features, workspace),
            partial(write_stability, workspace),
            drawn(comparison_figures, workspace, predictions, cohorts, curves),
            *(drawn(model_figures, workspace, model, predictions[model]) for model in models),
        ]
        with reporter.track("evaluate", len(drawings)) as advance:
            for draw in drawings:
                files += draw()
                advance()
        read = written(workspace, map(workspace.layout.predictions, models))
        facts.update(key=key, predictions=read, outputs=written(workspace, files))


def check_evaluated(workspace: Workspace) -> None:
    """Stop a step that would show an evaluation of other predictions.

    Raises:
        MissingStepError: when `evaluate` did not finish, or read other predictions than those of today.
    """
    entry = last_entry(workspace, "evaluate")
    state, then = entry.get("state", "done"), entry.get("predictions")
    now = written(workspace, map(workspace.layout.predictions, trained_models(workspace)))
    if state != "done" or (then is not None and then != now):
        found = f"`espark evaluate` did not finish ({state})" if state != "done" else "the predictions are newer"
        raise MissingStepError(
            f"the evaluation does not belong to the predictions: {found}",
            where=workspace.root,
            action=f"Run `espark evaluate {workspace.root}` again.",
        )


def evaluation_key(workspace: Workspace, models: Iterable[str]) -> str:
    """Hash of all inputs of the tables and figures."""
    layout = workspace.layout
    radiomics = [layout.radiomics] if layout.radiomics.exists() else []
    files = [*radiomics, layout.config, layout.cohort, *map(layout.predictions, models), *map(layout.model, models)]
    return digest([__version__, [fingerprint(file) for file in files]])


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


def _write_tables(
    workspace: Workspace,
    predictions: tables.Predictions,
    cohorts: tuple[str, ...],
    curves: Mapping[tuple[str, str], DecisionCurve],
) -> list[Path]:
    layout, named = workspace.layout, workspace.outcome.named
    metrics = tables.metric_rows(predictions, cohorts, workspace.config.protocol.prevalences)
    write_csv(layout.metrics, named(pd.DataFrame(metrics, columns=tables.METRIC_COLUMNS)))
    write_csv(layout.comparisons, tables.comparison_table(predictions, cohorts))
    moves = tables.reclassification_rows(predictions, cohorts)
    write_csv(layout.reclassification, named(pd.DataFrame(moves, columns=tables.RECLASSIFICATION_COLUMNS)))
    rows = tables.decision_rows(curves)
    write_csv(layout.decision_curves, pd.DataFrame(rows, columns=tables.DECISION_COLUMNS))
    subgroups = tables.subgroup_rows(workspace, predictions, cohorts)
    write_csv(layout.subgroups, named(pd.DataFrame(subgroups, columns=tables.SUBGROUP_COLUMNS)))
    return [layout.metrics, layout.comparisons, layout.reclassification, layout.decision_curves, layout.subgroups]
