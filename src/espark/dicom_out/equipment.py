"""What every object of espark shares: the device that made it, its series and its identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.valuerep import DA, TM

from espark._version import __version__
from espark.dicom_out.concepts import schemes
from espark.dicom_out.uids import uid_of

MANUFACTURER = "espark"
SERIAL = "1"

PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "AccessionNumber", "StudyID",
    "StudyDate", "StudyTime", "ReferringPhysicianName",
)  # fmt: skip
"""What an object copies from the images that it belongs to; all but the UID may be empty, but must be there."""

_KEYWORDS = {
    "PatientID": "patient_id",
    "PatientName": "patient_name",
    "PatientBirthDate": "patient_birth_date",
    "PatientSex": "patient_sex",
    "StudyInstanceUID": "study_instance_uid",
    "AccessionNumber": "accession_number",
    "StudyID": "study_id",
    "StudyDate": "study_date",
    "StudyTime": "study_time",
    "ReferringPhysicianName": "referring_physician_name",
}


@dataclass(frozen=True)
class NewSeries:
    """One object in a series of its own.

    Attributes:
        key: the result and its images; equal keys give equal UIDs.
        kind: which of the objects it is, such as ``seg``.
        number: SeriesNumber. High numbers put the results behind the images in a viewer's list.
        description: SeriesDescription, at most 64 characters.
    """

    key: str
    kind: str
    number: int
    description: str

    @property
    def sop_instance_uid(self) -> str:
        """UID of the object."""
        return str(uid_of(self.key, self.kind, "instance"))

    def arguments(self) -> dict[str, Any]:
        """Arguments that every constructor of highdicom takes."""
        return {
            "series_instance_uid": str(uid_of(self.key, self.kind, "series")),
            "series_number": self.number,
            "sop_instance_uid": self.sop_instance_uid,
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MANUFACTURER,
            "software_versions": __version__,
            "device_serial_number": SERIAL,
            "series_description": self.description[:64],
            "coding_schemes": schemes(),
            "specific_character_set": "ISO_IR 192",
        }


def patient_and_study(header: Dataset) -> dict[str, Any]:
    """Patient and study of an image, as arguments of a constructor of highdicom."""
    return {argument: header.get(name) for name, argument in _KEYWORDS.items()}


_TIMES = {"PatientBirthDate": DA, "StudyDate": DA, "StudyTime": TM}


def fill_blanks(header: Dataset) -> Dataset:
    """Add the empty values that DICOM requires and that anonymized images often lack.

    A date, time or sex that DICOM does not allow, such as the birth date ``1960``, is left empty.
    """
    for name, kind in _TIMES.items():
        try:
            kind(str(header.get(name) or ""))
        except ValueError:
            setattr(header, name, None)
    for name in (*PATIENT_AND_STUDY, "SliceThickness"):
        if name not in header:
            setattr(header, name, None)
    if header.PatientSex not in ("M", "F", "O"):
        header.PatientSex = None
    if header.get("PatientIdentityRemoved") == "YES" and not (
        header.get("DeidentificationMethod") or header.get("DeidentificationMethodCodeSequence")
    ):
        header.DeidentificationMethod = "Not stated in the images"
    return header
