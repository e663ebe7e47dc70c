"""Fills in the report of one patient, whether of a study or new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from espark.bundle.bundle import Bundle
from espark.cells import CELL_GROUPS
from espark.ct.features.feature_words import CLASS_TITLES, CLASS_WORDS
from espark.ct.regions.plausibility import describe_region
from espark.explain.ct_groups import ALL, feature_groups, feature_table, group_sums
from espark.explain.focus import is_even
from espark.outcome import Outcome
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import Slide, open_slide
from espark.plots.slides.cell_types import cell_name
from espark.plots.style import figure_png
from espark.report.patient_content import (
    CellTypeRow,
    CtEffect,
    CtPage,
    PatientReport,
    Position,
    RegionRow,
    SlidePage,
)
from espark.report.picture import Picture
from espark.report.slide_words import SlideFacts, answer_findings, slide_findings
from espark.steps.evaluate.validation import modality_rows
from espark.steps.explain.patient_explanation import PatientExplanation
from espark.steps.explain.slide_clusters import titles_on
from espark.steps.explain.slide_pictures import attribution_figure, regions_figure, regions_of
from espark.steps.prepare.slide_quality import quality_figure
from espark.steps.report.biomarker_cards import biomarker_cards
from espark.steps.report.case import Case
from espark.steps.report.pictures import (
    attribution_picture,
    cell_type_picture,
    ct_picture,
    gallery_picture,
    heatmap_figure,
    photograph,
    position_picture,
)
from espark.steps.report.slide_notes import slide_facts
from espark.training.ensemble import Prediction
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.types import REGIONS, SCALES, DoubleArray, FloatArray

_WHY_MISSING = {
    "peritumoral": "there was no ring around the tumor",
    "image": "the CT model did not compute a number from the image",
}
_NOT_KNOWN = "no region of the {} was given, or found with enough certainty"


def patient_report(bundle: Bundle, case: Case) -> PatientReport:
    """The content of the patient's page."""
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
        slides=tuple(_slide_page(case, index, card.outcome) for index in range(len(case.features))),
        cell_types=cell_type_rows(bundle, case.explanation),
        cell_type_picture=cell_type_picture(case.explanation.contributions, card.reference)
        if case.explanation.contributions
        else None,
        biomarkers=biomarker_cards(bundle, case.explanation.biomarkers, case.biomarker_sides),
        unreliable_cells=case.explanation.unreliable,
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
        robustness=case.robustness,
    )


def _slide_facts(bundle: Bundle, case: Case) -> SlideFacts | None:
    bag = case.inputs.bags[0]
    if case.evidence is None or bag is None:
        return None
    return slide_facts(case.evidence, bag, bundle.card.encoder, case.reference)


def trained_on(bundle: Bundle) -> str:
    """The patients on whom the model was trained, in one sentence."""
    training, name = bundle.card.training, bundle.card.outcome.name
    kind = "simulated patients" if training.simulated else "patients"
    noun = "center" if len(training.centers) == 1 else "centers"
    return (
        f"The model was trained on {training.n} {kind} ({training.n_positive} with {name}) of "
        f"{len(training.centers)} {noun} ({', '.join(training.centers)}) in the study “{training.study}”."
    )


def missing_sentences(bundle: Bundle, inputs: Inputs) -> tuple[str, ...]:
    """Sentences on inputs that the model uses but this patient does not have."""
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
        effects=() if attribution is None else tuple(ct_effects(case.inputs, attribution)),
        voxel_maps=case.voxel_maps,
    )


def ct_effects(inputs: Inputs, attribution: DoubleArray) -> Iterator[CtEffect]:
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


_UNEVEN = (
    "The slide without and with the attention of the model; bright tiles have the largest weight. Tiles without color "
    "did not enter the model."
)
_EVEN = (
    "The slide, and the tiles that entered the model. All of them count alike, so the color shows only that a tile "
    "entered."
)


_OVERVIEW = (
    "The slide, and the parts of it that are used. Tiles in color were left out, for the reason that the legend gives."
)


