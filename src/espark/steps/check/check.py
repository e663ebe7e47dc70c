"""Everything wrong with the inputs, at once, before hours are spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from espark.errors import InputError, InputProblems
from espark.notes import Note
from espark.pathology.cell_types import text_embeddings
from espark.steps.check.doubted_cells import doubted_cells
from espark.steps.check.images import Examined, ImageJob, examine_images, lost_images, with_shared_images
from espark.steps.check.imported_slides import check_imported_slides
from espark.steps.check.patient_pictures import TileShape
from espark.steps.check.result import CheckResult
from espark.steps.check.sheet import sheet_key, write_contact_sheet
from espark.steps.check.tables import check_tables
from espark.steps.prepare.imported_slides import find_feature_files
from espark.steps.prepare.imported_tables import imported_tables
from espark.steps.prepare.item import Item, study_items
from espark.steps.prepare.patient_ct import study_segmenter
from espark.steps.prepare.slide_tools import study_tools
from espark.training.folds import draw_folds, too_few, too_few_with
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.cohort import Patient
from espark.workspace.manifest import is_current, recorded, written
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.space import space_note


def check(folder: Path, *, pictures: bool = False, workers: int = 1, reporter: Reporter | None = None) -> CheckResult:
    """Read the configuration, the cohort, every CT with its regions and the header of every slide.

    Args:
        folder: the study folder.
        pictures: also write the contact sheet, a page with the images of every patient.
        workers: processes that read side by side.
        reporter: shows the progress.

    Raises:
        InputProblems: with everything that cannot be used.
    """
    result = examine(folder, pictures=pictures, workers=workers, reporter=reporter)
    if result.problems:
        raise InputProblems(result.problems)
    return result


def examine(folder: Path, *, pictures: bool = False, workers: int = 1, reporter: Reporter | None = None) -> CheckResult:
    """As :func:`check`, but what cannot be used is part of the result instead of an error.

    Where the configuration or the cohort cannot be used, no image is looked at.
    """
    reporter = reporter or Reporter()
    try:
        workspace = open_workspace(folder)
    except InputProblems as error:
        return CheckResult({}, (), (), (), tuple(error.problems))
    examined = _examined(workspace, pictures=pictures, workers=workers, reporter=reporter)
    result = _result(workspace, examined, workers=workers)
    if pictures:
        with recorded(workspace, "pictures", workers=workers) as facts:
            write_contact_sheet(workspace, result, {found.verdict.patient_id: found.pictures for found in examined})
            facts.update(key=sheet_key(workspace), outputs=written(workspace, [workspace.layout.contact_sheet]))
    return result


def update_contact_sheet(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> None:
    """Write the contact sheet of a prepared study, unless it shows what is prepared already."""
    if not is_current(workspace, "pictures", sheet_key(workspace)):
        examine(workspace.root, pictures=True, workers=workers, reporter=reporter)


def _examined(workspace: Workspace, *, pictures: bool, workers: int, reporter: Reporter) -> list[Examined]:
    items: dict[str, list[Item]] = {patient.patient_id: [] for patient in workspace.cohort.used}
    for item in study_items(workspace) if pictures else ():
        items[item.patient.patient_id].append(item)
    tiles = _tile_shape(workspace)
    jobs = [
        ImageJob(patient, tiles, tuple(items[patient.patient_id]) if pictures else None)
        for patient in workspace.cohort.used
    ]
    examined = []
    with reporter.track("check", len(jobs)) as advance:
        for found in side_by_side(examine_images, jobs, workers=workers, lost=lost_images):
            examined.append(found)
            advance()
    return examined


def _result(workspace: Workspace, examined: list[Examined], *, workers: int) -> CheckResult:
    patients = workspace.cohort.used
    tables, slides = check_tables(workspace), check_imported_slides(workspace, workers=workers)
    verdicts = [
        slides.beside(replace(verdict, notes=(*verdict.notes, *_beside_images(workspace, verdict.patient_id))))
        for verdict in with_shared_images(examined, patients)
    ]
    problems = [*tables.problems, *slides.problems, *_problems_of_study(workspace)]
    # An image that two patients share is one problem, although both verdicts have it.
    of_images = dict.fromkeys(problem for verdict in verdicts for problem in verdict.problems)
    aside = tuple(patient.patient_id for patient in workspace.cohort.set_aside)
    without_label = [Note("N-STUDY-001", f"{name} has no label and is set aside.") for name in aside]
    return CheckResult(
        patients=dict(Counter(patient.cohort_name for patient in patients)),
        set_aside=aside,
        verdicts=tuple(verdicts),
        notes=(*without_label, *tables.notes, *slides.notes, *filter(None, [space_note(workspace)])),
        problems=(*problems, *of_images),
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
    return [*problems, *_too_few_patients(workspace)]


def _too_few_patients(workspace: Workspace) -> list[InputError]:
    """Too few patients to draw folds, or too few of them with CT or slides to train on."""
    config, patients = workspace.config, workspace.cohort.development
    labels = [int(patient.label or 0) for patient in patients]
    if few := too_few(labels, config.protocol.folds, workspace.outcome.name):
        return [few.at(workspace.layout.cohort)]
    centers = [patient.center for patient in patients]
    folds = draw_folds(labels, centers, folds=config.protocol.folds, seed=config.study.seed)
    known = {
        "CT": [] if config.ct_features else [patient.files.ct is not None for patient in patients],
        "slides": [] if config.slide_features else [bool(patient.files.slides) for patient in patients],
    }
    name = workspace.outcome.name
    found = (too_few_with(labels, folds, having, what, name) for what, having in known.items() if having)
    return [problem.at(workspace.layout.cohort) for problem in found if problem is not None]


def _tile_shape(workspace: Workspace) -> TileShape | None:
    """The encoder's tiles; None without slides, or where the encoder cannot be loaded."""
    if not any(patient.files.slides for patient in workspace.cohort):
        return None
    try:
        tools = study_tools(workspace.root, workspace.config.slides, workspace.cytology)
    except InputError:
        return None
    return TileShape(tools.encoder.tile_px, tools.encoder.mpp, tools.min_tissue)


def _beside_images(workspace: Workspace, patient_id: str) -> tuple[Note, ...]:
    patient = workspace.cohort[patient_id]
    return (*_missing(workspace, patient), *doubted_cells(workspace, patient))


def _missing(workspace: Workspace, patient: Patient) -> tuple[Note, ...]:
    imported = workspace.config.ct_features or workspace.config.slide_features
    if imported or patient.files.ct is not None or patient.files.slides:
        return ()
    return (Note("N-STUDY-002", "There is neither CT nor slide, so nothing can be predicted."),)
