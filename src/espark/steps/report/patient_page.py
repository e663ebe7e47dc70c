"""Fills in the report of one patient, whether of a study or new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from espark.bundle.bundle import Bundle
from espark.cells import CELL_GROUPS
from espark.ct.features.feature_words import CLASS_TITLES, CLASS_WORDS
from espark.ct.regions.plausibility import describe_region
from espark.explain.ct_groups import ALL, feature_groups, feature_table, group_sums
from espark.outcome import Outcome
from espark.plots.slides.cell_types import cell_name
from espark.report.patient_content import (
    CellTypeRow,
    CtEffect,
    CtPage,
    PatientReport,
    Position,
    RegionRow,
)
from espark.report.slide_words import SlideFacts, answer_findings, slide_findings
from espark.steps.evaluate.validation import modality_rows
from espark.steps.explain.patient_explanation import PatientExplanation
from espark.steps.report.biomarker_cards import biomarker_cards
from espark.steps.report.case import Case
from espark.steps.report.pictures import (
    attribution_picture,
    cell_type_picture,
    ct_picture,
    position_picture,
)
from espark.steps.report.slide_notes import slide_facts
from espark.steps.report.slide_page import slide_page
from espark.training.ensemble import Prediction
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.types import REGIONS, SCALES, DoubleArray

_WHY_MISSING = {
    "peritumoral": "there was no ring around the tumor",
    "image": "the CT model computed no number from the image",
}
_NOT_KNOWN = "no region of the {} was given, or found with enough certainty"


def patient_report(bundle: Bundle, case: Case) -> PatientReport:
    """Everything that the patient's page says."""
    card, prediction = bundle.card, case.prediction
    facts = _slide_facts(bundle, case)
    point = OperatingPoint.from_dict(card.operating_points[prediction.modality])
    return PatientReport(
        patient_id=case.patient_id,
        model_title=card.title,
        disease=card.disease,
        outcome=card.outcome,
        trained_on=trained_on(bundle),
        simulated_model=card.training.simulated,
        simulated_patient=case.simulated,
        modality=prediction.modality,
        missing=missing_sentences(bundle, case.inputs),
        outside=case.applicable.doubts,
        unchecked=case.applicable.applies is None,
        probability=prediction.probability,
        probability_sd=prediction.probability_sd,
        n_models=len(prediction.members),
        members=prediction.members,
        threshold=point.threshold,
        prediction=prediction.prediction,
        conformal_set=prediction.conformal_set,
        coverage=point.sets.coverage,
        position=_position(bundle, prediction, point),
        ct=_ct_page(case, card.outcome),
        slides=tuple(slide_page(case, index, card.outcome) for index in range(len(case.features))),
        cell_types=_cell_type_rows(bundle, case.explanation),
        cell_type_picture=cell_type_picture(case.explanation.contributions, card.reference)
        if case.explanation.contributions
        else None,
        biomarkers=biomarker_cards(bundle, case.explanation.biomarkers, case.biomarker_sides),
        validation=case.validation,
        role=case.role,
        center=case.center,
        label=case.label,
        out_of_fold=case.fold is not None,
        quality=case.notes,
        provenance=case.provenance,
        index_href=None if case.role is None else "../index.html",
        voting=card.protocol.voting,
        clinical=_clinical_values(bundle, case.inputs),
        slide_findings=slide_findings(facts) if facts else (),
        slide_answer_findings=answer_findings(facts, card.outcome) if facts else (),
        withheld=case.withheld,
        record=case.record,
        modalities=modality_rows(card),
    )


def _slide_facts(bundle: Bundle, case: Case) -> SlideFacts | None:
    bag = case.inputs.bags[0]
    if case.evidence is None or bag is None:
        return None
    return slide_facts(case.evidence, bag, bundle.card.encoder, case.reference)


def trained_on(bundle: Bundle) -> str:
    """Whom the model was trained on, in one sentence."""
    training, name = bundle.card.training, bundle.card.outcome.name
    kind = "simulated patients" if training.simulated else "patients"
    noun = "center" if len(training.centers) == 1 else "centers"
    return (
        f"The model was trained on {training.n} {kind} ({training.n_positive} with {name}) of "
        f"{len(training.centers)} {noun} ({', '.join(training.centers)}) in the study “{training.study}”."
    )


