"""Everything wrong with the inputs, at once, before hours are spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from espark.ct.features.feature_table import read_feature_table
from espark.errors import EsparkError, InputError, InputProblems
from espark.pathology.cell_types import text_embeddings
from espark.pathology.slide import open_slide
from espark.steps.prepare.patient_ct import has_regions, read_ct_and_regions, read_patient_ct, study_segmenter
from espark.steps.prepare.slide_tools import study_tools
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace, open_workspace


@dataclass(frozen=True)
class CheckResult:
    """What `check` found in a study that can be used.

    Attributes:
        patients: patients by cohort.
        set_aside: development patients without a label.
        notes: what a user should know, though it stops nothing.
    """

    patients: dict[str, int]
    set_aside: tuple[str, ...]
    notes: tuple[str, ...]


def check(folder: Path, *, workers: int = 1, reporter: Reporter | None = None) -> CheckResult:
    """Read the configuration, the cohort, every CT with its regions and the header of every slide.

    Args:
        folder: the study folder.
        workers: processes that read side by side.
        reporter: says how far the work is.

    Raises:
        InputProblems: with everything that cannot be used.
    """
    reporter = reporter or Reporter()
    workspace = open_workspace(folder)
    problems = problems_beside_images(workspace)
    notes: list[str] = []
    patients = workspace.cohort.used
    with reporter.track("check", len(patients)) as advance:
        for found, said in side_by_side(_check_images, patients, workers=workers):
            problems += found
            notes += said
            advance()
    if problems:
        raise InputProblems(problems)
    counts = Counter(patient.cohort_name for patient in patients)
    aside = tuple(patient.patient_id for patient in workspace.cohort.set_aside)
    return CheckResult(dict(counts), aside, (*_missing_notes(workspace), *notes))


def problems_beside_images(workspace: Workspace) -> list[InputError]:
    """What is wrong with the study, images aside: feature tables, encoder, segmenter, too few patients."""
    problems: list[InputError] = []
    config = workspace.config
    for entry in config.ct_features:
        try:
            table = read_feature_table(workspace.root / entry.file, entry.patient_column, entry.columns)
        except InputError as error:
            problems.append(error)
            continue
        known = {patient.patient_id for patient in workspace.cohort}
        if not known & set(table.index):
            problems.append(InputError("none of its patients is in cohort.csv", where=workspace.root / entry.file))
    for folder in config.slide_features:
        if not (workspace.root / folder.folder).is_dir():
            problems.append(InputError("the folder of slide features is missing", where=workspace.root / folder.folder))
    if any(patient.slides for patient in workspace.cohort):
        try:
            tools = study_tools(workspace.root, config.slides, workspace.cytology)
            if tools.encoder.has_text:  # a word that it does not know is an error
                text_embeddings(tools.encoder, names=workspace.cytology.names, templates=workspace.cytology.templates)
        except InputError as error:
            problems.append(error)
    if any(patient.ct is not None and not has_regions(patient) for patient in workspace.cohort):
        try:
            study_segmenter(config.ct, workspace.root)
        except InputError as error:
            problems.append(error)
    labels = Counter(patient.label for patient in workspace.cohort.development)
    if len(workspace.cohort.development) < config.protocol.folds:
        problems.append(
            InputError(
                f"{len(workspace.cohort.development)} labelled development patients ({labels[1]} with "
                f"{workspace.outcome.name}) are fewer than {config.protocol.folds} folds",
                where=workspace.layout.cohort,
                action="Lower [protocol] folds in study.toml or add patients.",
            )
        )
    return problems


def _check_images(patient: Patient) -> tuple[list[InputError], list[str]]:
    problems: list[InputError] = []
    notes: list[str] = []
    if patient.ct is not None:
        try:
            # Segmenting takes seconds a patient, so a CT without a region is only read here.
            if has_regions(patient):
                ct = read_ct_and_regions(patient.ct, patient).ct
            else:
                ct = read_patient_ct(patient.ct, None)
                notes.append(f"{patient.patient_id}: no mask is given; `espark prepare` will segment the CT")
            notes += [f"{patient.patient_id}: {note}" for note in ct.notes]
        except (EsparkError, OSError) as error:
            problems.append(_of(patient, error))
    for path in patient.slides:
        try:
            with open_slide(path, mpp=patient.slide_mpp) as slide:
                notes += [f"{patient.patient_id}: {note}" for note in slide.notes]
        except (EsparkError, OSError) as error:
            problems.append(_of(patient, error))
    return problems, notes


def _of(patient: Patient, error: EsparkError | OSError) -> InputError:
    if isinstance(error, InputError):
        where = f"patient {patient.patient_id}, {error.where}"
        return type(error)(error.found, where=where, expected=error.expected, action=error.action)
    return InputError(str(error), where=f"patient {patient.patient_id}")


def _missing_notes(workspace: Workspace) -> list[str]:
    notes = [
        f"{patient.patient_id}: development patient without a label, set aside"
        for patient in workspace.cohort.set_aside
    ]
    imported = workspace.config.ct_features or workspace.config.slide_features
    for patient in workspace.cohort.used:
        if not imported and patient.ct is None and not patient.slides:
            notes.append(f"{patient.patient_id}: neither CT nor slide, cannot be predicted")
    return notes
