"""What the browser shows of one case: who, what was prepared, its slides, and the answer with its reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import SimpleITK as sitk

from espark.bundle.bundle import Bundle
from espark.ct.grid import image_like
from espark.ct.hounsfield import CtVolume
from espark.ct.regions.plausibility import RegionDescription, describe_region
from espark.ct.regions.regions import Regions
from espark.errors import InputError, SlideError
from espark.report import words
from espark.serve.case_answer import (
    AnsweredCase,
    AnswerShelf,
    answer_json,
    answered,
    case_facts,
    computed,
    reasons_json,
    stored,
)
from espark.serve.correct.corrections import PREPARED, newest_version, regions_of, versions_json
from espark.serve.images.ct_planes import CtShelf, in_order
from espark.serve.images.slide_tiles import OVERLAP, TILE, SlideShelf, magnification, scanned_part
from espark.serve.workbench import CaseSource, Workbench
from espark.types import Scale
from espark.workspace.records import read_record, read_status


def case_json(workbench: Workbench, case: CaseSource, slides: SlideShelf) -> dict[str, Any]:
    """A case without its images: who, what was noted, which versions of its regions and which slides there are."""
    patient, outcome = case.patient, workbench.workspace.outcome
    return {
        "id": case.patient_id,
        "is_new": case.is_new,
        "center": patient.center,
        "role": "new patient" if case.is_new else words.ROLE_WORDS[patient.role],
        "outcome": outcome.name,
        "known": None if patient.label is None else outcome.word(patient.label),
        "clinical": [[column.title, _shown(patient.clinical.get(column.name), column.unit)]
                     for column in workbench.workspace.cohort.clinical],
        "has_ct": patient.files.ct is not None,
        "versions": versions_json(case),
        "newest": newest_version(case),
        "slides": [slide_json(case, index, slides) for index in range(len(patient.files.slides))],
        "notes": _notes(case),
            }  # fmt: skip


def _shown(value: float | str | None, unit: str) -> str:
    if value is None:
        return "not known"
    return f"{value:g} {unit}".strip() if isinstance(value, float) else str(value)


def _notes(case: CaseSource) -> list[dict[str, str]]:
    """What a reader must know of the case: images that failed, then doubts and notes."""
    failed = [
        {"kind": "error", "text": f"{row.item}: {row.error}"}
        for row in read_status(case.layout)
        if row.patient_id == case.patient_id and row.state == "failed"
    ]
    noted = []
    for item in ("ct", *case.patient.files.named_slides):
        record = read_record(case.layout, case.patient_id, item) or {}
        for kind in ("notes", "region_notes"):
            noted += [{"kind": _kind(note.get("code", "")), "text": note["text"]} for note in record.get(kind, ())]
    return [*failed, *noted]


def _kind(code: str) -> str:
    return "doubt" if code.startswith("D-") else "note"


def slide_json(case: CaseSource, index: int, shelf: SlideShelf) -> dict[str, Any]:
    """Size and resolution of a slide; the reason where it cannot be opened. The file's name stays here."""
    path, mpp = case.patient.files.slides[index], case.patient.files.slide_mpp
    try:
        slide = shelf.open(path, mpp)
        levels = shelf.levels(path, mpp)
    except SlideError as error:
        return {"number": index + 1, "error": error.found}
    return {
        "number": index + 1,
        "width": slide.dimensions[0],
        "height": slide.dimensions[1],
        "levels": levels,
        "tile": TILE,
        "overlap": OVERLAP,
        "mpp": slide.mpp,
        "objective": magnification(slide.mpp),
        "scanned": scanned_part(slide),
        "notes": [str(note) for note in slide.notes],
    }


def region_facts(case: CaseSource, regions: Regions, cts: CtShelf) -> Mapping[Scale, RegionDescription]:
    """Each region in numbers.

    Raises:
        InputError: when the CT cannot be read.
    """
    shown = cts.open(case.patient.files)
    ct = CtVolume(image_like(np.asarray(shown.voxels, dtype=np.int16), shown.grid()), "nifti")
    masks: dict[Scale, sitk.Image] = {scale: in_order(regions.mask(scale)) for scale in regions.scales}
    return {scale: describe_region(ct, mask) for scale, mask in masks.items()}


def answered_case(workbench: Workbench, bundle: Bundle, case: CaseSource, cts: CtShelf) -> AnsweredCase | None:
    """The answer for a case as it was prepared; None where the model has nothing to look at."""
    regions: Mapping[Scale, RegionDescription] = {}
    if case.patient.files.ct is not None and case.layout.regions(case.patient_id).is_file():
        regions = region_facts(case, regions_of(case, PREPARED), cts)
    facts = case_facts(workbench, bundle, case, radiomics=workbench.radiomics(case), regions=regions)
    prediction = stored(workbench, bundle, case) or computed(workbench, bundle, facts)
    return None if prediction is None else answered(workbench, bundle, facts, prediction)


def kept_answer(workbench: Workbench, shelf: AnswerShelf, case: CaseSource, cts: CtShelf, part: str) -> dict[str, Any]:
    """The ``answer`` or the ``reasons`` of a case, from the shelf or computed now; ``none`` says why there is none."""
    known = shelf.get(case, part)
    if known is not None:
        return known
    with workbench.answering:
        # Another request, or what is made in advance, may have computed it in the meantime.
        return shelf.get(case, part) or _new_answer(workbench, shelf, case, cts, part)


def _new_answer(workbench: Workbench, shelf: AnswerShelf, case: CaseSource, cts: CtShelf, part: str) -> dict[str, Any]:
    bundle = workbench.bundle
    if bundle is None:
        return {"none": "No model is trained yet. Run `espark train`, or start `espark serve` with --model."}
    if not case.is_new and case.patient not in workbench.workspace.cohort.used:
        return {"none": "The outcome of this development patient is not known, so the study leaves the patient out."}
    try:
        found = answered_case(workbench, bundle, case, cts)
    except InputError as error:
        return {"none": error.found}
    if found is None:
        return {"none": f"{bundle.card.title} has nothing to look at: prepare the case first."}
    value = answer_json(found) if part == "answer" else reasons_json(workbench, bundle, found)
    shelf.put(case, part, value)
    return value