def _slide_page(case: Case, index: int, outcome: Outcome) -> SlidePage:
    """One of the patient's slides; when the answer is withheld, without anything that depends on the model."""
    return _of_image_alone(case, index) if case.withheld else _with_model(case, index, outcome)


def _of_image_alone(case: Case, index: int) -> SlidePage:
    features, name = case.features[index], case.slide_name(index)
    with open_slide(case.slides[index], mpp=case.slide_mpp) as slide:
        png = figure_png(quality_figure(slide, features))
        notes, mpp = _notes_and_mpp(slide, features)
    return SlidePage(
        name=name,
        heatmap=None,
        gallery=None,
        mpp=mpp,
        n_tiles=len(features),
        n_chosen=None,
        notes=notes,
        overview=photograph(png, alt=f"Overview of slide {name}, and the parts of it that are used", caption=_OVERVIEW),
    )


def _with_model(case: Case, index: int, outcome: Outcome) -> SlidePage:
    features, path, name = case.features[index], case.slides[index], case.slide_name(index)
    shown = case.explanation.attention
    attention: FloatArray = shown[index] if shown else np.zeros(len(features), np.float32)
    with open_slide(path, mpp=case.slide_mpp) as slide:
        drawn = case.heatmaps[index] if case.heatmaps else None
        png = drawn.read_bytes() if drawn else figure_png(heatmap_figure(slide, features, attention))
        even = is_even(attention)
        # When all tiles count alike, the first few are not a choice of the model.
        gallery = None if even else gallery_picture(slide, features, attention)
        attributed, regions = slide_evidence_pictures(case, index, slide, outcome)
        notes, mpp = _notes_and_mpp(slide, features)
    return SlidePage(
        name=name,
        heatmap=photograph(
            png,
            alt=f"Overview of slide {name}, without and with the attention heatmap",
            caption=_EVEN if even else _UNEVEN,
        ),
        gallery=gallery,
        mpp=mpp,
        n_tiles=len(features),
        n_chosen=int((attention > 0).sum()),
        notes=notes,
        attribution=attributed,
        regions=regions,
    )


def _notes_and_mpp(slide: Slide, features: SlideFeatures) -> tuple[tuple[str, ...], float]:
    return tuple(map(str, (*slide.notes, *features.notes))), features.slide_mpp or slide.mpp


def slide_evidence_pictures(
    case: Case, index: int, slide: Slide, outcome: Outcome
) -> tuple[Picture | None, Picture | None]:
    """The attributions of a slide, and its high-focus regions; read from files when `explain` drew them."""
    if case.evidence is None or not case.evidence.attributed:
        return None, None
    part, features = case.evidence.split(case.features)[index], case.features[index]
    titles = titles_on(case.reference.titles, cells_reliable=features.cells_reliable)
    drawn = case.maps[index] if case.maps else None
    chosen = regions_of(features, part)
    png = (
        drawn.read_bytes() if drawn else figure_png(attribution_figure(slide, features, part, titles, chosen, outcome))
    )
    attributed = photograph(
        png,
        alt=f"Slide {case.slide_name(index)} under the attributions of its tiles",
        caption=f"Blue tiles are in favor of {outcome.name}, red tiles against it, compared with the mean tile of the "
        "training patients; tiles without color did not enter the model. Squares: the regions below.",
    )
    if not chosen:
        return attributed, None
    drawn = case.region_pictures[index] if case.region_pictures else None
    png = drawn.read_bytes() if drawn else figure_png(regions_figure(slide, features, part, titles, chosen))
    regions = photograph(
        png,
        alt=f"The {len(chosen)} regions of slide {case.slide_name(index)} that moved the answer most",
        caption=f"Squares of 3 × 3 tiles with the largest sum of attributions, for or against {outcome.name}, as the "
        "model saw them.",
    )
    return attributed, regions


def cell_type_rows(bundle: Bundle, explanation: PatientExplanation) -> tuple[CellTypeRow, ...]:
    """What each cell type contributed, group by group."""
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
