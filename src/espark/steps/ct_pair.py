"""The responder beside the non-responder: who they are, and the picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from espark.bundle import Bundle
from espark.ct.plausibility import describe_region
from espark.ct.preview import Plane, three_planes
from espark.ct.regions import load_regions
from espark.explain.attribution import CtAttributor
from espark.explain.ct_groups import feature_table
from espark.explain.ct_pair import Pair, SpeakingFeature, confident_pair, speaking_features
from espark.files import write_json
from espark.plots.ct_pair import PairedPatient, ct_pair_figure
from espark.plots.style import save_figure
from espark.steps.ct import read_patient_ct
from espark.steps.evaluation_tables import cohort_title
from espark.steps.predictions import read_predictions
from espark.steps.workspace import Workspace
from espark.training.inputs import Inputs

_FEATURES = 4
_TUMOR_MM = 100.0
_MARGIN_MM = 30.0


def choose_pair(workspace: Workspace, model: str, inputs: Inputs) -> Pair | None:
    """The pair that the rule names among the patients whose CT lies there with every scale known.

    Args:
        workspace: the opened study.
        model: the model that is explained.
        inputs: the patients with a CT.
    """
    eligible = [
        patient_id
        for patient_id, known in zip(inputs.patient_ids, inputs.known_scales, strict=True)
        if known.all() and workspace.cohort[patient_id].ct is not None and workspace.layout.regions(patient_id).exists()
    ]
    return confident_pair(read_predictions(workspace, model), eligible)


def draw_pair(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    folds: Mapping[str, int],
    pair: Pair,
    *,
    name: str = "ct-pair",
) -> None:
    """Draw a pair under ``figures/<name>``, and say in ``explain/<name>.json`` who they are and why.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        inputs: every used patient.
        folds: by development patient, the fold that did not see that patient.
        pair: whom to draw.
        name: of the figure.
    """
    predictions = read_predictions(workspace, bundle.card.model).set_index("patient_id")
    patients = []
    for patient_id in (pair.responder, pair.non_responder):
        one = inputs.subset([inputs.patient_ids.index(patient_id)])
        features = _features(bundle, one, folds.get(patient_id))
        row = predictions.loc[patient_id] if patient_id in predictions.index else None
        patients.append(PairedPatient(_title(patient_id, row), _planes(workspace, patient_id), features))
    save_figure(ct_pair_figure(patients), workspace.layout.figure(name))
    write_json(
        workspace.layout.explanation(f"{name}.json"),
        {"responder": pair.responder, "non_responder": pair.non_responder, "basis": pair.basis},
    )


def _title(patient_id: str, row: pd.Series | None) -> str:
    if row is None:
        return f"{patient_id}\nno prediction"
    truth = {1: "Responder (pCR)", 0: "Non-responder (no pCR)"}.get(
        -1 if pd.isna(row["pcr"]) else int(row["pcr"]), "Outcome not known"
    )
    sd = f" ± {row['probability_sd']:.2f} ({row['n_models']} models)" if row["n_models"] > 1 else ""
    return f"{truth}: {patient_id}, {cohort_title(str(row['cohort']))}\nprobability of pCR {row['probability']:.2f}{sd}"


def _features(bundle: Bundle, one: Inputs, fold: int | None) -> dict[str, list[SpeakingFeature]]:
    members = bundle.members if fold is None else bundle.members[fold : fold + 1]
    attributors = [CtAttributor(member) for member in members]
    values = np.mean([attributor.attribute(one).values for attributor in attributors], axis=0)
    standardized = np.mean([attributor.standardized(one) for attributor in attributors], axis=0)
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
    if patient.ct is None:
        return {}
    ct = read_patient_ct(patient.ct, patient.rtstruct, patient.ct_series)
    regions = load_regions(workspace.layout.regions(patient_id), ct)
    axial = three_planes(ct, regions, width_mm=_TUMOR_MM)[0]
    longest = max(describe_region(ct, regions.mask(scale)).length_mm for scale in regions.scales)
    sagittal = three_planes(ct, regions, width_mm=longest + _MARGIN_MM)[2]
    return {"Axial: tumor": axial, "Sagittal: esophagus": sagittal}
