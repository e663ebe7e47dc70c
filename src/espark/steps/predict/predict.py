"""One new patient: ``prediction.json`` and ``report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from espark._version import __version__
from espark.bundle import Bundle, load_bundle
from espark.ct.features.radiomics import RadiomicsResult, RadiomicsSettings
from espark.ct.hounsfield import CtVolume
from espark.ct.models.look import look_at_image
from espark.ct.regions.plausibility import RegionDescription, describe_region
from espark.ct.regions.regions import Regions
from espark.ct.segmentation.load import load_segmenter
from espark.errors import BundleError, InputError, InputProblems
from espark.files import fingerprint, write_bytes, write_json, write_text
from espark.pathology.cytology import Cytology
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import open_slide
from espark.report.patient import render_patient
from espark.report.pdf import check_pdf, render_pdf
from espark.steps.evaluate.validation import bundle_validation, development_record
from espark.steps.explain.patient_explanation import PatientExplanation, explain_patient
from espark.steps.explain.slide_evidence import slide_evidence
from espark.steps.predict.predict_manifest import write_predict_manifest
from espark.steps.prepare.measure import measure_regions
from espark.steps.prepare.patient_ct import has_regions, read_ct_and_regions
from espark.steps.prepare.prepared_inputs import bag_of
from espark.steps.prepare.slide_quality import left_out, quality_sentence
from espark.steps.prepare.slide_tools import bundle_tools
from espark.steps.report.applicability_in_words import applicability
from espark.steps.report.patient_page import Case, missing_sentences, patient_report
from espark.training.ensemble import Prediction
from espark.training.inputs import ClinicalValue, Inputs
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.training.plugins import check_plugins
from espark.types import FloatArray, Scale
from espark.wording import UNNAMED
from espark.work.progress import Reporter
from espark.workspace.cohort import read_clinical
from espark.workspace.manifest import now


@dataclass(frozen=True)
class NewPatient:
    """The files of a new patient.

    Attributes:
        ct: DICOM folder or volume file.
        slides: whole-slide images.
        esophagus_mask: mask file of the esophagus.
        tumor_mask: mask file of the tumor.
        rtstruct: RTSTRUCT file that holds the contours instead.
        tumor_roi: name or number of the tumor, in its mask file where there is one, else in the RTSTRUCT.
        esophagus_roi: the same of the esophagus.
        slide_mpp: micrometres per pixel of slides that do not say it themselves.
        segmenter: finds the regions where none is given.
        segmenter_weights: folder of its weights; None for its usual ones.
        patient_id: what the report calls the patient.
        encoder_path: folder of the tile encoder, where the model uses another than the embedded one.
        clinical: clinical values as text, by name of the column, for a model that looks at them.
        ct_series: DICOM series to read where the CT's folder holds several: its UID, number or description.
    """

    ct: Path | None = None
    slides: tuple[Path, ...] = ()
    esophagus_mask: Path | None = None
    tumor_mask: Path | None = None
    rtstruct: Path | None = None
    tumor_roi: str | None = None
    esophagus_roi: str | None = None
    slide_mpp: float | None = None
    patient_id: str = UNNAMED
    segmenter: str = "espark-mini-seg"
    segmenter_weights: Path | None = None
    encoder_path: Path | None = None
    clinical: Mapping[str, str] = field(default_factory=dict)
    ct_series: str | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Every file or folder that was given, by the name of its option."""
        named = {
            "--ct": self.ct,
            "--esophagus-mask": self.esophagus_mask,
            "--tumor-mask": self.tumor_mask,
            "--rtstruct": self.rtstruct,
            "--segmenter-weights": self.segmenter_weights,
        }
        given = {option: path for option, path in named.items() if path is not None}
        numbers = [""] if len(self.slides) == 1 else [f" ({number})" for number in range(1, len(self.slides) + 1)]
        return given | {f"--slide{number}": path for number, path in zip(numbers, self.slides, strict=True)}


@dataclass(frozen=True)
class _Images:
    """What was read from the files."""

    ct: CtVolume | None = None
    regions: Regions | None = None
    descriptions: dict[Scale, RegionDescription] = field(default_factory=dict)
    radiomics: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    features: tuple[SlideFeatures, ...] = ()
    slides_simulated: bool = True
    segmenter: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def simulated(self) -> bool:
        """Whether every image says that it is simulated."""
        return (self.ct is None or self.ct.simulated) and self.slides_simulated


