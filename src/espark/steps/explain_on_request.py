"""Explanations that a user asks for by name, beside those of `espark explain`."""

from __future__ import annotations

from espark.bundle import load_bundle
from espark.steps.ct_pair import NAMED, draw_pair, named_pair
from espark.steps.explain import ExplainResult, explained_model, patient_folds
from espark.steps.inputs import load_inputs
from espark.steps.manifest import recorded
from espark.steps.workspace import Workspace


def explain_pair(workspace: Workspace, first: str, second: str) -> ExplainResult:
    """Draw two patients side by side, as ``figures/ct-pair-named``; `explain` draws them again from then on.

    The pair that the rule names stays as it is.

    Args:
        workspace: the opened study.
        first: the patient on the left.
        second: the patient on the right.

    Returns:
        Failed are patients whose CT could not be drawn.

    Raises:
        CohortError: when one of them is not in the cohort.
        InputError: when one of them has no prepared CT, or both are the same.
    """
    inputs = load_inputs(workspace).inputs
    pair = named_pair(workspace, inputs, first, second)
    with recorded(workspace, "explain-pair") as facts:
        model = explained_model(workspace)
        bundle = load_bundle(workspace.layout.model(model))
        failed = draw_pair(workspace, bundle, inputs, patient_folds(workspace), pair, name=NAMED)
        facts.update(model=model, patients=[first, second], failed=len(failed))
    return ExplainResult(model, tuple(failed))
