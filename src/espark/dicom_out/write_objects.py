"""All objects of one patient, in one folder."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions
from espark.dicom_out.case_result import CaseResult
from espark.dicom_out.ct_source import ct_source
from espark.dicom_out.equipment import NewSeries, fill_blanks
from espark.dicom_out.measurement_report import measurement_report
from espark.dicom_out.page_document import page_document
from espark.dicom_out.region_segments import region_segments
from espark.dicom_out.summary_picture import summary_picture
from espark.dicom_out.tile_annotations import slide_source, tile_annotations
from espark.dicom_out.uids import uid_of
from espark.files import atomic_path
from espark.pathology.features import SlideFeatures
from espark.types import DoubleArray, FloatArray

_FIRST_SERIES = 9001


@dataclass(frozen=True, eq=False)
class CtToSend:
    """A CT, where it came from and its regions."""

    path: Path
    ct: CtVolume
    regions: Regions


@dataclass(frozen=True, eq=False)
class SlideToSend:
    """A slide with the effect of its tiles on the answer.

    Attributes:
        path: its file.
        features: its tiles.
        attention: (tiles,) attention.
        attribution: (tiles,) log-odds that each tile adds; NaN when not known.
    """

    path: Path
    features: SlideFeatures
    attention: FloatArray
    attribution: DoubleArray


@dataclass(frozen=True)
class WrittenObjects:
    """What was written.

    Attributes:
        files: all DICOM files, those of a converted CT first.
        notes: sentences on what was not written, and why.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_objects(
    folder: Path, result: CaseResult, *, ct: CtToSend | None, slides: Sequence[SlideToSend], pdf: bytes | None
) -> WrittenObjects:
    """Write the SEG, SR, PDF, Secondary Capture and annotations of a patient.

    Args:
        folder: made when missing.
        result: the result. When its answer is withheld, no object holds anything that depends on the model.
        ct: the CT and its regions; None without one.
        slides: the slides.
        pdf: the patient's page; None when it could not be printed.
    """
    with _without_names_in_warnings():
        return _write(folder, result, ct, slides, pdf)


@contextmanager
def _without_names_in_warnings() -> Iterator[None]:
    """Hide the warnings of highdicom about unusual headers, because they may quote names of persons."""
    logger = logging.getLogger("highdicom")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(level)


def _write(
    folder: Path, result: CaseResult, ct: CtToSend | None, slides: Sequence[SlideToSend], pdf: bytes | None
) -> WrittenObjects:
    folder.mkdir(parents=True, exist_ok=True)
    source = None if ct is None else ct_source(ct.path, ct.ct, result.patient_id, folder / "ct")
    levels = [slide_source(slide.path) for slide in slides]
    evidence = [*(source.headers if source else ()), *(level for level in levels if level is not None)]
    study = evidence[0] if evidence else _study_without_images(result)
    images = sorted(str(header.SOPInstanceUID) for header in evidence)
    key = str(uid_of(result.digest(), *images, str(study.StudyInstanceUID)))
    made: dict[str, Dataset] = {}
    if source is not None and ct is not None:
        series = NewSeries(key, "seg", _FIRST_SERIES, _seg_title(source.converted))
        made["seg"] = region_segments(result, ct.regions, source, series)
    picture = NewSeries(key, "summary", _FIRST_SERIES + 1, "espark summary (research use only)")
    made["summary"] = summary_picture(result, ct.ct if ct else None, ct.regions if ct else None, picture, study)
    series = NewSeries(key, "sr", _FIRST_SERIES + 2, "espark measurements and answer (research use only)")
    made["sr"] = measurement_report(result, series, evidence or [made["summary"]], made.get("seg"))
    if pdf is not None:
        series = NewSeries(key, "pdf", _FIRST_SERIES + 3, "espark page (research use only)")
        made["pdf"] = page_document(pdf, f"espark: {result.model.title}", series, study)
    if result.answer is not None:
        made |= _annotations(result, slides, levels, key)
    files = [*sorted((folder / "ct").glob("*.dcm"))] if source is not None and source.converted else []
    for name, dataset in made.items():
        files.append(_written(folder / f"{name}.dcm", dataset))
    return WrittenObjects(tuple(files), tuple(_notes(result, levels, pdf)))


def _seg_title(converted: bool) -> str:
    return "espark regions (CT converted, not from DICOM)" if converted else "espark regions (research use only)"


def _annotations(
    result: CaseResult, slides: Sequence[SlideToSend], levels: Sequence[Dataset | None], key: str
) -> dict[str, Dataset]:
    made: dict[str, Dataset] = {}
    for number, (slide, level) in enumerate(zip(slides, levels, strict=True), start=1):
        if level is None or not (slide.attention > 0).any():
            continue
        title = "espark attention and cell types (research use only)"
        series = NewSeries(key, f"ann-{number}", _FIRST_SERIES + 3 + number, title)
        made[f"tiles-{number}"] = tile_annotations(
            result, slide.features, slide.attention, slide.attribution, level, series
        )
    return made


def _study_without_images(result: CaseResult) -> Dataset:
    """Patient and study for results of images that are not DICOM; names and dates are not known."""
    header = Dataset()
    header.PatientID = result.patient_id
    header.StudyInstanceUID = uid_of(result.digest(), "study")
    return fill_blanks(header)


def _notes(result: CaseResult, levels: Sequence[Dataset | None], pdf: bytes | None) -> list[str]:
    notes = []
    if pdf is None:
        notes.append("The page was not written as PDF: neither WeasyPrint nor Chromium is installed.")
    for number, level in enumerate(levels, start=1):
        if level is None:
            notes.append(f"Slide {number} is not DICOM, so no annotations can refer to it.")
        elif result.answer is None:
            notes.append(f"Slide {number}: attention and cell types are withheld with the answer.")
    return notes


def _written(path: Path, dataset: Dataset) -> Path:
    with atomic_path(path) as temporary:
        dataset.save_as(temporary, enforce_file_format=True)
    return path
