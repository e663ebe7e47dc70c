"""Run one case again with corrected regions: regions, features, answer; before and after side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espark.bundle.bundle import Bundle
from espark.ct.regions.plausibility import RegionDescription
from espark.errors import BundleError, MissingStepError
from espark.pathology.features import SlideFeatures
from espark.pathology.left_out import without_left_out
from espark.serve.accounts import Job
from espark.serve.case_answer import answer_json, answered, case_facts, computed, reasons_json
from espark.serve.case_view import region_facts
from espark.serve.correct.corrections import PREPARED, regions_of
from espark.serve.images.ct_planes import CtShelf
from espark.serve.workbench import CaseSource, Workbench
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.patient_images import measured_ct
from espark.types import Scale
from espark.work.progress import Reporter
from espark.workspace.accepted_regions import version_file
from espark.workspace.slide_polygons import polygons_of


def rerun(workbench: Workbench, job: Job, reporter: Reporter) -> dict[str, Any]:
    """The answer for a case with its regions as prepared, and with those of a version.

    Both answers come from the same models: for a development patient from the one that did not see this patient.

    Args:
        workbench: the open study.
        job: whose case; its options name the ``version``.
        reporter: shows the progress.

    Raises:
        MissingStepError: when there is no model.
        InputError: when the regions cannot be used.
    """
    bundle, case, version = workbench.bundle, workbench.case(job.patient_id), int(job.options["version"])
    if bundle is None:
        raise MissingStepError("no model is trained yet", action="Run `espark train`, or name one with --model.")
    cts = CtShelf(workbench.layout.workbench / "cache" / "ct")
    before_regions: Mapping[Scale, RegionDescription] = {}
    if case.layout.regions(case.patient_id).is_file():
        before_regions = region_facts(case, regions_of(case, PREPARED), cts)
    slides = tuple(workbench.slides(case))
    before = _side(workbench, bundle, case, workbench.radiomics(case), before_regions, slides)
    radiomics, regions = workbench.radiomics(case), before_regions
    if version != PREPARED:
        measured = measured_ct(bundle, _with_version(case, version), 1, reporter)
        radiomics = measured.radiomics if measured else {}
        regions = measured.descriptions if measured else {}
    reporter.say("answering and explaining")
    kept = tuple(_without_left_out(case, features) for features in slides)
    after = _side(workbench, bundle, case, radiomics, regions, kept)
    return {"version": version, "before": before, "after": after}


def _without_left_out(case: CaseSource, features: SlideFeatures) -> SlideFeatures:
    polygons = polygons_of(case.layout, case.patient_id, features.source)
    return without_left_out(features, polygons) if polygons else features


def _with_version(case: CaseSource, version: int) -> NewPatient:
    """The case with the regions of a version in place of its own."""
    files, path = case.patient.files, version_file(case.layout, case.patient_id, version)
    known = regions_of(case, version).scales
    return NewPatient(
        patient_id=case.patient_id,
        ct=files.ct,
        ct_series=files.ct_series,
        tumor_mask=path if "tumor" in known else None,
        esophagus_mask=path if "esophagus" in known else None,
    )


def _side(
    workbench: Workbench,
    bundle: Bundle,
    case: CaseSource,
    radiomics: Mapping[str, float],
    regions: Mapping[Scale, RegionDescription],
    slides: tuple[SlideFeatures, ...],
) -> dict[str, Any]:
    facts = case_facts(workbench, bundle, case, radiomics=radiomics, regions=regions, slides=slides)
    prediction = computed(workbench, bundle, facts)
    if prediction is None:
        raise BundleError(f"{bundle.card.title} has nothing to look at in this case", action="Prepare the case first.")
    found = answered(workbench, bundle, facts, prediction)
    return {
        "answer": answer_json(found),
        "reasons": reasons_json(workbench, bundle, found),
        "regions": {scale: {"volume_ml": one.volume_ml, "length_mm": one.length_mm} for scale, one in regions.items()},
        "tiles": sum(map(len, slides)),
    }
