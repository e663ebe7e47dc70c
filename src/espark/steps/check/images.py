"""A patient's images: can they be read, are they plausible, and is none of them there twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.errors import CohortError, EsparkError, InputError, WorkerLostError
from espark.files import fingerprint
from espark.notes import Note
from espark.pathology.slide import open_slide, slide_files
from espark.pathology.tiles import require_resolution
from espark.pathology.tissue import find_tissue
from espark.steps.check.result import Verdict
from espark.steps.prepare.patient_ct import read_ct_and_regions, read_patient_ct
from espark.workspace.cohort import Patient
from espark.workspace.patient_files import PatientFiles

_AFAR_MPP = 32.0
"""µm per pixel at which the stain of a slide is looked at."""


@dataclass(frozen=True)
class Examined:
    """What was found in a patient's images.

    Attributes:
        verdict: what is to be said about them.
        contents: hash of each image that could be read, by what it is called in messages.
    """

    verdict: Verdict
    contents: Mapping[str, str]


def examine_images(patient: Patient, mpp: float | None = None) -> Examined:
    """Read a patient's CT with its regions, and look at every slide from afar.

    Args:
        patient: whose images.
        mpp: µm per pixel of the encoder's tiles; None when there is no encoder.
    """
    problems: list[InputError] = []
    notes: list[Note] = []
    contents: dict[str, str] = {}
    if patient.files.ct is not None:
        try:
            volume, found = _ct(patient.files)
            notes += found
            contents["the CT"] = _voxel_hash(volume)
        except (EsparkError, OSError) as error:
            problems.append(_of(patient, error))
    for number, path in enumerate(patient.files.slides, start=1):
        which = f"Slide {number}: " if len(patient.files.slides) > 1 else ""
        try:
            found = _slide(path, patient.files.slide_mpp, mpp)
            notes += (Note(note.code, f"{which}{note.text}") for note in found)
            contents[f"slide {path.name}"] = _slide_hash(path)
        except (EsparkError, OSError) as error:
            problems.append(_of(patient, error))
    if len(set(contents.values())) < len(contents):
        notes.append(Note("D-STUDY-010", "The patient has the same image twice, so its tiles count twice."))
    return Examined(Verdict(patient.patient_id, tuple(problems), tuple(notes)), contents)


def lost_images(patient: Patient, error: WorkerLostError) -> Examined:
    """The images of a patient whose worker was killed."""
    return Examined(Verdict(patient.patient_id, (_of(patient, error),), ()), {})


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


def _ct(files: PatientFiles) -> tuple[CtVolume, tuple[Note, ...]]:
    """Read a CT and its regions. Segmenting takes seconds a patient, so a CT without a region is only read here."""
    if not files.has_regions:
        volume = read_patient_ct(files)
        text = "No mask is given; `espark prepare` will segment the CT."
        return volume, (*volume.notes, Note("N-REGION-009", text))
    read = read_ct_and_regions(files)
    return read.ct, (*read.ct.notes, *read.region_notes)


def _slide(path: Path, given: float | None, mpp: float | None) -> tuple[Note, ...]:
    """Open a slide and look at it from afar.

    Args:
        path: the slide.
        given: µm per level-0 pixel, where the file does not give it.
        mpp: µm per pixel of the encoder's tiles; None when there is no encoder.
    """
    with open_slide(path, mpp=given) as slide:
        if mpp is not None:
            require_resolution(slide, mpp)
        return (*slide.notes, *find_tissue(slide, um_per_px=_AFAR_MPP).doubts)


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
