"""Everything wrong with the inputs, at once, before hours are spent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from espark.ct.features.feature_table import read_feature_table
from espark.errors import InputError, InputProblems
from espark.notes import Note
from espark.pathology.cell_types import text_embeddings
from espark.steps.check.images import examine_images, with_shared_images
from espark.steps.check.result import CheckResult
from espark.steps.prepare.patient_ct import has_regions, study_segmenter
from espark.steps.prepare.slide_tools import study_tools
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.opened import Workspace, open_workspace


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
    examined = []
    with reporter.track("check", len(patients)) as advance:
        for found in side_by_side(examine_images, patients, workers=workers):
            examined.append(found)
            advance()
    verdicts = [
        replace(verdict, notes=(*verdict.notes, *_missing(workspace, verdict.patient_id)))
        for verdict in with_shared_images(examined, patients)
    ]
    of_images = dict.fromkeys(problem for verdict in verdicts for problem in verdict.problems)
    aside = tuple(patient.patient_id for patient in workspace.cohort.set_aside)
    return CheckResult(
        patients=dict(Counter(patient.cohort_name for patient in patients)),
        set_aside=aside,
        verdicts=tuple(verdicts),
        notes=tuple(Note("N-STUDY-001", f"{name} has no label and is set aside.") for name in aside),
        problems=(*problems_beside_images(workspace), *of_images),
    )


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
    labels = Counter(patient.pcr for patient in workspace.cohort.development)
    if len(workspace.cohort.development) < config.protocol.folds:
        problems.append(
            InputError(
                f"{len(workspace.cohort.development)} labelled development patients ({labels[1]} with pCR) are fewer "
                f"than {config.protocol.folds} folds",
                where=workspace.layout.cohort,
                action="Lower [protocol] folds in study.toml or add patients.",
            )
        )
    return problems


def _missing(workspace: Workspace, patient_id: str) -> tuple[Note, ...]:
    patient = workspace.cohort[patient_id]
    imported = workspace.config.ct_features or workspace.config.slide_features
    if imported or patient.ct is not None or patient.slides:
        return ()
    return (Note("N-STUDY-002", "There is neither CT nor slide, so nothing can be predicted."),)
