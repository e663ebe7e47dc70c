"""Everything wrong with the inputs, at once, before hours are spent."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace
from pathlib import Path

from espark.errors import EsparkError, InputError, InputProblems, WorkerLostError
from espark.notes import Note
from espark.pathology.cell_types import text_embeddings
from espark.pathology.slide import open_slide
from espark.pathology.tiles import require_resolution
from espark.pathology.tissue import find_tissue
from espark.steps.check.imported_slides import check_imported_slides
from espark.steps.check.result import CheckResult, Verdict
from espark.steps.check.tables import check_tables
from espark.steps.prepare.imported_slides import find_feature_files
from espark.steps.prepare.imported_tables import imported_tables
from espark.steps.prepare.patient_ct import read_ct_and_regions, read_patient_ct, study_segmenter
from espark.steps.prepare.slide_tools import study_tools
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.patient_files import PatientFiles

_AFAR_MPP = 32.0
"""µm per pixel at which the stain of a slide is looked at."""


def check(folder: Path, *, workers: int = 1, reporter: Reporter | None = None) -> CheckResult:
    """Read the configuration, the cohort, every CT with its regions and the header of every slide.

    Args:
        folder: the study folder.
        workers: processes that read side by side.
        reporter: says how far the work is.

    Raises:
        InputProblems: with everything that cannot be used.
    """
    result = examine(folder, workers=workers, reporter=reporter)
    if result.problems:
        raise InputProblems(result.problems)
    return result


def examine(folder: Path, *, workers: int = 1, reporter: Reporter | None = None) -> CheckResult:
    """As :func:`check`, but what cannot be used is part of the result instead of an error.

    Where the configuration or the cohort cannot be used, no image is looked at.
    """
    reporter = reporter or Reporter()
    try:
        workspace = open_workspace(folder)
    except InputProblems as error:
        return CheckResult({}, (), (), (), tuple(error.problems))
    patients = workspace.cohort.used
    looking = functools.partial(_check_images, mpp=_tile_mpp(workspace))
    verdicts = []
    with reporter.track("check", len(patients)) as advance:
        for verdict in side_by_side(looking, patients, workers=workers, lost=_lost):
            verdicts.append(replace(verdict, notes=(*verdict.notes, *_missing(workspace, verdict.patient_id))))
            advance()
    tables, slides = check_tables(workspace), check_imported_slides(workspace, workers=workers)
    verdicts = [slides.beside(verdict) for verdict in verdicts]
    problems = [*tables.problems, *slides.problems, *_problems_of_study(workspace)]
    aside = tuple(patient.patient_id for patient in workspace.cohort.set_aside)
    without_label = [Note("N-STUDY-001", f"{name} has no label and is set aside.") for name in aside]
    return CheckResult(
        patients=dict(Counter(patient.cohort_name for patient in patients)),
        set_aside=aside,
        verdicts=tuple(verdicts),
        notes=(*without_label, *tables.notes, *slides.notes),
        problems=(*problems, *(problem for verdict in verdicts for problem in verdict.problems)),
        account=(*tables.account, *slides.account),
    )


def problems_beside_images(workspace: Workspace) -> list[InputError]:
    """What is wrong with the study, images aside: feature tables, encoder, segmenter, too few patients."""
    folders = find_feature_files(workspace).problems if workspace.config.slide_features else ()
    return [*imported_tables(workspace)[1], *folders, *_problems_of_study(workspace)]


def _problems_of_study(workspace: Workspace) -> list[InputError]:
    problems: list[InputError] = []
    config = workspace.config
    if any(patient.files.slides for patient in workspace.cohort):
        try:
            tools = study_tools(workspace.root, config.slides, workspace.cytology)
            if tools.encoder.has_text:  # a word that it does not know is an error
                text_embeddings(tools.encoder, names=workspace.cytology.names, templates=workspace.cytology.templates)
        except InputError as error:
            problems.append(error)
    if any(patient.files.ct is not None and not patient.files.has_regions for patient in workspace.cohort):
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


def _check_images(patient: Patient, mpp: float | None = None) -> Verdict:
    problems: list[InputError] = []
    notes: list[Note] = []
    if patient.files.ct is not None:
        try:
            notes += _check_ct(patient.files)
        except (EsparkError, OSError) as error:
            problems.append(_of(patient, error))
    for number, path in enumerate(patient.files.slides, start=1):
        which = f"Slide {number}: " if len(patient.files.slides) > 1 else ""
        try:
            found = _check_slide(path, patient.files.slide_mpp, mpp)
            notes += (Note(note.code, f"{which}{note.text}") for note in found)
        except (EsparkError, OSError) as error:
            problems.append(_of(patient, error))
    return Verdict(patient.patient_id, tuple(problems), tuple(notes))


def _lost(patient: Patient, error: WorkerLostError) -> Verdict:
    return Verdict(patient.patient_id, (_of(patient, error),), ())


def _tile_mpp(workspace: Workspace) -> float | None:
    """µm per pixel of the encoder's tiles; None without slides, or where the encoder cannot be loaded."""
    if not any(patient.files.slides for patient in workspace.cohort):
        return None
    try:
        return study_tools(workspace.root, workspace.config.slides, workspace.cytology).encoder.mpp
    except InputError:
        return None


def _check_slide(path: Path, given: float | None, mpp: float | None) -> tuple[Note, ...]:
    """Open a slide and look at it from afar.

    Args:
        path: the slide.
        given: µm per level-0 pixel, where the file does not say it.
        mpp: µm per pixel of the encoder's tiles; None when there is no encoder.
    """
    with open_slide(path, mpp=given) as slide:
        if mpp is not None:
            require_resolution(slide, mpp)
        return (*slide.notes, *find_tissue(slide, um_per_px=_AFAR_MPP).doubts)


def _check_ct(files: PatientFiles) -> tuple[Note, ...]:
    """Read a CT and its regions. Segmenting takes seconds a patient, so a CT without a region is only read here."""
    if not files.has_regions:
        found = read_patient_ct(files).notes
        return (*found, Note("N-REGION-009", "No mask is given; `espark prepare` will segment the CT."))
    read = read_ct_and_regions(files)
    return (*read.ct.notes, *read.region_notes)


def _of(patient: Patient, error: EsparkError | OSError) -> InputError:
    if isinstance(error, InputError):
        return error.at(f"patient {patient.patient_id}, {error.where}")
    return InputError(str(error), where=f"patient {patient.patient_id}")


def _missing(workspace: Workspace, patient_id: str) -> tuple[Note, ...]:
    patient = workspace.cohort[patient_id]
    imported = workspace.config.ct_features or workspace.config.slide_features
    if imported or patient.files.ct is not None or patient.files.slides:
        return ()
    return (Note("N-STUDY-002", "There is neither CT nor slide, so nothing can be predicted."),)
