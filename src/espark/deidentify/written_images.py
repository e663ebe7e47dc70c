"""The images of one patient, written without the identity of the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espark.ct.files.dicom_headers import reading
from espark.deidentify.dicom_images import HeldBack, read_image, shows_text, write_clean
from espark.deidentify.headers import Account, Cleaner
from espark.deidentify.key_table import KeyTable, PatientKey
from espark.deidentify.tiff_slides import SUFFIXES, write_clean_slide
from espark.errors import DeidentifyError, InputError
from espark.intake.dicom_file import KINDS, open_dicom

_TAGS = ["PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID"]
_TEXT = "letters seem to be burnt into the pixels of this series; look at it"


@dataclass(frozen=True)
class SourceFile:
    """A file that was found.

    Attributes:
        path: where it is.
        identity: PatientID with its issuer, or the study when a DICOM file names no patient; empty for other files.
        series: SeriesInstanceUID; empty for files that are not DICOM.
    """

    path: Path
    identity: str = ""
    series: str = ""

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """Look at the header of a file."""
        try:
            with reading(path, DeidentifyError):
                header = open_dicom(path, DeidentifyError, specific_tags=_TAGS, stop_before_pixels=True)
                texts = {tag: str(header.get(tag) or "").strip() for tag in _TAGS}
        except InputError:
            return cls(path)
        owner = "@".join(filter(None, [texts["PatientID"], texts["IssuerOfPatientID"]]))
        return cls(path, owner or f"study {texts['StudyInstanceUID']}", texts["SeriesInstanceUID"] or "no series")


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        account: attributes that were removed, emptied or replaced.
        written: number of files.
        held_back: reason for each file that was not written.
        notes: what else was left out.
    """

    account: Account = field(default_factory=Account)
    written: int = 0
    held_back: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Deidentifier:
    """Writes images below ``out/images``.

    Attributes:
        out: folder of the study.
        key: key table; it must be saved by the caller before and after.
        characteristics: whether sex, age, size and weight are kept.
        keep_doubted: whether images with what looks like burnt-in text are written.
        outcome: what became of the files.
    """

    out: Path
    key: KeyTable
    characteristics: bool = False
    keep_doubted: bool = False
    outcome: Outcome = field(default_factory=Outcome)

    def folder(self, patient: PatientKey) -> Path:
        """Where the images of a patient are written."""
        return self.out / "images" / patient.pseudonym

    def write(self, patient: PatientKey, files: Sequence[SourceFile]) -> None:
        """Write what can be written of a patient's files."""
        cleaner = Cleaner(self.key, patient, self.characteristics, self.outcome.account)
        series: dict[str, list[Path]] = {}
        for file in files:
            if file.series:
                series.setdefault(file.series, []).append(file.path)
            elif file.path.suffix.lower() in SUFFIXES:
                self._slide(file.path, patient)
            else:
                self._hold_back(file.path, "it is neither DICOM nor a slide as SVS or TIFF")
        for paths in series.values():
            self._series(paths, cleaner)

    def _series(self, paths: Sequence[Path], cleaner: Cleaner) -> None:
        """Write a series. All of it is searched for letters first, because one slice with a name is one too many."""
        usable = []
        doubted = False
        for path in paths:
            try:
                dataset = read_image(path)
                doubted = doubted or shows_text(dataset, path)
                usable.append(path)
            except (HeldBack, DeidentifyError) as reason:
                self._hold_back(path, _in_words(reason))
        if doubted and not self.keep_doubted:
            for path in usable:
                self._hold_back(path, _TEXT)
            return
        for path in usable:
            self._image(path, cleaner)

    def _image(self, path: Path, cleaner: Cleaner) -> None:
        try:
            dataset = read_image(path)
            uids = (self.key.uid(str(dataset[name].value)) for name in ("SeriesInstanceUID", "SOPInstanceUID"))
            series, instance = uids
            kind = KINDS[dataset.SOPClassUID]
            target = self.folder(cleaner.patient) / kind / series / f"{instance}.dcm"
            write_clean(dataset, path, target, cleaner)
        except (HeldBack, DeidentifyError) as reason:
            self._hold_back(path, _in_words(reason))
            return
        self._wrote(path, target)

    def _slide(self, path: Path, patient: PatientKey) -> None:
        name = self.key.identifier(str(path))
        target = self.folder(patient) / "slides" / f"{name}{path.suffix.lower()}"
        try:
            self.outcome.notes.extend(write_clean_slide(path, target))
        except (HeldBack, DeidentifyError) as reason:
            self._hold_back(path, _in_words(reason))
            return
        self._wrote(path, target)

    def _wrote(self, path: Path, target: Path) -> None:
        self.outcome.written += 1
        self.key.file(target.relative_to(self.out).as_posix(), str(path))

    def _hold_back(self, path: Path, reason: str) -> None:
        self.outcome.held_back.append(reason)
        self.key.file(f"held back {len(self.outcome.held_back)}", str(path))


def _in_words(reason: HeldBack | DeidentifyError) -> str:
    """The reason without the name of the file, which may name the patient."""
    return reason.finding if isinstance(reason, DeidentifyError) else str(reason)
