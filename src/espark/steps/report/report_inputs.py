"""The inputs of a study's reports, by name and hash: equal inputs give the same reports, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from espark.files import digest, fingerprint
from espark.report.pages import design_fingerprint
from espark.workspace.cohort import Patient
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace
from espark.workspace.records import read_status

_FOLDERS = ("predictions", "evaluation", "explain", "figures")
_DESIGN = "espark: code, templates and style"
_FAILED = "prepared/status.csv: what failed"


def report_inputs(workspace: Workspace, model: str) -> dict[str, str]:
    """Hash of every artefact that the study report or a patient's page is made of, by its place in the study.

    The records of `prepare` represent the images, because they hold the hashes of the files that were read. Of the
    status table only the failed items count, because its times change without meaning.

    Args:
        workspace: the opened study.
        model: the model that patient pages show.
    """
    layout = workspace.layout
    files = [path for path in (layout.config, layout.cohort, layout.cytology, layout.splits, layout.radiomics) if path.is_file()]  # fmt: skip  # noqa: E501
    for name in _FOLDERS:
        files += [path for path in (layout.root / name).rglob("*") if path.is_file()]
    for patient in workspace.cohort.used:
        files += [path for path in _prepared(layout, patient) if path.is_file()]
    found = {path.relative_to(layout.root).as_posix(): fingerprint(path) for path in sorted(files)}
    failed = [(row.patient_id, row.item, row.error) for row in read_status(layout) if row.state == "failed"]
    found[f"models/{model}"] = fingerprint(layout.model(model))
    return found | {_FAILED: digest(failed), _DESIGN: design_fingerprint()}


def _prepared(layout: StudyLayout, patient: Patient) -> Iterator[Path]:
    yield layout.record(patient.patient_id, "ct")
    yield layout.regions(patient.patient_id)
    for name in patient.files.named_slides:
        yield layout.record(patient.patient_id, name)
        yield layout.slide_features(patient.patient_id, name)
