"""From a case, of a study or new, to its DICOM objects."""

from __future__ import annotations

from pathlib import Path

from espark.bundle.bundle import Bundle
from espark.ct.regions.plausibility import describe_region
from espark.dicom_out.case_result import CaseResult, GivenAnswer, ModelIdentity
from espark.dicom_out.write_objects import CtToSend, SlideToSend, WrittenObjects, write_objects
from espark.report.printed_page import printed_page
from espark.steps.report.case import Case
from espark.steps.report.patient_page import missing_sentences, trained_on
from espark.training.operating_point import OperatingPoint


def case_objects(
    bundle: Bundle, case: Case, page: str, folder: Path, *, ct: Path | None, segmenter: str | None, model_hash: str
) -> WrittenObjects:
    """Write the objects of a case.

    Args:
        bundle: the model.
        case: the patient with the answer.
        page: the patient's page as HTML.
        folder: where the objects go.
        ct: file or folder of the CT.
        segmenter: name of the segmenter that found the regions; None when a person gave them.
        model_hash: hash of the bundle.
    """
    result = case_result(bundle, case, segmenter=segmenter, model_hash=model_hash)
    return write_objects(
        folder,
        result,
        ct=CtToSend(ct, case.ct, case.regions) if ct and case.ct and case.regions else None,
        slides=_slides(case),
        pdf=printed_page(page),
    )


def case_result(bundle: Bundle, case: Case, *, segmenter: str | None, model_hash: str) -> CaseResult:
    """What the objects hold, without the answer when it is withheld."""
    card, ct, regions = bundle.card, case.ct, case.regions
    return CaseResult(
        patient_id=case.patient_id,
        disease=card.disease,
        outcome=card.outcome,
        model=ModelIdentity(card.model, card.title, card.espark_version, model_hash, trained_on(bundle)),
        modality=case.prediction.modality,
        applies=case.applicable.applies,
        reasons=case.applicable.doubts,
        answer=None if case.withheld else _given(bundle, case),
        regions={}
        if ct is None or regions is None
        else {scale: describe_region(ct, regions.mask(scale)) for scale in regions.scales},
        segmenter=segmenter,
        simulated=case.simulated,
        missing=missing_sentences(bundle, case.inputs),
    )


def _given(bundle: Bundle, case: Case) -> GivenAnswer:
    prediction = case.prediction
    point = OperatingPoint.from_dict(bundle.card.operating_points[prediction.modality])
    return GivenAnswer(
        probability=prediction.probability,
        threshold=point.threshold,
        prediction=prediction.prediction,
        conformal_set=prediction.conformal_set,
        coverage=point.sets.coverage,
    )


def _slides(case: Case) -> tuple[SlideToSend, ...]:
    if case.evidence is None:
        return ()
    parts = zip(case.slides, case.features, case.evidence.split(case.features), strict=True)
    return tuple(SlideToSend(path, features, own.attention, own.attribution) for path, features, own in parts)
