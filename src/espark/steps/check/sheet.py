"""From what `check` found to the contact sheet."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from espark.errors import InputError
from espark.files import digest, fingerprint, write_text
from espark.notes import Note
from espark.report.contact_sheet import ContactSheet, Finding, SheetRow, render_contact_sheet
from espark.report.pages import design_fingerprint
from espark.steps.check.patient_pictures import PatientPictures
from espark.steps.check.result import CheckResult, Verdict
from espark.steps.prepare.imported_slides import feature_files_of
from espark.steps.prepare.item import study_items
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace

Findings = Callable[[Iterable[InputError], Iterable[Note]], Iterator[Finding]]


def write_contact_sheet(workspace: Workspace, result: CheckResult, pictures: Mapping[str, PatientPictures]) -> None:
    """Write the contact sheet into the study folder.

    Args:
        workspace: the opened study.
        result: what `check` found.
        pictures: by patient, what was drawn.
    """
    study = workspace.config.study
    findings = functools.partial(_findings, names=_file_names(workspace))
    sheet = ContactSheet(
        title=study.name,
        simulated=study.simulated,
        summary=result.summary(),
        findings=tuple(findings(_problems_of_study(result), result.notes)),
        rows=tuple(_row(workspace.cohort[v.patient_id], v, pictures[v.patient_id], findings) for v in result.verdicts),
    )
    write_text(workspace.layout.contact_sheet, render_contact_sheet(sheet))


def sheet_key(workspace: Workspace) -> str:
    """Hash of everything that the contact sheet of a prepared study depends on.

    The records of `prepare` contain the hashes of the images.
    """
    layout = workspace.layout
    records = (layout.record(item.patient.patient_id, item.name) for item in study_items(workspace))
    imported = (file.path for patient in workspace.cohort.used for file in feature_files_of(workspace, patient))
    files = (layout.config, layout.cohort, layout.cytology, layout.status, *records, *imported)
    return digest([design_fingerprint(), [fingerprint(path) if path.exists() else "" for path in files]])


def _row(patient: Patient, verdict: Verdict, drawn: PatientPictures, findings: Findings) -> SheetRow:
    return SheetRow(
        patient_id=patient.patient_id,
        center=patient.center,
        role=patient.role.replace("_", " "),
        state=verdict.state,
        facts=drawn.facts,
        planes=drawn.planes,
        slides=drawn.slides,
        missing=drawn.missing,
        findings=tuple(findings(verdict.problems, verdict.notes)),
    )


def _problems_of_study(result: CheckResult) -> list[InputError]:
    of_patients = {problem for verdict in result.verdicts for problem in verdict.problems}
    return [problem for problem in result.problems if problem not in of_patients]


def _file_names(workspace: Workspace) -> re.Pattern[str]:
    """Every path and file name of the cohort. They may contain the name of a person."""
    paths = [path for patient in workspace.cohort for _, path in patient.files.paths()]
    names = {str(path) for path in paths} | {path.name for path in paths if path.suffix}
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile("|".join(longest_first) or r"(?!)")


def _findings(problems: Iterable[InputError], notes: Iterable[Note], names: re.Pattern[str]) -> Iterator[Finding]:
    """Errors, then doubts, then notes, without the names of files. The place of an error is a path, so it is left out.

    Args:
        problems: what cannot be used.
        notes: doubts and notes.
        names: paths and names of files that must not be on the page.
    """
    for problem in problems:
        parts = (problem.found, f"Expected: {problem.expected}" if problem.expected else "", problem.action or "")
        text = ". ".join(part.rstrip(".") for part in parts if part)
        yield Finding("error", names.sub("…", text), problem.code)
    ordered = sorted(notes, key=lambda note: not note.is_doubt)
    yield from (Finding("doubt" if note.is_doubt else "note", note.text, note.code) for note in ordered)
