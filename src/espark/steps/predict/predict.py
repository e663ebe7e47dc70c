"""One new patient: ``prediction.json`` and ``report.html``."""

from __future__ import annotations

from pathlib import Path

from espark._version import __version__
from espark.bundle.bundle import Bundle
from espark.bundle.folder import load_bundle
from espark.errors import BundleError
from espark.files import fingerprint, write_bytes, write_json, write_text
from espark.report.patient_html import render_patient
from espark.report.pdf import check_pdf, render_pdf
from espark.steps.evaluate.validation import bundle_validation, development_record
from espark.steps.explain.patient_explanation import explain_patient
from espark.steps.explain.slide_evidence import slide_evidence
from espark.steps.export.dicom_extra import check_dicom
from espark.steps.predict.new_patient import NewPatient, check_for_model, check_given
from espark.steps.predict.patient_answer import PatientAnswer, prediction_json
from espark.steps.predict.patient_images import PatientImages, patient_inputs, read_images
from espark.steps.predict.patient_robustness import patient_robustness
from espark.steps.predict.predict_manifest import write_predict_manifest
from espark.steps.prepare.slide_quality import left_out, quality_sentence
from espark.steps.report.applicability_in_words import applicability
from espark.steps.report.case import Case
from espark.steps.report.patient_page import patient_report
from espark.training.inputs import ClinicalValue, Inputs
from espark.training.members.catalogue import MODELS
from espark.training.plugins import check_plugins
from espark.work.progress import Reporter
from espark.workspace.cohort import read_clinical
from espark.workspace.manifest import now


def predict(
    model: Path,
    patient: NewPatient,
    out: Path,
    *,
    show_withheld: bool = False,
    pdf: bool = False,
    dicom: bool = False,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> PatientAnswer:
    """Predict one new patient and write ``prediction.json`` and ``report.html`` to ``out``.

    Args:
        model: folder of a trained model.
        patient: the files; CT, slides or clinical values may be absent.
        out: folder of the files; made when missing.
        show_withheld: give the answer even where the model does not apply to the patient, or that was not checked.
        pdf: write ``report.pdf`` too.
        dicom: write the result as DICOM objects too, to the folder ``dicom``.
        workers: processes that share the radiomics; the answer does not depend on their number.
        reporter: shows the progress.

    Returns:
        The answer; where it is withheld, without any number.

    Raises:
        InputProblems: with every file and every clinical value that cannot be used.
        BundleError: when the model cannot be read, or cannot look at what was given.
        ReportError: when a PDF is wanted and nothing here can make it.
        DicomError: when DICOM objects are wanted and the extra ``dicom`` is not installed.
    """
    reporter = reporter or Reporter()
    if pdf:
        check_pdf()
    if dicom:
        check_dicom()
    check_given(patient)
    started = now()
    bundle = load_bundle(model)
    check_for_model(patient, bundle.card)
    clinical = _read_clinical(bundle, patient)
    images = read_images(bundle, patient, workers, reporter)
    inputs = patient_inputs(bundle, patient, images, clinical)
    prediction = bundle.predict(inputs)[0]
    if prediction is None:
        wanted = " or ".join(MODELS[bundle.card.model].modalities)
        raise BundleError(f"{bundle.card.title} looks at {wanted}, and none was given", where=model)
    reporter.say("explaining the answer")
    ct, slides = images.ct, images.slides
    explanation = explain_patient(bundle, inputs, slides.features)
    tumor = ct.descriptions.get("tumor") if ct else None
    applicable = applicability(bundle, inputs, tumor=tumor, simulated=images.simulated)
    shown = applicable.applies is True or show_withheld
    case = Case(
        patient_id=patient.patient_id,
        inputs=inputs,
        prediction=prediction,
        explanation=explanation,
        applicable=applicable,
        simulated=images.simulated,
        ct=ct.ct if ct else None,
        regions=ct.regions if ct else None,
        slides=patient.slides,
        features=slides.features,
        evidence=slide_evidence(bundle, inputs, fold=None),
        slide_mpp=patient.slide_mpp,
        validation=bundle_validation(bundle.card),
        quality=_quality(bundle, patient, images, inputs),
        provenance=_provenance(bundle, model, patient),
        record=development_record(bundle.card, prediction.modality),
        show_withheld=show_withheld,
        robustness=patient_robustness(bundle, inputs, ct, workers) if shown else None,
    )
    page = render_patient(patient_report(bundle, case))
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "report.html", page)
    if pdf:
        write_bytes(out / "report.pdf", render_pdf(page))
    if dicom:
        _write_dicom(bundle, model, patient, images, case, page, out / "dicom", reporter)
    answer = PatientAnswer.of(case, bundle.card)
    write_json(out / "prediction.json", prediction_json(bundle, patient, images, case, answer))
    options = {"patient_id": patient.patient_id, "slide_mpp": patient.slide_mpp}
    write_predict_manifest(
        out,
        model,
        files=patient.by_option(),
        clinical=patient.clinical,
        options={**options, "show_withheld": show_withheld, "pdf": pdf},
        started=started,
        reporter=reporter,
    )
    return answer


