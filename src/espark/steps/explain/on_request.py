"""Explanations that a user asks for by name, beside those of `espark explain`."""

from __future__ import annotations

from espark.errors import EsparkError, InputError, what_went_wrong
from espark.steps.explain.ct_pair import NAMED, check_has_ct, draw_pair, named_pair
from espark.steps.explain.explain import ExplainResult, explained_model, patient_folds
from espark.steps.explain.voxel_maps import FEATURES, draw_voxel_maps
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.trained_model import trained_model
from espark.training.members.catalogue import MODELS
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus


def explain_pair(workspace: Workspace, first: str, second: str) -> ExplainResult:
    """Draw two patients side by side, as ``figures/ct-pair-named``; later runs of `explain` draw them again.

    The pair chosen by the rule does not change.

    Args:
        workspace: the opened study.
        first: the patient on the left.
        second: the patient on the right.

    Returns:
        ``failed`` lists the patients whose CT could not be drawn.

    Raises:
        CohortError: when one of them is not in the cohort.
        InputError: when one of them has no prepared CT, or both are the same.
    """
    study = load_inputs(workspace)
    inputs = study.inputs
    pair = named_pair(workspace, inputs, first, second)
    with recorded(workspace, "explain-pair") as facts:
        model = explained_model(workspace)
        bundle = trained_model(workspace, model, study)
        failed = draw_pair(workspace, bundle, inputs, patient_folds(workspace), pair, name=NAMED)
        facts.update(model=model, patients=[first, second], failed=len(failed))
    return ExplainResult(model, tuple(failed))


def explain_voxel_maps(workspace: Workspace, patient_id: str, *, features: int = FEATURES) -> ExplainResult:
    """Draw where a patient's most influential texture features are high, into ``explain/voxel-maps/<patient>/``.

    Args:
        workspace: the opened study.
        patient_id: the patient to draw.
        features: how many features, at most.

    Returns:
        ``failed`` holds the patient when the CT could not be read or nothing could be drawn.

    Raises:
        CohortError: when the patient is not in the cohort.
        InputError: when there is no prepared CT, or the model does not look at CT.
    """
    study = load_inputs(workspace)
    inputs = study.inputs
    check_has_ct(workspace, inputs, patient_id)
    model = explained_model(workspace)
    if "ct" not in MODELS[model].modalities:
        raise InputError(f"{MODELS[model].title} does not look at CT", where=workspace.root)
    failed: list[ItemStatus] = []
    with recorded(workspace, "explain-voxel-maps") as facts:
        bundle = trained_model(workspace, model, study)
        one = inputs.subset([inputs.patient_ids.index(patient_id)])
        fold = patient_folds(workspace).get(patient_id)
        try:
            draw_voxel_maps(workspace, bundle, one, fold, features=features)
        except (EsparkError, OSError) as error:
            said = what_went_wrong(error)
            failed.append(ItemStatus(patient_id, "voxel-maps", "failed", 1, 0.0, said))
        facts.update(model=model, patient=patient_id, features=features, failed=len(failed))
    return ExplainResult(model, tuple(failed))