def missing_sentences(bundle: Bundle, inputs: Inputs) -> tuple[str, ...]:
    """What the model would have looked at but was not there."""
    sentences = []
    modalities = MODELS[bundle.card.model].modalities
    if "ct" in modalities and not inputs.has_ct[0]:
        sentences.append("There was no CT: the answer rests on the slides alone.")
    elif "ct" in modalities:
        known = dict(zip(inputs.scales, inputs.known_scales[0], strict=True))
        for scale in SCALES:
            if scale in known and not known[scale]:
                reason = _WHY_MISSING.get(scale, _NOT_KNOWN.format(scale))
                sentences.append(
                    f"The {scale} scale was missing: {reason}, so its features entered the model as unknown."
                )
    if "slides" in modalities and not inputs.has_slides[0]:
        sentences.append("There was no slide: the answer rests on the CT alone.")
    return (*sentences, *_missing_clinical(bundle, inputs))


def _clinical_values(bundle: Bundle, inputs: Inputs) -> tuple[tuple[str, str], ...]:
    if not bundle.card.clinical:
        return ()
    return tuple(
        (card.column().title, f"{value:g} {card.unit}".strip() if isinstance(value, float) else value)
        for card, value in zip(bundle.card.clinical, inputs.clinical[0], strict=True)
        if value is not None
    )


def _missing_clinical(bundle: Bundle, inputs: Inputs) -> tuple[str, ...]:
    names = [card.column().title for card in bundle.card.clinical]
    if not names:
        return ()
    missing = [name for name, value in zip(names, inputs.clinical[0], strict=True) if value is None]
    if len(missing) == len(names):
        return ("There were no clinical values: they entered the model as unknown.",)
    if missing:
        return (f"Some clinical values were missing and entered the model as unknown: {', '.join(missing)}.",)
    return ()


def _position(bundle: Bundle, prediction: Prediction, point: OperatingPoint) -> Position:
    reference, outcome = bundle.card.reference, bundle.card.outcome
    several = len(prediction.members) > 1
    interval = (min(prediction.members), max(prediction.members)) if several else None
    lower = np.mean(np.array(reference.probability) < prediction.probability) if reference.probability else 0.0
    return Position(
        picture=position_picture(reference, outcome, prediction.probability, interval, point.threshold),
        percentile=100 * float(lower),
        n=len(reference.labels),
        n_positive=sum(reference.labels),
    )


def _ct_page(case: Case, outcome: Outcome) -> CtPage | None:
    if case.ct is None or case.regions is None:
        return None
    rows = []
    for scale in SCALES:
        if scale == "image" or scale not in (*REGIONS, *case.inputs.scales):
            continue
        if scale not in case.regions.scales:
            rows.append(RegionRow(scale, None, None, "none" if scale == "peritumoral" else "not given or found"))
            continue
        description = describe_region(case.ct, case.regions.mask(scale))
        rows.append(RegionRow(scale, description.volume_ml, description.length_mm))
    attribution = case.explanation.ct_attribution
    values = None if attribution is None else attribution.mean(axis=0)
    return CtPage(
        planes=ct_picture(case.ct, case.regions),
        regions=tuple(rows),
        n_features=int(np.isfinite(case.inputs.radiomics[0]).sum()),
        attribution=None
        if values is None
        else attribution_picture(case.inputs.scales, case.inputs.feature_names, values, outcome),
        notes=tuple(map(str, case.ct.notes)),
        effects=() if attribution is None else tuple(_ct_effects(case.inputs, attribution)),
        voxel_maps=case.voxel_maps,
    )


def _ct_effects(inputs: Inputs, attribution: DoubleArray) -> Iterator[CtEffect]:
    """What each known scale added, and each feature class at it; ``attribution`` is (models, features)."""
    groups = [
        group for group in feature_groups(feature_table(inputs.scales, inputs.feature_names)) if group.image_type == ALL
    ]
    known = dict(zip(inputs.scales, inputs.known_scales[0], strict=True))
    for group, sums in zip(groups, group_sums(groups, attribution)[0].T, strict=True):
        if not known[group.scale]:
            continue
        whole = group.feature_class == ALL
        total = float(sums.mean())
        what = "all features" if whole else CLASS_TITLES[group.feature_class]
        yield CtEffect(
            f"{group.scale.capitalize()}: {what}",
            "" if whole else CLASS_WORDS[group.feature_class],
            int(group.members.sum()),
            total,
            int((np.sign(sums) == np.sign(total)).sum()),
            len(sums),
        )


def _cell_type_rows(bundle: Bundle, explanation: PatientExplanation) -> tuple[CellTypeRow, ...]:
    reference = bundle.card.reference.contribution
    return tuple(
        CellTypeRow(group, cell_name(key), explanation.contributions[key], _percentile(reference.get(key), value))
        for group, keys in CELL_GROUPS.items()
        for key in keys
        if (value := explanation.contributions.get(key)) is not None
    )


def _percentile(reference: Sequence[float] | None, value: float) -> float | None:
    if not reference:
        return None
    return 100 * float(np.mean(np.array(reference) < value))
