"""Regions as a DICOM SEG (binary, because many viewers cannot show label maps)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom.color import CIELabColor
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription

from espark._version import __version__
from espark.ct.regions.regions import Regions
from espark.dicom_out.case_result import CaseResult
from espark.dicom_out.concepts import AI, ESOPHAGUS, region_kind
from espark.dicom_out.ct_source import CtSource
from espark.dicom_out.equipment import MANUFACTURER, NewSeries
from espark.dicom_out.uids import uid_of
from espark.plots.style import SCALE_COLORS
from espark.types import Scale


def segment_numbers(regions: Regions) -> dict[Scale, int]:
    """The number of each region in the SEG."""
    return {scale: number for number, scale in enumerate(regions.scales, start=1)}


def region_segments(result: CaseResult, regions: Regions, source: CtSource, series: NewSeries) -> Segmentation:
    """The regions of a patient, one segment each. The esophagus contains the tumor, so segments overlap.

    Args:
        result: the result; it names the segmenter.
        regions: on the grid of the CT.
        source: the instances of the CT.
        series: where the object goes.
    """
    planes = np.stack([source.planes(regions.mask(scale)) for scale in regions.scales], axis=-1)
    made = Segmentation(
        source_images=source.headers,
        pixel_array=planes,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(result, regions.scales, series),
        content_label="REGIONS",
        content_description="Regions that espark measured" + (", CT not from DICOM" if source.converted else ""),
        content_creator_name=None,
        omit_empty_frames=True,
        **series.arguments(),
    )
    # Nobody drew them for this object; the attribute may be empty, but must be there.
    made.ContentCreatorName = None
    if source.converted:
        made.DerivationDescription = "The regions were outlined on a CT that was not DICOM; espark converted it."
    return made


def _descriptions(result: CaseResult, scales: Sequence[Scale], series: NewSeries) -> list[SegmentDescription]:
    """One segment for each region. Regions that were given count as drawn by a person."""
    found = []
    for number, scale in enumerate(scales, start=1):
        category, kind = region_kind(scale)
        program = result.segmenter if scale != "peritumoral" else "ring"
        manual, automatic = SegmentAlgorithmTypeValues.MANUAL, SegmentAlgorithmTypeValues.AUTOMATIC
        found.append(
            SegmentDescription(
                segment_number=number,
                segment_label=scale,
                segmented_property_category=category,
                segmented_property_type=kind,
                algorithm_type=automatic if program else manual,
                algorithm_identification=AlgorithmIdentificationSequence(
                    f"espark {program}", AI, __version__, source=MANUFACTURER
                )
                if program
                else None,
                tracking_uid=str(uid_of(series.key, "region", scale)),
                tracking_id=scale,
                anatomic_regions=[ESOPHAGUS],
                display_color=CIELabColor.from_rgb(*bytes.fromhex(SCALE_COLORS[scale].removeprefix("#"))),
            )
        )
    return found
