"""``espark run``: check, prepare, train, evaluate, explain, report; what is done stays done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from espark.errors import InputProblems
from espark.steps.check.check import problems_beside_images, update_contact_sheet
from espark.steps.check.tables import check_tables
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.explain import explain
from espark.steps.prepare.prepare import prepare
from espark.steps.report.report import report
from espark.steps.train.train import train
from espark.work.lock import held
from espark.work.progress import Reporter
from espark.workspace.manifest import command_line, now
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.records import ItemStatus
from espark.workspace.space import space_note


@dataclass(frozen=True)
class RunResult:
    """What `run` did.

    Attributes:
        report: the study report.
        models: models that were trained.
        failed: items that failed in any step.
    """

    report: Path
    models: tuple[str, ...]
    failed: tuple[ItemStatus, ...]


def run(folder: Path, *, workers: int = 1, reporter: Reporter | None = None) -> RunResult:
    """Run every step of a study.

    The cohort table and the configuration are checked before anything else; a bad image is that item's failure.

    Args:
        folder: the study folder.
        workers: processes that work side by side.
        reporter: shows the progress.

    Raises:
        InputProblems: with everything that is wrong beside the images.
        StudyBusyError: when another process works on the study.
        WriteError: when the study is read-only, or the disk is full.
    """
    reporter = reporter or Reporter()
    workspace = open_workspace(folder)
    with held(workspace.root, command_line(workspace.root), now()):
        return _every_step(workspace, workers, reporter)


def _every_step(workspace: Workspace, workers: int, reporter: Reporter) -> RunResult:
    if problems := problems_beside_images(workspace):
        raise InputProblems(problems)
    for note in (*check_tables(workspace).notes, space_note(workspace)):
        if note is not None and note.is_doubt:
            reporter.say(f"doubt: {note}")
    prepared = prepare(workspace, workers=workers, reporter=reporter)
    update_contact_sheet(workspace, workers=workers, reporter=reporter)
    models = train(workspace, workers=workers, reporter=reporter)
    evaluate(workspace, reporter=reporter)
    explained = explain(workspace, workers=workers, reporter=reporter)
    written = report(workspace, workers=workers, reporter=reporter)
    return RunResult(written.index, models, (*prepared.failed, *explained.failed, *written.failed))
