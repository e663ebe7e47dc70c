"""``espark deidentify``: a folder of images as a study without the identity of the patients."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from espark.deidentify.cohort_rows import row_of, write_cohort
from espark.deidentify.key_table import open_key_table
from espark.deidentify.removal_report import report_text
from espark.deidentify.written_images import Deidentifier, SourceFile
from espark.errors import DeidentifyError
from espark.files import write_text
from espark.work.progress import Reporter

REPORT = "deidentification.md"


@dataclass(frozen=True)
class DeidentifiedFolder:
    """What was written.

    Attributes:
        report: the page that describes what was removed.
        cohort: ``cohort.csv``; None when there was one, or no image was written.
        patients: number of patients.
        written: number of files.
        held_back: number of files that were not written.
    """

    report: Path
    cohort: Path | None
    patients: int
    written: int
    held_back: int


def deidentify_folder(
    source: Path, out: Path, key: Path, *, characteristics: bool, keep_doubted: bool, reporter: Reporter
) -> DeidentifiedFolder:
    """De-identify all images below a folder.

    DICOM images belong to the patient whom their header names; those without a PatientID to the patient of their study.
    A slide that is not DICOM belongs to the one DICOM patient in the same folder directly below ``source``; without
    one, this folder is a patient. A slide that is directly in ``source`` is a patient of its own.

    Args:
        source: the images; they are not changed.
        out: folder of the study.
        key: the key table, outside of ``out``.
        characteristics: whether sex, age, size and weight are kept.
        keep_doubted: whether images with what looks like burnt-in text are written.
        reporter: reports the progress.

    Raises:
        DeidentifyError: when a folder or the key table cannot be used.
    """
    _check_folders(source, out)
    table = open_key_table(key, out)
    patients = patients_of(source)
    for identity in patients:
        table.patient(identity)
    # First the key: should the machine stop, the replacements that are written by then stay known.
    table.save()
    images = Deidentifier(out, table, characteristics, keep_doubted)
    rows = []
    with reporter.track("patients", len(patients)) as advance:
        for identity, files in patients.items():
            patient = table.patient(identity)
            images.write(patient, files)
            table.save()
            if images.folder(patient).is_dir():
                rows.append(row_of(patient.pseudonym, images.folder(patient), out))
            advance()
    rows.sort(key=lambda row: row["patient_id"])
    return finish(images, rows)


def finish(images: Deidentifier, rows: list[dict[str, str]]) -> DeidentifiedFolder:
    """Write the report and ``cohort.csv``."""
    outcome = images.outcome
    write_text(images.out / REPORT, report_text(outcome, patients=len(rows), characteristics=images.characteristics))
    cohort = write_cohort(images.out, rows)
    return DeidentifiedFolder(images.out / REPORT, cohort, len(rows), outcome.written, len(outcome.held_back))


def patients_of(source: Path) -> dict[str, list[SourceFile]]:
    """Files by the identity of their patient."""
    found: dict[str, list[SourceFile]] = {}
    for name, paths in _parts(source):
        files = [SourceFile.read(path) for path in paths]
        named = {file.identity for file in files if file.identity}
        other = named.pop() if len(named) == 1 else f"folder {name}"
        for file in files:
            found.setdefault(file.identity or other, []).append(file)
    return found


def _parts(source: Path) -> Iterator[tuple[str, list[Path]]]:
    """The files directly in a folder, each alone, then all files of each folder in it."""
    for path in sorted(source.iterdir()):
        paths = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield path.name, [one for one in paths if one.is_file() and not one.is_symlink()]


def _check_folders(source: Path, out: Path) -> None:
    if not source.is_dir():
        raise DeidentifyError("the folder of the images is missing", where=source)
    inner, outer = out.resolve(), source.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DeidentifyError(
            "one of the two folders is in the other",
            where=out,
            expected="a folder of its own for the de-identified study",
            code="E-STUDY-024",
        )
