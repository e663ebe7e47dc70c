"""Prepare a new patient from uploaded files: regions, features and answer, as for any other case."""

from __future__ import annotations

from typing import Any

import numpy as np

from espark.ct.regions.regions import write_regions
from espark.errors import MissingStepError
from espark.files import write_json
from espark.notes import Note
from espark.pathology.features import write_slide_features
from espark.serve.accounts import Job
from espark.serve.case_answer import AnswerShelf
from espark.serve.case_view import kept_answer
from espark.serve.images.ct_planes import CtShelf
from espark.serve.workbench import CaseSource, Workbench
from espark.steps.predict.new_patient import NewPatient, check_for_model, check_given
from espark.steps.predict.patient_images import EncodedSlides, MeasuredCt, encoded_slides, measured_ct
from espark.work.progress import Reporter
from espark.workspace.records import write_record


def prepare_new_patient(workbench: Workbench, job: Job, reporter: Reporter) -> dict[str, Any]:
    """Prepare the case of a job, and answer it.

    Raises:
        MissingStepError: when there is no model.
        InputProblems: with everything that is wrong with the files.
        InputError: when an image cannot be used.
    """
    bundle, case = workbench.bundle, workbench.case(job.patient_id)
    if bundle is None:
        raise MissingStepError("no model is trained yet", action="Run `espark train`, or name one with --model.")
    files = case.patient.files
    patient = NewPatient(
        patient_id=case.patient_id, ct=files.ct, slides=files.slides, slide_mpp=files.slide_mpp,
        esophagus_mask=files.esophagus_mask, tumor_mask=files.tumor_mask,
        clinical={name: str(value) for name, value in case.patient.clinical.items()},
    )  # fmt: skip
    check_given(patient)
    check_for_model(patient, bundle.card)
    measured = measured_ct(bundle, patient, 1, reporter)
    if measured is not None:
        _write_ct(case, measured)
    _write_slides(case, encoded_slides(bundle, patient, reporter))
    reporter.say("answering and explaining")
    cts, shelf = CtShelf(workbench.layout.workbench / "cache" / "ct"), AnswerShelf(workbench)
    found = {part: kept_answer(workbench, shelf, case, cts, part) for part in ("answer", "reasons")}
    return {"headline": found["answer"].get("headline", ""), "none": found["answer"].get("none", "")}


def _write_ct(case: CaseSource, measured: MeasuredCt) -> None:
    layout, patient_id = case.layout, case.patient_id
    regions, radiomics = layout.regions(patient_id), layout.patient_radiomics(patient_id)
    write_regions(regions, measured.regions)
    write_json(radiomics, {name: value if np.isfinite(value) else None for name, value in measured.radiomics.items()})
    notes = [note.to_json() for note in measured.ct.notes]
    found = [Note("", text).to_json() for text in measured.notes]
    write_record(
        layout, patient_id, "ct", "new", [regions, radiomics], notes=notes, region_notes=found,
        segmenter=measured.segmenter, simulated=measured.ct.simulated,
    )  # fmt: skip


def _write_slides(case: CaseSource, slides: EncodedSlides) -> None:
    layout, patient_id = case.layout, case.patient_id
    for name, features in zip(case.patient.files.named_slides, slides.features, strict=True):
        target = layout.slide_features(patient_id, name)
        write_slide_features(target, features)
        notes = [note.to_json() for note in features.notes]
        write_record(
            layout, patient_id, name, "new", [target], notes=notes, n_tiles=len(features), simulated=slides.simulated
        )
