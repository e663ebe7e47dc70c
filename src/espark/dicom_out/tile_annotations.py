"""Attention and cell types of a slide as Microscopy Bulk Simple Annotations (DICOM Supplement 222)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from highdicom.ann import (
    AnnotationCoordinateTypeValues,
    AnnotationGroup,
    AnnotationGroupGenerationTypeValues,
    GraphicTypeValues,
    Measurements,
    MicroscopyBulkSimpleAnnotations,
)
from highdicom.content import AlgorithmIdentificationSequence
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.sr.codedict import codes
from pydicom.uid import VLWholeSlideMicroscopyImageStorage

from espark.dicom_out import concepts
from espark.dicom_out.case_result import CaseResult
from espark.dicom_out.equipment import MANUFACTURER, NewSeries, fill_blanks
from espark.dicom_out.uids import uid_of
from espark.pathology.features import SlideFeatures
from espark.types import DoubleArray, FloatArray

_VOLUME = 2  # of ImageType: ORIGINAL\PRIMARY\VOLUME\NONE


def slide_source(path: Path) -> Dataset | None:
    """Header of the instance with the full resolution of a DICOM slide; None when the slide is not DICOM.

    Args:
        path: any instance of the slide. The others are looked for in the same folder.
    """
    chosen = _slide_header(path)
    if chosen is None:
        return None
    levels = [
        header
        for file in sorted(path.parent.iterdir())
        if file.is_file() and (header := _slide_header(file)) is not None
        and header.SeriesInstanceUID == chosen.SeriesInstanceUID and header.ImageType[_VOLUME] == "VOLUME"
    ]  # fmt: skip
    return max(levels, key=lambda header: int(header.TotalPixelMatrixColumns), default=None)


def _slide_header(path: Path) -> Dataset | None:
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return None
    return fill_blanks(header) if header.get("SOPClassUID") == VLWholeSlideMicroscopyImageStorage else None


def tile_annotations(
    result: CaseResult,
    features: SlideFeatures,
    attention: FloatArray,
    attribution: DoubleArray,
    source: Dataset,
    series: NewSeries,
) -> MicroscopyBulkSimpleAnnotations:
    """The tiles that entered the model, as squares with measurements, in pixels of the full resolution.

    Args:
        result: the result; it names the model.
        features: tiles of the slide.
        attention: (tiles,) attention; a tile with 0 did not enter the model and is left out.
        attribution: (tiles,) log-odds that each tile adds; NaN when not known.
        source: header of the instance with the full resolution.
        series: where the object goes.
    """
    chosen = np.flatnonzero(attention > 0)
    size = features.tile_px_level0
    offsets = np.array([(0, 0), (size, 0), (size, size), (0, size)])
    squares = features.coords[chosen].astype(np.float64)[:, None, :] + offsets
    measured = [
        Measurements(name, values[chosen], concepts.NO_UNITS)
        for name, values in _measured(features, attention, attribution)
    ]
    group = AnnotationGroup(
        number=1,
        uid=uid_of(series.key, series.kind, "tiles"),
        label="Tiles that the model looked at",
        annotated_property_category=codes.SCT.Tissue,
        annotated_property_type=concepts.TILE,
        graphic_type=GraphicTypeValues.RECTANGLE,
        graphic_data=[square.astype(np.float32) for square in squares],
        algorithm_type=AnnotationGroupGenerationTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            f"{MANUFACTURER} {result.model.title}", concepts.AI, result.model.version, source=MANUFACTURER
        ),
        measurements=measured,
        description="Attention shows where the model looked, not what it concluded. Research use only.",
    )
    return MicroscopyBulkSimpleAnnotations(
        source_images=[source],
        annotation_coordinate_type=AnnotationCoordinateTypeValues.SCOORD,
        annotation_groups=[group],
        content_label="TILES",
        content_description="Tiles with attention and cell types",
        **series.arguments(),
    )


def _measured(
    features: SlideFeatures, attention: FloatArray, attribution: DoubleArray
) -> Iterator[tuple[CodedConcept, DoubleArray]]:
    yield concepts.ATTENTION, attention.astype(np.float64)
    if np.isfinite(attribution).all():
        yield concepts.ATTRIBUTION, attribution
    if features.similarity is not None and features.cells_reliable:
        for column, key in enumerate(features.cell_types):
            yield concepts.similarity_to(key), features.similarity[:, column].astype(np.float64)
