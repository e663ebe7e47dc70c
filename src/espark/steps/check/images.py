"""A patient's images: can they be read, are they plausible, and is none of them there twice."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.regions import Regions, load_regions
from espark.errors import CohortError, EsparkError, InputError, WorkerLostError
from espark.files import fingerprint
from espark.notes import Note
from espark.pathology.slide import open_slide, slide_files
from espark.pathology.tiles import require_resolution
from espark.pathology.tissue import find_tissue
from espark.steps.check.patient_pictures import (
    NO_PICTURES,
    PatientPictures,
    TileShape,
    ct_pictures,
    refused_ct_pictures,
    refused_slide_picture,
    slide_pictures,
)
from espark.steps.check.result import Verdict
from espark.steps.prepare.item import Item
from espark.steps.prepare.patient_ct import read_ct_and_regions, read_patient_ct
from espark.workspace.cohort import Patient
from espark.workspace.patient_files import PatientFiles, slide_number
from espark.workspace.records import is_done, read_record

_AFAR_MPP = 32.0
"""µm per pixel at which the stain of a slide is looked at."""


@dataclass(frozen=True)
class ImageJob:
    """A patient whose images are looked at.

    Attributes:
        patient: whose.
        tiles: the tiles of the encoder; None when there is no encoder.
        items: the same images as items of `prepare`, for pictures of them; None for no pictures.
    """

    patient: Patient
    tiles: TileShape | None = None
    items: tuple[Item, ...] | None = None

    def item(self, name: str) -> Item | None:
        """An image as an item of `prepare`, for a picture of it; None for no picture."""
        return next((item for item in self.items or () if item.name == name), None)


@dataclass(frozen=True)
class Examined:
    """What was found in a patient's images.

    Attributes:
        verdict: what is to be said about them.
        contents: hash of each image that could be read, by what it is called in messages.
        pictures: what the contact sheet shows of them; empty where no pictures are wanted.
    """

    verdict: Verdict
    contents: Mapping[str, str]
    pictures: PatientPictures = NO_PICTURES


@dataclass(frozen=True)
class _Image:
    """What was found in one image."""

    notes: tuple[Note, ...] = ()
    content: str = ""
    problem: InputError | None = None
    pictures: PatientPictures = NO_PICTURES


def examine_images(job: ImageJob) -> Examined:
    """Read a patient's CT with its regions, and look at every slide from afar."""
    patient = job.patient
    found: dict[str, _Image] = {}
    if patient.files.ct is not None:
        found["the CT"] = _examine_ct(job)
    several = len(patient.files.slides) > 1
    for name, path in patient.files.named_slides.items():
        words = f"slide {slide_number(name)}" if several else "slide"
        found[f"the {words}"] = _examine_slide(job, path, name, words.capitalize())
    contents = {name: image.content for name, image in found.items() if image.content}
    notes = [note for image in found.values() for note in image.notes]
    if len(set(contents.values())) < len(contents):
        notes.append(Note("D-STUDY-010", "The patient has the same image twice, so its tiles count twice."))
    problems = tuple(image.problem for image in found.values() if image.problem is not None)
    pictures = functools.reduce(PatientPictures.beside, (image.pictures for image in found.values()), NO_PICTURES)
    return Examined(Verdict(patient.patient_id, problems, tuple(notes)), contents, pictures)


def lost_images(job: ImageJob, error: WorkerLostError) -> Examined:
    """The images of a patient whose worker was killed."""
    missing = PatientPictures(missing=("There are no pictures, because the process that drew them was stopped.",))
    return Examined(Verdict(job.patient.patient_id, (_of(job.patient, error),), ()), {}, missing)


def with_shared_images(examined: Iterable[Examined], patients: Iterable[Patient]) -> list[Verdict]:
    """The verdicts, with an error for each image that two patients share.

    Args:
        examined: of each patient.
        patients: the same patients in the same order.
    """
    seen: dict[str, tuple[Patient, str]] = {}
    shared: dict[str, list[InputError]] = {}
    examined = list(examined)
    for patient, found in zip(patients, examined, strict=True):
        for name, content in found.contents.items():
            first, first_name = seen.setdefault(content, (patient, name))
            if first is patient:
                continue
            error = CohortError(
                f"{name} of patient {patient.patient_id} ({patient.cohort_name}) is the same image as {first_name} of "
                f"patient {first.patient_id} ({first.cohort_name})",
                expected="each image with one patient",
                action="Correct the paths in cohort.csv, or make one patient of the two rows.",
                code="E-STUDY-010",
            )
            for one in (first, patient):
                shared.setdefault(one.patient_id, []).append(error)
    return [
        replace(found.verdict, problems=(*found.verdict.problems, *shared.get(found.verdict.patient_id, ())))
        for found in examined
    ]


