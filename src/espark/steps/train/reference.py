"""The development patients among whom a new patient is placed, kept in the bundle without their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from espark.bundle.card import EncoderCard
from espark.bundle.reference import ModalityReference, Reference
from espark.cells import BIOMARKERS, Side
from espark.explain.biomarkers import cross_fitted_sides
from espark.explain.cell_types import biomarkers, contributions, evidence, tile_statistics
from espark.training.cross_validation import CrossValidated
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import Member, looking_at_tiles
from espark.training.operating_point import cross_fit
from espark.types import FloatArray, IntArray, Modality
from espark.workspace.opened import Workspace
from espark.workspace.records import read_record


def evidence_statistics(inputs: Inputs) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and SD of the similarity over all development tiles, by cell type."""
    similarities = [bag.similarity for bag in inputs.bags if bag is not None and bag.similarity is not None]
    mean, sd = tile_statistics(similarities)
    return tuple(mean.tolist()), tuple(sd.tolist())


def patient_cell_types(
    similarity: FloatArray, attention: FloatArray, encoder: EncoderCard, counts: FloatArray | None
) -> tuple[dict[str, float], dict[str, float]]:
    """A patient's contributions by cell type, and the biomarkers."""
    found = evidence(similarity, encoder.evidence_mean, encoder.evidence_sd)
    return contributions(found, attention, encoder.cell_types), biomarkers(found, encoder.cell_types, counts)


def reference_patients(
    workspace: Workspace,
    validated: CrossValidated,
    members: Sequence[Member],
    encoder: EncoderCard | None,
    counts: Mapping[str, FloatArray],
) -> Reference:
    """Describe the development patients.

    Args:
        workspace: the opened study.
        validated: the model, trained on every fold.
        members: one a fold; attention comes from the member that did not see the patient.
        encoder: how the tiles were encoded; None for a model without slides.
        counts: by patient, the expected cell counts of all tiles, where the encoder counts.
    """
    development, fitted = validated.development, validated.cross_fitted
    labels = development.labels[validated.usable]
    order = np.lexsort((labels, fitted.probability))
    contribution: dict[str, list[float]] = {}
    scores: dict[str, list[float]] = {}
    inputs = development.inputs
    with_slides: list[int] = []
    for index, patient_id in enumerate(inputs.patient_ids):
        bag = inputs.bags[index]
        if encoder is None or bag is None or bag.similarity is None or not encoder.cell_types:
            continue
        if not bag.cells_reliable:
            continue
        asked = looking_at_tiles(members[number] for number in development.unseen[:, index])
        if not asked:
            continue
        with_slides.append(index)
        attention = np.mean([member.attention(bag) for member in asked], axis=0).astype(np.float32)
        shares, markers = patient_cell_types(bag.similarity, attention, encoder, counts.get(patient_id))
        for table, values in ((contribution, shares), (scores, markers)):
            for key, value in values.items():
                table.setdefault(key, []).append(value)
    places = np.array(with_slides, dtype=np.int64)
    outcomes, folds = development.labels[places], development.folds[places]
    adverse = workspace.outcome.adverse
    marked = {
        key: _with_outcomes(values, outcomes, folds, BIOMARKERS[key].expected_side(adverse=adverse))
        for key, values in scores.items()
    }
    return Reference(
        probability=tuple(fitted.probability[order].tolist()),
        labels=tuple(labels[order].tolist()),
        prediction=tuple(fitted.prediction[order].tolist()),
        conformal_set=tuple(fitted.sets[index] for index in order),
        by_modality=modality_references(validated),
        contribution={key: tuple(sorted(values)) for key, values in contribution.items()},
        biomarkers={key: values for key, (values, _, _) in marked.items()},
        biomarker_labels={key: known for key, (_, known, _) in marked.items()},
        biomarker_favorable={key: sides for key, (_, _, sides) in marked.items()},
        tumor_volume_ml=_tumor_volumes(workspace, inputs.patient_ids),
    )


def _with_outcomes(
    values: Sequence[float], labels: IntArray, folds: IntArray, favorable: Side
) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
    """Values in ascending order, with the label of each and its side at the cut-off that the other folds give."""
    scores = np.array(values, dtype=np.float64)
    sides = cross_fitted_sides(scores, labels, folds, favorable).astype(np.int64)
    order = np.lexsort((sides, labels, scores))
    return tuple(scores[order].tolist()), tuple(labels[order].tolist()), tuple(sides[order].tolist())


def modality_references(validated: CrossValidated) -> dict[Modality, ModalityReference]:
    """What a model of both modalities answers when one is taken away, on the development patients who have both.

    Empty for a model of one modality, and where too few patients have both to fit anything on the other folds.
    """
    if not MODELS[validated.model].fuses:
        return {}
    development = validated.development
    complete = np.flatnonzero(development.inputs.has_ct & development.inputs.has_slides)
    labels, folds = development.labels[complete], development.folds[complete]
    if any(len(np.unique(labels[folds != fold])) < 2 for fold in np.unique(folds)) or len(complete) == 0:
        return {}
    fitted = {
        modality: cross_fit(labels, raw[complete], folds, validated.protocol)
        for modality, raw in validated.out_of_fold.items()
    }
    order = np.lexsort((labels, fitted["both"].probability))
    return {
        modality: ModalityReference(
            probability=tuple(part.probability[order].tolist()),
            labels=tuple(labels[order].tolist()),
            conformal_set=tuple(part.sets[index] for index in order),
        )
        for modality, part in fitted.items()
    }


def _tumor_volumes(workspace: Workspace, patient_ids: Sequence[str]) -> tuple[float, ...]:
    records = (read_record(workspace.layout, patient_id, "ct") for patient_id in patient_ids)
    regions = (record.get("regions", {}) for record in records if record is not None)
    return tuple(sorted(float(part["tumor"]["volume_ml"]) for part in regions if "tumor" in part))
