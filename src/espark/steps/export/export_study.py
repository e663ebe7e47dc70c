"""``espark export dicom``: the results of a study as DICOM objects, one folder for each patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espark.bundle.folder import bundle_once
from espark.errors import EsparkError, MissingStepError
from espark.report.patient_html import render_patient
from espark.steps.explain.explain import explained_model
from espark.steps.export.case_objects import case_objects
from espark.steps.report.patient_page import patient_report
from espark.steps.report.report import PageJob, case_of, page_jobs
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus, read_record


@dataclass(frozen=True)
class ExportResult:
    """What was exported.

    Attributes:
        folder: where the folders of the patients are.
        patients: patients whose objects were written.
        notes: sentences on what was not written, each with its patient.
        failed: patients whose objects could not be written.
    """

    folder: Path
    patients: int
    notes: tuple[str, ...]
    failed: tuple[ItemStatus, ...]


def export_study(
    workspace: Workspace,
    out: Path,
    *,
    patient_id: str | None = None,
    show_withheld: bool = False,
    reporter: Reporter | None = None,
) -> ExportResult:
    """Write the results of a study, or of one of its patients, as DICOM objects.

    Args:
        workspace: the opened study.
        out: made when missing; the objects of a patient go to a folder with the patient's id.
        patient_id: only this patient.
        show_withheld: write the answer even where the model does not apply to the patient.
        reporter: reports the progress.

    Raises:
        MissingStepError: when the study has no predictions, or none of this patient.
    """
    reporter = reporter or Reporter()
    if not workspace.layout.metrics.exists():
        raise MissingStepError(
            "the study is not evaluated", where=workspace.root, action=f"Run `espark evaluate {workspace.root}` first."
        )
    model = explained_model(workspace)
    every = page_jobs(workspace, model, show_withheld=show_withheld, pdf=False)
    jobs = [job for job in every if patient_id in (None, job.patient.patient_id)]
    if not jobs:
        raise MissingStepError("the patient has no prediction", where=patient_id)
    notes: list[str] = []
    failed: list[ItemStatus] = []
    with reporter.track("DICOM objects", len(jobs)) as advance:
        for job in jobs:
            name = job.patient.patient_id
            try:
                notes += [f"{name}: {note}" for note in _export(job, out / name)]
            except (EsparkError, OSError) as error:
                failed.append(ItemStatus(name, "dicom", "failed", 1, 0.0, " ".join(str(error).split())))
            advance()
    return ExportResult(out, len(jobs) - len(failed), tuple(notes), tuple(failed))


def _export(job: PageJob, folder: Path) -> tuple[str, ...]:
    layout, patient = job.workspace.layout, job.patient
    bundle = bundle_once(layout.model(job.model), job.model_hash)
    case = case_of(job, bundle)
    record = read_record(layout, patient.patient_id, "ct") or {}
    written = case_objects(
        bundle,
        case,
        render_patient(patient_report(bundle, case)),
        folder,
        ct=patient.files.ct,
        segmenter=record.get("segmenter"),
        model_hash=job.model_hash,
    )
    return written.notes