def _examine_ct(job: ImageJob) -> _Image:
    patient, item = job.patient, job.item("ct")
    try:
        found = _read_ct(patient.files, item)
        drawn = ct_pictures(found.ct, found.regions, origin=found.origin) if item else NO_PICTURES
        return _Image(found.notes, _voxel_hash(found.ct), pictures=drawn.beside(_not_drawn(found, item)))
    except (EsparkError, OSError) as error:
        drawn = refused_ct_pictures(patient.files) if item else NO_PICTURES
        return _Image(problem=_of(patient, error), pictures=drawn)


@dataclass(frozen=True, eq=False)
class _FoundCt:
    """A CT with the regions that are known now, what a reader must know of both, and where the regions come from."""

    ct: CtVolume
    regions: Regions | None
    notes: tuple[Note, ...]
    origin: str = "given"


def _read_ct(files: PatientFiles, item: Item | None) -> _FoundCt:
    """Read a CT and its regions. Segmenting takes seconds a patient, so a CT without a region is only read here.

    Args:
        files: the CT, and its regions where the user gives any.
        item: the CT as an item of `prepare`: where it is prepared, its regions are those that were used; None for the
            regions of the user alone.
    """
    if item is not None and (prepared := _prepared_ct(files, item)) is not None:
        return prepared
    if not files.has_regions:
        volume = read_patient_ct(files)
        text = "No mask is given; `espark prepare` will segment the CT."
        return _FoundCt(volume, None, (*volume.notes, Note("N-REGION-009", text)))
    read = read_ct_and_regions(files, outline=item.ct.outline if item is not None else "polygon")
    return _FoundCt(read.ct, read.regions, (*read.ct.notes, *read.region_notes))


def _prepared_ct(files: PatientFiles, item: Item) -> _FoundCt | None:
    """A CT with the regions that `prepare` used; None when it has not prepared this CT with these settings."""
    patient_id = item.patient.patient_id
    record = read_record(item.layout, patient_id, item.name)
    if record is None or not is_done(item.layout, patient_id, item.name, item.key()):
        return None
    volume = read_patient_ct(files)
    regions = load_regions(item.layout.regions(patient_id), volume)
    notes = tuple(Note.from_json(stored) for stored in record.get("region_notes", ()))
    segmenter = record.get("segmenter")
    origin = f"found by {segmenter}, as prepared" if segmenter else "given, as prepared"
    return _FoundCt(volume, regions, (*volume.notes, *notes), origin)


def _not_drawn(found: _FoundCt, item: Item | None) -> PatientPictures:
    """What is not outlined yet, because `prepare` will find it."""
    if item is None or "prepared" in found.origin:
        return NO_PICTURES
    if found.regions is None:
        return PatientPictures(missing=("No region is drawn: the segmenter will find the regions in espark prepare.",))
    if "tumor" not in found.regions.scales and item.ct.segmenter != "masks":
        return PatientPictures(missing=("The tumor is not drawn: espark prepare will propose it.",))
    return NO_PICTURES


def _examine_slide(job: ImageJob, path: Path, name: str, words: str) -> _Image:
    patient, item = job.patient, job.item(name)
    which = f"{words}: " if len(patient.files.slides) > 1 else ""
    try:
        with open_slide(path, mpp=patient.files.slide_mpp) as slide:
            if job.tiles is not None:
                require_resolution(slide, job.tiles.mpp)
            found = (*slide.notes, *find_tissue(slide, um_per_px=_AFAR_MPP).doubts)
            drawn = slide_pictures(slide, words, item, job.tiles) if item else NO_PICTURES
        notes = tuple(Note(note.code, f"{which}{note.text}") for note in found)
        return _Image(notes, _slide_hash(path), pictures=drawn)
    except (EsparkError, OSError) as error:
        drawn = refused_slide_picture(item, words) if item else NO_PICTURES
        return _Image(problem=_of(patient, error), pictures=drawn)


def _voxel_hash(ct: CtVolume) -> str:
    """Hash of the voxels. It does not depend on file format, headers or the order in which the axes are stored."""
    upright = sitk.DICOMOrient(ct.image, "LPS")
    return hashlib.sha256(sitk.GetArrayViewFromImage(upright).tobytes()).hexdigest()


def _slide_hash(path: Path) -> str:
    """Hash of the largest file that a slide consists of."""
    files = [file for part in slide_files(path) for file in (part.rglob("*") if part.is_dir() else [part])]
    return fingerprint(max((file for file in files if file.is_file()), key=lambda file: file.stat().st_size))


def _of(patient: Patient, error: EsparkError | OSError) -> InputError:
    if isinstance(error, InputError):
        return error.at(f"patient {patient.patient_id}" + (f", {error.where}" if error.where else ""))
    return InputError(str(error), where=f"patient {patient.patient_id}")
