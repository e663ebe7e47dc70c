"""A patient with the outcome beside a patient without, or two patients named by the user: the choice and the figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields

import numpy as np
import pandas as pd

from espark.bundle.bundle import Bundle
from espark.ct.preview import Plane, three_planes
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import load_regions
from espark.errors import EsparkError, InputError, nearest, what_went_wrong
from espark.explain.attribution import CtAttributor
from espark.explain.ct_groups import feature_table
from espark.explain.ct_pair import Pair, SpeakingFeature, confident_pair, speaking_features
from espark.files import write_json
from espark.outcome import Outcome
from espark.plots.ct.ct_pair import PairedPatient, ct_pair_figure
from espark.plots.style import save_figure
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.prepare.patient_ct import read_patient_ct
from espark.steps.train.predictions import read_predictions
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.types import DoubleArray, Unseen
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus
from espark.workspace.stored import stored_content

RULE, NAMED = "ct-pair", "ct-pair-named"

_FEATURES = 4
_TUMOR_MM = 100.0
_MARGIN_MM = 30.0


def draw_pairs(workspace: Workspace, bundle: Bundle, inputs: Inputs, folds: Mapping[str, Unseen]) -> list[ItemStatus]:
    """Draw the pair chosen by the rule, and again the pair that the user named before.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        inputs: every used patient.
        folds: by development patient, the members that did not see that patient.

    Returns:
        Patients whose CT could not be drawn.
    """
    if "ct" not in MODELS[bundle.card.model].modalities or not inputs.has_ct.any():
        return []
    pairs = {RULE: choose_pair(workspace, bundle.card.model, inputs), NAMED: _named_before(workspace, inputs)}
    failed = []
    for name, pair in pairs.items():
        if pair is None:
            _forget(workspace, name)
        else:
            failed += draw_pair(workspace, bundle, inputs, folds, pair, name=name)
    return failed


def choose_pair(workspace: Workspace, model: str, inputs: Inputs) -> Pair | None:
    """The pair chosen by the rule among the patients with a CT file and every scale known.

    Args:
        workspace: the opened study.
        model: the model that is explained.
        inputs: every used patient.
    """
    known = {name for name, scales in zip(inputs.patient_ids, inputs.known_scales, strict=True) if scales.all()}
    eligible = known.intersection(patients_with_ct(workspace, inputs))
    return confident_pair(read_predictions(workspace, model), eligible, workspace.outcome)


def named_pair(workspace: Workspace, inputs: Inputs, first: str, second: str) -> Pair:
    """The pair that a user names.

    Args:
        workspace: the opened study.
        inputs: every used patient.
        first: the patient on the left.
        second: the patient on the right.

    Raises:
        CohortError: when one of them is not in the cohort.
        InputError: when one of them has no prepared CT, or both are the same.
    """
    for patient_id in (first, second):
        check_has_ct(workspace, inputs, patient_id)
    if first == second:
        raise InputError(f"patient '{first}' is named twice", expected="two different patients")
    return Pair(first, second, "named by the user")


def draw_pair(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    folds: Mapping[str, Unseen],
    pair: Pair,
    *,
    name: str,
) -> list[ItemStatus]:
    """Draw a pair as ``figures/<name>``, and write to ``explain/<name>.json`` who they are and why.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        inputs: every used patient.
        folds: by development patient, the members that did not see that patient.
        pair: the patients to draw.
        name: name of the figure.

    Returns:
        Patients whose CT could not be drawn; then there is no figure.
    """
    predictions = read_predictions(workspace, bundle.card.model).set_index("patient_id")
    patients, failed = [], []
    for patient_id in (pair.left, pair.right):
        one = inputs.subset([inputs.patient_ids.index(patient_id)])
        row = predictions.loc[patient_id] if patient_id in predictions.index else None
        try:
            planes = _planes(workspace, patient_id)
        except (EsparkError, OSError) as error:
            failed.append(ItemStatus(patient_id, name, "failed", 1, 0.0, what_went_wrong(error)))
            continue
        patients.append(
            PairedPatient(
                _title(patient_id, row, workspace.outcome), planes, _features(bundle, one, folds.get(patient_id))
            )
        )
    if failed:
        _forget(workspace, name)
        return failed
    save_figure(ct_pair_figure(patients, workspace.outcome), workspace.layout.figure(name))
    write_json(workspace.layout.explanation(f"{name}.json"), asdict(pair))
    return []


def patients_with_ct(workspace: Workspace, inputs: Inputs) -> list[str]:
    """Used patients with a CT that is in the cohort and prepared."""
    return [
        patient_id
        for patient_id, has_ct in zip(inputs.patient_ids, inputs.has_ct, strict=True)
        if has_ct
        and workspace.cohort[patient_id].files.ct is not None
        and workspace.layout.regions(patient_id).exists()
    ]


def check_has_ct(workspace: Workspace, inputs: Inputs, patient_id: str) -> None:
    """Check that a patient named by the user can be shown.

    Raises:
        CohortError: when the patient is not in the cohort; the message names the most similar id.
        InputError: when there is no prepared CT; the message names the most similar id with a prepared CT.
    """
    patient = workspace.cohort[patient_id]
    eligible = patients_with_ct(workspace, inputs)
    if patient_id not in eligible:
        guess = nearest(patient_id, eligible)
        raise InputError(
            f"patient '{patient_id}' has no CT"
            if patient.files.ct is None
            else f"the CT of '{patient_id}' is not prepared",
            where=workspace.layout.cohort,
            expected=f"one of {len(eligible)} patients with a prepared CT",
            action=f"The most similar id is '{guess}'." if guess else "See prepared/status.csv.",
        )


def _named_before(workspace: Workspace, inputs: Inputs) -> Pair | None:
    """The pair of an earlier request, if both patients can still be shown."""
    path = workspace.layout.explanation(f"{NAMED}.json")
    if not path.exists():
        return None
    try:
        content = stored_content(workspace.layout, path, *(part.name for part in fields(Pair)))
    except InputError:
        return None  # damaged; the user can ask for it again
    there = set(patients_with_ct(workspace, inputs))
    return Pair(**content) if {content["left"], content["right"]} <= there else None


def _forget(workspace: Workspace, name: str) -> None:
    """Delete a figure that is out of date."""
    figure = workspace.layout.figure(name)
    for path in (figure.with_name(f"{name}.svg"), figure.with_name(f"{name}.png")):
        path.unlink(missing_ok=True)
    workspace.layout.explanation(f"{name}.json").unlink(missing_ok=True)


def _title(patient_id: str, row: pd.Series | None, outcome: Outcome) -> str:
    if row is None:
        return f"{patient_id}\nno prediction"
    label = None if pd.isna(row["label"]) else int(row["label"])
    truth = "Outcome not known" if label is None else f"{'With' if label else 'Without'} {outcome.name}"
    sd = f" ± {row['probability_sd']:.2f} ({row['n_models']} models)" if pd.notna(row["probability_sd"]) else ""
    answer = f"probability of {outcome.name} {row['probability']:.2f}{sd}"
    return f"{truth}: {patient_id}, {cohort_title(str(row['cohort']))}\n{answer}"


def ct_evidence(bundle: Bundle, one: Inputs, fold: Unseen | None) -> tuple[DoubleArray, DoubleArray]:
    """What each CT feature of a patient adds to the log-odds, and its value in SD of the development patients.

    Args:
        bundle: the model.
        one: the patient.
        fold: the members that did not see a development patient; None for all members.

    Returns:
        (features,) each, mean over the models that answered.
    """
    members = bundle.asked(fold)
    attributors = [CtAttributor(member) for member in members]
    values = np.mean([attributor.attribute(one).values for attributor in attributors], axis=0)
    standardized = np.mean([attributor.standardized(one) for attributor in attributors], axis=0)
    return np.asarray(values), np.asarray(standardized)


def _features(bundle: Bundle, one: Inputs, fold: Unseen | None) -> dict[str, list[SpeakingFeature]]:
    values, standardized = ct_evidence(bundle, one, fold)
    table = feature_table(one.scales, one.feature_names)
    found: dict[str, list[SpeakingFeature]] = {}
    for scale in one.scales:
        inside = np.flatnonzero(table["scale"] == scale)
        names = [str(name) for name in table["feature"].iloc[inside]]
        found[scale] = speaking_features(names, values[inside], standardized[inside], top=_FEATURES)
    return found


def _planes(workspace: Workspace, patient_id: str) -> dict[str, Plane]:
    """An axial plane close around the tumor, and a sagittal one over the whole length of the esophagus."""
    patient = workspace.cohort[patient_id]
    if patient.files.ct is None:
        return {}
    ct = read_patient_ct(patient.files)
    regions = load_regions(workspace.layout.regions(patient_id), ct)
    axial = three_planes(ct, regions, width_mm=_TUMOR_MM)[0]
    longest = max(describe_region(ct, regions.mask(scale)).length_mm for scale in regions.scales)
    sagittal = three_planes(ct, regions, width_mm=longest + _MARGIN_MM)[2]
    middle, whole = regions.scales[0], "esophagus" if "esophagus" in regions.scales else regions.scales[0]
    return {f"Axial: {middle}": axial, f"Sagittal: {whole}": sagittal}
