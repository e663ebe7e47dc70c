"""Measurements and answer as a structured report: TID 1500 in a Comprehensive 3D SR, as IHE AI Results asks.

Each region is a group of measurements (TID 1411) that refers to its segment. The answer is a separate group (TID
1501).
"""

from __future__ import annotations

from collections.abc import Sequence

from highdicom import UID
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from espark._version import __version__
from espark.dicom_out import concepts
from espark.dicom_out.case_result import CaseResult
from espark.dicom_out.equipment import MANUFACTURER, SERIAL, NewSeries
from espark.dicom_out.uids import uid_of
from espark.types import Scale

_PROCEDURES = {
    "ct": codes.CID100.CTUnspecifiedBodyRegion,
    "slides": CodedConcept("252416005", "SCT", "Histopathology test"),
}


def measurement_report(
    result: CaseResult, series: NewSeries, evidence: Sequence[Dataset], segments: Dataset | None
) -> Comprehensive3DSR:
    """The structured report of a patient.

    Args:
        result: the result; a withheld answer leaves no number in the report.
        series: where the object goes.
        evidence: headers of the images that the result is based on, at least one. Patient and study are those of the
            first.
        segments: the SEG of the regions; None without a CT.
    """
    device = DeviceObserverIdentifyingAttributes(
        uid=str(uid_of("device", __version__)),
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=f"{MANUFACTURER} {__version__}",
        serial_number=SERIAL,
    )
    content = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(codes.DCM.Device, device),
        ),
        procedure_reported=_PROCEDURES["slides" if result.modality == "slides" else "ct"],
        imaging_measurements=[
            *([] if segments is None else [_region_group(result, scale, series, segments) for scale in result.regions]),
            _answer_group(result, series, evidence),
        ],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            CodedConcept("en", "RFC5646", "English")
        ),
    )
    return Comprehensive3DSR(
        evidence=[*evidence, *([] if segments is None else [segments])],
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        **series.arguments(),
    )


def _algorithm(result: CaseResult) -> AlgorithmIdentification:
    model = result.model
    return AlgorithmIdentification(
        name=f"{MANUFACTURER} {model.title}",
        version=model.version,
        parameters=[f"SHA-256 of the model: {model.sha256}"],
        family=concepts.AI,
        manufacturer=MANUFACTURER,
    )


def _region_group(
    result: CaseResult, scale: Scale, series: NewSeries, segments: Dataset
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    number = next(int(segment.SegmentNumber) for segment in segments.SegmentSequence if segment.SegmentLabel == scale)
    description = result.regions[scale]
    category, kind = concepts.region_kind(scale)
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid_of(series.key, "region", scale), scale),
        referenced_segment=ReferencedSegment(
            segments.SOPClassUID,
            segments.SOPInstanceUID,
            number,
            source_series=SourceSeriesForSegmentation(segments.ReferencedSeriesSequence[0].SeriesInstanceUID),
        ),
        finding_category=category,
        finding_type=kind,
        finding_sites=[FindingSite(concepts.ESOPHAGUS)],
        measurements=[
            Measurement(concepts.VOLUME, float(description.volume_ml), concepts.MILLILITER, method=concepts.VOXEL_SUM),
            Measurement(
                concepts.LENGTH, float(description.length_mm), concepts.MILLIMETER, method=concepts.HEAD_TO_FEET
            ),
        ],
    )
    by_whom = f"found by the segmenter {result.segmenter}" if result.segmenter else "given by a person"
    text = "computed from CT and tumor" if scale == "peritumoral" else by_whom
    _add_text(group, f"Region {text}.")
    return group


def _answer_group(
    result: CaseResult, series: NewSeries, evidence: Sequence[Dataset]
) -> MeasurementsAndQualitativeEvaluations:
    answer = result.answer
    said = {
        concepts.USE: concepts.RESEARCH,
        concepts.ANSWER: concepts.WITHHELD if answer is None else concepts.GIVEN,
        concepts.APPLIES: concepts.APPLICABILITY[result.applies],
    }
    if result.simulated:
        said[concepts.SUBJECT] = concepts.SIMULATED
    measured = []
    if answer is not None:
        said |= {
            concepts.CALL: concepts.CALLS[answer.prediction],
            concepts.SET: concepts.SETS[answer.conformal_set],
        }
        numbers = {concepts.PROBABILITY: answer.probability, concepts.THRESHOLD: answer.threshold}
        measured = [Measurement(name, float(value), concepts.NO_UNITS) for name, value in numbers.items()]
    slides = [header for header in evidence if header.get("Modality") == "SM"]
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(UID(uid_of(series.key, "answer")), "answer"),
        finding_type=concepts.outcome_finding(result.outcome),
        finding_sites=[FindingSite(concepts.ESOPHAGUS)],
        algorithm_id=_algorithm(result),
        measurements=measured,
        qualitative_evaluations=[QualitativeEvaluation(name, value) for name, value in said.items()],
        source_images=[SourceImageForMeasurementGroup.from_source_image(slide) for slide in slides] or None,
    )
    for sentence in result.sentences():
        _add_text(group, sentence)
    return group


def _add_text(
    group: MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations, text: str
) -> None:
    """A sentence in a group. TID 1411 and TID 1501 are extensible."""
    item = TextContentItem(concepts.COMMENT, text, relationship_type=RelationshipTypeValues.CONTAINS)
    group[0].ContentSequence.append(item)
