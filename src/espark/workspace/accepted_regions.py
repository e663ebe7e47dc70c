"""Regions that a person corrected and accepted: they replace those that ``cohort.csv`` names, or that were found.

Every version of a correction stays in ``corrections/<patient>/``: ``v0002.nii.gz`` holds the regions, and
``v0002.json`` who drew them, when and from which version. ``accepted.json`` names the version that `prepare` uses, or
the person who rejected the regions without accepting others.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from espark.errors import InputError
from espark.files import read_json, write_json
from espark.types import Region
from espark.workspace.cohort import Cohort, Patient
from espark.workspace.layout import StudyLayout
from espark.workspace.patient_files import PatientFiles

_ACCEPTED = "accepted.json"


class CorrectedRegions(BaseModel):
    """The record of one version.

    Attributes:
        version: its number, from 1.
        regions: which regions it holds.
        person: who drew it.
        made_at: when, in ISO 8601.
        based_on: the version that was changed; 0 for the regions as prepared.
        series_uid: DICOM series on which it was drawn; None for a CT that is not DICOM.
        note: what the person wrote about it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    regions: tuple[Region, ...]
    person: str
    made_at: str
    based_on: int
    series_uid: str | None = None
    note: str = ""


def version_file(layout: StudyLayout, patient_id: str, version: int) -> Path:
    """The regions of a version, as NIfTI on the grid of the CT."""
    return layout.corrections(patient_id) / f"v{version:04d}.nii.gz"


def record_file(layout: StudyLayout, patient_id: str, version: int) -> Path:
    """The record of a version."""
    return layout.corrections(patient_id) / f"v{version:04d}.json"


def read_correction(path: Path) -> CorrectedRegions:
    """The record of a version.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        return CorrectedRegions.model_validate(read_json(path))
    except ValidationError as error:
        raise InputError(f"this is not the record of a correction ({error.errors()[0]['msg']})", where=path) from error


def accepted_version(layout: StudyLayout, patient_id: str) -> int | None:
    """Number of the version that `prepare` uses; None for the regions of ``cohort.csv``, or those that are found."""
    path = layout.corrections(patient_id) / _ACCEPTED
    found = read_json(path) if path.is_file() else {}
    return int(found["version"]) if "version" in found else None


def rejected_by(layout: StudyLayout, patient_id: str) -> str:
    """Who rejected the regions of a patient; empty where nobody did."""
    path = layout.corrections(patient_id) / _ACCEPTED
    return str(read_json(path).get("rejected_by", "")) if path.is_file() else ""


def reject_regions(layout: StudyLayout, patient_id: str, person: str) -> None:
    """Let `prepare` use no regions of this patient, until a version is accepted."""
    write_json(layout.corrections(patient_id) / _ACCEPTED, {"rejected_by": person})


def accept_version(layout: StudyLayout, patient_id: str, version: int | None) -> None:
    """Let `prepare` use a version from now on; None to go back to the regions without corrections."""
    path = layout.corrections(patient_id) / _ACCEPTED
    if version is None:
        path.unlink(missing_ok=True)
    else:
        write_json(path, {"version": version})


def with_accepted_regions(cohort: Cohort, layout: StudyLayout) -> Cohort:
    """The cohort with the accepted corrections in place of other regions.

    Raises:
        InputError: when the record of an accepted version cannot be read, or its regions are missing.
    """
    if not (layout.root / "corrections").is_dir():
        return cohort
    return replace(cohort, patients=tuple(_corrected(patient, layout) for patient in cohort))


def _corrected(patient: Patient, layout: StudyLayout) -> Patient:
    version = accepted_version(layout, patient.patient_id)
    if version is None:
        return replace(patient, files=replace(patient.files, rejected_by=rejected_by(layout, patient.patient_id)))
    correction = read_correction(record_file(layout, patient.patient_id, version))
    path = version_file(layout, patient.patient_id, version)
    if not path.is_file():
        raise InputError(
            "the accepted regions are missing",
            where=path,
            action=f"Put the file back, or remove {path.with_name(_ACCEPTED)} to use the regions of cohort.csv.",
        )
    return replace(patient, files=_files_with(patient.files, path, correction))


def _files_with(files: PatientFiles, path: Path, correction: CorrectedRegions) -> PatientFiles:
    return replace(
        files,
        tumor_mask=path if "tumor" in correction.regions else None,
        esophagus_mask=path if "esophagus" in correction.regions else None,
        rtstruct=None,
        tumor_roi=None,
        esophagus_roi=None,
        # An RTSTRUCT also names the series on which it was drawn; without it, the record does.
        ct_series=files.ct_series or (correction.series_uid if files.rtstruct is not None else None),
    )