def _write_dicom(
    bundle: Bundle,
    model: Path,
    patient: NewPatient,
    images: PatientImages,
    case: Case,
    page: str,
    folder: Path,
    reporter: Reporter,
) -> None:
    from espark.steps.export.case_objects import case_objects

    segmenter = images.ct.segmenter if images.ct else None
    written = case_objects(
        bundle, case, page, folder, ct=patient.ct, segmenter=segmenter, model_hash=fingerprint(model)
    )
    for note in written.notes:
        reporter.say(note)


def _read_clinical(bundle: Bundle, patient: NewPatient) -> tuple[ClinicalValue, ...]:
    if patient.clinical and not bundle.card.clinical:
        raise BundleError(f"{bundle.card.title} was trained without clinical values", where="--clinical")
    columns = [card.column() for card in bundle.card.clinical]
    return read_clinical(columns, patient.clinical, where="--clinical")


def _quality(bundle: Bundle, patient: NewPatient, images: PatientImages, inputs: Inputs) -> tuple[str, ...]:
    notes = [*images.notes, *check_plugins(bundle.card.plugins, where=bundle.card.title)]
    if patient.ct and not images.ct:
        notes.append(f"The CT was not read: {bundle.card.title} does not look at it, and no region on it is given.")
    notes += [
        f"{card.column().title} is '{value}', which no development patient has; it entered as unknown."
        for card, value in zip(bundle.card.clinical, inputs.clinical[0], strict=True)
        if card.kind == "category" and value is not None and str(value) not in card.levels
    ]
    if bundle.card.adaptation is not None:
        site = bundle.card.adaptation
        notes.append(
            f"The model was adapted to the CTs of {site.center} with {site.n} of its patients, without labels. It is "
            "meant for patients of this site alone."
        )
    if patient.clinical:
        notes.append("Clinical values are not compared with those of the development patients.")
    if images.ct and images.ct.failures:
        notes.append(f"{len(images.ct.failures)} radiomic features could not be computed and entered as unknown.")
    notes += [
        quality_sentence(str(number), len(part), left_out(part))
        for number, part in enumerate(images.slides.features, start=1)
    ]
    return tuple(notes)


def _provenance(bundle: Bundle, model: Path, patient: NewPatient) -> tuple[tuple[str, str], ...]:
    card = bundle.card
    inputs = tuple(
        (f"SHA-256 of {option.removeprefix('--')}", fingerprint(path)) for option, path in patient.by_option().items()
    )
    return (
        ("Model", f"{card.title}, {card.folds} fold models, trained with espark {card.espark_version}"),
        ("SHA-256 of the model", fingerprint(model)),
        ("Predicted with", f"espark {__version__}"),
        *inputs,
    )