def predict(
    model: Path,
    patient: NewPatient,
    out: Path,
    *,
    show_withheld: bool = False,
    pdf: bool = False,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> Prediction:
    """Predict one new patient and write ``prediction.json`` and ``report.html`` to ``out``.

    Args:
        model: folder of a trained model.
        patient: the files; CT, slides or clinical values may be absent.
        out: folder of the files; made when missing.
        show_withheld: print the probability even where the model does not apply to the patient.
        pdf: write ``report.pdf`` too.
        workers: processes that share the radiomics; the answer does not depend on their number.
        reporter: says how far the work is.

    Raises:
        InputProblems: with every file and every clinical value that cannot be used.
        BundleError: when the model cannot be read, or cannot look at what was given.
        ReportError: when a PDF is wanted and nothing here can make it.
    """
    reporter = reporter or Reporter()
    if pdf:
        check_pdf()
    _check_given(patient)
    started = now()
    bundle = load_bundle(model)
    clinical = _read_clinical(bundle, patient)
    images = _read(bundle, patient, workers, reporter)
    inputs = _inputs(bundle, patient, images, clinical)
    prediction = bundle.predict(inputs)[0]
    if prediction is None:
        wanted = " or ".join(MODELS[bundle.card.model].modalities)
        raise BundleError(f"{bundle.card.title} looks at {wanted}, and none was given", where=model)
    reporter.say("explaining the answer")
    explanation = explain_patient(bundle, inputs, images.features)
    applicable = applicability(bundle, inputs, tumor=images.descriptions.get("tumor"), simulated=images.simulated)
    case = Case(
        patient_id=patient.patient_id,
        inputs=inputs,
        prediction=prediction,
        explanation=explanation,
        applicable=applicable,
        simulated=images.simulated,
        ct=images.ct,
        regions=images.regions,
        slides=patient.slides,
        features=images.features,
        evidence=slide_evidence(bundle, inputs, fold=None),
        slide_mpp=patient.slide_mpp,
        validation=bundle_validation(bundle.card),
        quality=_quality(bundle, images, inputs, explanation),
        provenance=_provenance(bundle, model, patient),
        record=development_record(bundle.card, prediction.modality),
        show_withheld=show_withheld,
    )
    page = render_patient(patient_report(bundle, case))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.html", page)
    if pdf:
        write_bytes(out / "report.pdf", render_pdf(page))
    write_json(out / "prediction.json", _answer(bundle, patient, images, case))
    options = {"patient_id": patient.patient_id, "segmenter": patient.segmenter, "slide_mpp": patient.slide_mpp}
    write_predict_manifest(
        out,
        model,
        files=patient.files,
        clinical=patient.clinical,
        options={**options, "show_withheld": show_withheld, "pdf": pdf},
        started=started,
        reporter=reporter,
    )
    return prediction


def _check_given(patient: NewPatient) -> None:
    problems: list[InputError] = []
    if patient.ct is None and not patient.slides and not patient.clinical:
        problems.append(InputError("nothing to look at", expected="--ct, --slide or both"))
    problems += [
        InputError("there is no such file or folder", where=f"{option} {path}", action="Correct the path.")
        for option, path in patient.files.items()
        if not path.exists()
    ]
    masks = (patient.esophagus_mask, patient.tumor_mask, patient.rtstruct)
    if patient.ct is not None and not any(masks) and patient.segmenter == "masks":
        problems.append(
            InputError(
                "a CT without a region",
                where="--ct",
                expected="--tumor-mask, --esophagus-mask, or --rtstruct with --tumor-roi or --esophagus-roi",
                action="Outline the tumor, the esophagus or both, or name a segmenter.",
            )
        )
    if patient.ct is None and any(masks):
        problems.append(InputError("a region without a CT", expected="--ct"))
    if problems:
        raise InputProblems(problems)


def _read(bundle: Bundle, patient: NewPatient, workers: int, reporter: Reporter) -> _Images:
    """Read both modalities; what is wrong with either is told at once."""
    problems: list[InputError] = []
    ct_part, slide_part = _Images(), _Images()
    try:
        ct_part = _read_ct(bundle, patient, workers, reporter)
    except InputError as error:
        problems.append(error)
    try:
        slide_part = _read_slides(bundle, patient, reporter)
    except InputError as error:
        problems.append(error)
    if problems:
        raise InputProblems(problems)
    return _Images(
        ct_part.ct, ct_part.regions, ct_part.descriptions, ct_part.radiomics, ct_part.failures, slide_part.features,
        slide_part.slides_simulated, ct_part.segmenter, (*ct_part.notes, *slide_part.notes),
    )  # fmt: skip


def _read_clinical(bundle: Bundle, patient: NewPatient) -> tuple[ClinicalValue, ...]:
    if patient.clinical and not bundle.card.clinical:
        raise BundleError(f"{bundle.card.title} was trained without clinical values", where="--clinical")
    columns = [card.column() for card in bundle.card.clinical]
    return read_clinical(columns, patient.clinical, where="--clinical")


def _read_ct(bundle: Bundle, patient: NewPatient, workers: int, reporter: Reporter) -> _Images:
    card = bundle.card.radiomics
    if patient.ct is None:
        return _Images()
    reporter.say("reading the CT")
    segmenter = None
    if not has_regions(patient):
        reporter.say(f"segmenting the CT ({patient.segmenter})")
        check_plugins(bundle.card.plugins, where=bundle.card.title, segmenter=patient.segmenter)
        segmenter = load_segmenter(patient.segmenter, weights=patient.segmenter_weights)
    read = read_ct_and_regions(
        patient.ct,
        patient,
        segmenter,
        propose_tumor=patient.segmenter != "masks",
        ring_mm=card.ring_mm if card else 0.0,
    )
    ct, regions = read.ct, read.regions
    descriptions = {scale: describe_region(ct, regions.mask(scale)) for scale in regions.scales}
    said = tuple(map(str, read.region_notes))
    if card is None:
        return _Images(ct, regions, descriptions, segmenter=read.segmenter, notes=said)
    if card.source == "imported":
        raise BundleError(
            "the model was trained on radiomic features made elsewhere, which espark cannot make from a CT",
            where=patient.ct,
            action="Add the patient to the study's feature table as external, and run the study again.",
        )
    settings = RadiomicsSettings(card.image_types, card.spacing_mm, card.bin_width_hu)
    values: dict[str, float] = {}
    failures: dict[str, str] = {}
    masks = [regions.mask(scale) for scale in regions.scales]
    results = measure_regions(ct, masks, settings, workers=workers, reporter=reporter)
    measured: dict[Scale, RadiomicsResult] = dict(zip(regions.scales, results, strict=True))
    if card.image_model:
        measured["image"] = look_at_image(card.image_model, ct, regions)
    for scale, result in measured.items():
        values |= {f"{scale}__{name}": value for name, value in result.values.items()}
        failures |= {f"{scale}__{name}": reason for name, reason in result.failures.items()}
    return _Images(ct, regions, descriptions, values, failures, segmenter=read.segmenter, notes=said)


def _read_slides(bundle: Bundle, patient: NewPatient, reporter: Reporter) -> _Images:
    card = bundle.card.encoder
    if not patient.slides or card is None:
        return _Images()
    tools = bundle_tools(card, bundle.card.cytology or Cytology(), patient.encoder_path)
    features: list[SlideFeatures] = []
    simulated, notes = True, []
    with reporter.track("slides", len(patient.slides)) as advance:
        for number, path in enumerate(patient.slides, start=1):
            with open_slide(path, mpp=patient.slide_mpp) as slide:
                features.append(tools.encode(slide))
                simulated = simulated and slide.simulated
                notes += [f"Slide {number}: {note}" for note in (*slide.notes, *features[-1].notes)]
            advance()
    return _Images(features=tuple(features), slides_simulated=simulated, notes=tuple(notes))


def _inputs(bundle: Bundle, patient: NewPatient, images: _Images, clinical: tuple[ClinicalValue, ...]) -> Inputs:
    card = bundle.card.radiomics
    scales: tuple[Scale, ...] = card.scales if card else ()
    names = card.feature_names if card else ()
    row = [
        images.radiomics.get(f"{scale}__{name}", np.nan)
        for scale, part in zip(scales, names, strict=True)
        for name in part
    ]
    radiomics: FloatArray = np.array([row], dtype=np.float32)
    bags = (bag_of(list(images.features)),)
    columns = tuple(card.column() for card in bundle.card.clinical)
    return Inputs((patient.patient_id,), scales, names, radiomics, bags, columns, (clinical,))


def _quality(bundle: Bundle, images: _Images, inputs: Inputs, explanation: PatientExplanation) -> tuple[str, ...]:
    notes = [*images.notes, *explanation.notes, *check_plugins(bundle.card.plugins, where=bundle.card.title)]
    notes += [
        f"{card.column().title} is '{value}', which no development patient has; it entered as unknown."
        for card, value in zip(bundle.card.clinical, inputs.clinical[0], strict=True)
        if card.kind == "category" and value is not None and str(value) not in card.levels
    ]
    if images.failures:
        notes.append(f"{len(images.failures)} radiomic features could not be computed and entered as unknown.")
    notes += [
        quality_sentence(str(number), len(part), left_out(part)) for number, part in enumerate(images.features, start=1)
    ]
    return tuple(notes)


def _provenance(bundle: Bundle, model: Path, patient: NewPatient) -> tuple[tuple[str, str], ...]:
    card = bundle.card
    inputs = tuple(
        (f"SHA-256 of {option.removeprefix('--')}", fingerprint(path)) for option, path in patient.files.items()
    )
    return (
        ("Model", f"{card.title}, {card.folds} fold models, trained with espark {card.espark_version}"),
        ("SHA-256 of the model", fingerprint(model)),
        ("Predicted with", f"espark {__version__}"),
        *inputs,
    )


def _answer(bundle: Bundle, patient: NewPatient, images: _Images, case: Case) -> dict[str, Any]:
    """What ``prediction.json`` holds; where the answer is withheld, its numbers are null here too."""
    card, inputs, prediction, explanation = bundle.card, case.inputs, case.prediction, case.explanation
    point = OperatingPoint.from_dict(card.operating_points[prediction.modality])
    return {
        "patient_id": patient.patient_id,
        "model": {"name": card.model, "espark_version": card.espark_version, "folds": card.folds},
        "disease": card.disease,
        "outcome": card.outcome.name,
        "trained_on": card.outcome.named_keys(card.training.model_dump(mode="json")),
        "modality": prediction.modality,
        "withheld": case.withheld,
        "probability": None if case.withheld else prediction.probability,
        "probability_sd": None if case.withheld else prediction.probability_sd,
        "members": None if case.withheld else list(prediction.members),
        "threshold": point.threshold,
        "voting": card.protocol.voting,
        "prediction": None if case.withheld else prediction.prediction,
        "conformal_set": None if case.withheld else card.outcome.set_name(prediction.conformal_set),
        "coverage": point.sets.coverage,
        "missing": list(missing_sentences(bundle, inputs)),
        "applicability": {
            "applies": not case.applicable.reasons,
            "reasons": list(case.applicable.reasons),
            "distances": {
                name: {"distance": distance, "limit": limit}
                for name, (distance, limit) in case.applicable.distances.items()
            },
        },
        "regions": {
            scale: {"volume_ml": description.volume_ml, "length_mm": description.length_mm}
            for scale, description in images.descriptions.items()
        },
        "segmenter": images.segmenter,
        "slides": _slide_facts(images.features),
        "cell_types": explanation.contributions,
        "biomarkers": explanation.biomarkers,
        "clinical": dict(zip((card.name for card in card.clinical), inputs.clinical[0], strict=True)),
        "simulated_patient": images.simulated,
        "quality": list(case.quality),
        "inputs": {option.removeprefix("--"): fingerprint(path) for option, path in patient.files.items()},
        "research_use_only": True,
    }


def _slide_facts(features: Sequence[SlideFeatures]) -> list[dict[str, Any]]:
    """What was read of each slide, by its number: its file's name may be the patient's."""
    return [
        {
            "slide": number,
            "mpp": part.slide_mpp,
            "tiles": len(part),
            "tiles_left_out": len(part.rejected_coords),
            "left_out": left_out(part),
        }
        for number, part in enumerate(features, start=1)
    ]
