"""Models and features to attributions, heatmaps, cell types and biomarkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from espark.errors import MissingStepError
from espark.files import fingerprint, write_json
from espark.steps.evaluate.evaluate import trained_models
from espark.steps.explain.ct_pair import draw_pairs
from espark.steps.explain.explain_cells import explain_cells
from espark.steps.explain.explain_ct import explain_ct
from espark.steps.explain.explain_robustness import explain_robustness
from espark.steps.explain.explain_slides import explain_slides
from espark.steps.explain.patient_explanation import PatientExplanation, explain_patient
from espark.steps.prepare.prepared_inputs import load_inputs, load_slides
from espark.steps.train.splits import read_or_draw_splits
from espark.steps.train.trained_model import trained_model
from espark.types import Unseen
from espark.work.progress import Reporter
from espark.workspace.cohort import Patient
from espark.workspace.manifest import last_entry, recorded
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus


@dataclass(frozen=True)
class ExplainResult:
    """The result of `explain`.

    Attributes:
        model: the model that was explained.
        failed: pictures that could not be drawn.
    """

    model: str
    failed: tuple[ItemStatus, ...]


@dataclass(frozen=True)
class _Explained:
    """One patient, explained."""

    patient: Patient
    explanation: PatientExplanation


def explain(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> ExplainResult:
    """Write ``explain/`` for eSPARK, or for the model of one modality when the study has only that modality.

    A development patient is explained by the fold model that did not see that patient, other patients by all fold
    models.

    Args:
        workspace: the opened study.
        workers: processes side by side; the result does not depend on it.
        reporter: reports the progress.

    Raises:
        MissingStepError: when no model was trained.
        BundleError: when the model was trained on features that differ from those of the study now.
    """
    reporter = reporter or Reporter()
    model = explained_model(workspace)
    study = load_inputs(workspace)
    bundle, inputs = trained_model(workspace, model, study), study.inputs
    with recorded(workspace, "explain", workers=workers) as facts:
        folds = patient_folds(workspace)
        explained: list[_Explained] = []
        with reporter.track("explain", len(inputs)) as advance:
            for index, patient in enumerate(workspace.cohort.used):
                slides = load_slides(workspace, patient)
                one = inputs.subset([index])
                fold = folds.get(patient.patient_id)
                explained.append(_Explained(patient, explain_patient(bundle, one, slides, fold=fold, ct=False)))
                advance()
        found = {entry.patient.patient_id: entry.explanation for entry in explained}
        explain_cells(workspace, bundle, inputs, found, folds, reporter)
        checks: dict[str, Any] = {"model": model, "patients": len(explained)}
        checks |= explain_ct(workspace, bundle, inputs, folds, reporter)
        held, failed = explain_robustness(workspace, bundle, inputs, folds, workers=workers, reporter=reporter)
        write_json(workspace.layout.explanation("checks.json"), checks | held)
        failed += draw_pairs(workspace, bundle, inputs, folds)
        failed += explain_slides(workspace, bundle, inputs, folds, workers=workers, reporter=reporter)
        facts.update(model=model, failed=len(failed), bundle=fingerprint(workspace.layout.model(model)))
    return ExplainResult(model, tuple(failed))


def check_explained(workspace: Workspace) -> None:
    """Stop a step that would show explanations of another model than that of today.

    Raises:
        MissingStepError: when `explain` did not finish, or explained another model.
    """
    entry, model = last_entry(workspace, "explain"), explained_model(workspace)
    state, then = entry.get("state", "done"), entry.get("bundle")
    if state != "done" or (then is not None and then != fingerprint(workspace.layout.model(model))):
        found = f"`espark explain` did not finish ({state})" if state != "done" else "the model is newer"
        raise MissingStepError(
            f"the explanations do not belong to the model: {found}",
            where=workspace.root,
            action=f"Run `espark explain {workspace.root}` again.",
        )


def explained_model(workspace: Workspace) -> str:
    """The model with the most inputs, which the catalogue lists last: eSPARK if it was trained."""
    return trained_models(workspace)[-1]


def patient_folds(workspace: Workspace) -> dict[str, Unseen]:
    """By development patient, the members that did not see that patient, that of the first split first."""
    splits = read_or_draw_splits(workspace)
    first = workspace.config.protocol.folds * np.arange(len(splits))[:, None]
    patients = zip(workspace.cohort.development, (splits + first).T, strict=True)
    return {patient.patient_id: tuple(own.tolist()) for patient, own in patients}
