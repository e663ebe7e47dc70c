"""What the browser shows of a study: its patients in a table, and its results as figures first."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from espark.report import words
from espark.serve.accounts import RUNNING, WAITING
from espark.serve.case_answer import AnswerShelf
from espark.serve.correct.corrections import newest_version
from espark.serve.images.thumbnails import Thumbnails
from espark.serve.jobs import open_jobs
from espark.serve.workbench import CaseSource, Workbench
from espark.steps.evaluate.validation import read_metrics
from espark.steps.report.study_page import metrics_table, result_sections
from espark.workspace.accepted_regions import accepted_version
from espark.workspace.cohort import Patient
from espark.workspace.records import ItemStatus, read_status

_ANSWER_KEYS = ("kind", "mark", "headline", "withheld", "probability", "sd", "call", "modality")


def study_json(workbench: Workbench, shelf: AnswerShelf, thumbnails: Thumbnails) -> dict[str, Any]:
    """The study and one row for each case; an answer that was not computed yet is ``null``."""
    workspace = workbench.workspace
    config, outcome, bundle = workspace.config.study, workspace.outcome, workbench.bundle
    states: dict[str, list[ItemStatus]] = defaultdict(list)
    for row in read_status(workbench.layout):
        states[row.patient_id].append(row)
    working = {job.patient_id: job.state for job in open_jobs(workbench.accounts)}
    return {
        "title": config.name,
        "simulated": config.simulated,
        "notices": [*([words.SIMULATED] if config.simulated else []), words.RESEARCH_USE],
        "outcome": {"name": outcome.name, "negation": outcome.negation},
        "model": bundle.card.title if bundle else None,
        "clinical": [card.model_dump(include={"name", "kind", "unit", "levels"}) for card in bundle.card.clinical]
        if bundle
        else [],
        "contact_sheet": workbench.layout.contact_sheet.is_file(),
        "cases": [
            _row(workbench, shelf, thumbnails, case, states[case.patient_id], working) for case in workbench.cases()
        ],
    }


def _row(
    workbench: Workbench,
    shelf: AnswerShelf,
    thumbnails: Thumbnails,
    case: CaseSource,
    states: list[ItemStatus],
    working: dict[str, str],
) -> dict[str, Any]:
    patient, outcome = case.patient, workbench.workspace.outcome
    answer = shelf.get(case, "answer") if workbench.model_folder else None
    newest, accepted = newest_version(case), accepted_version(case.layout, case.patient_id) or 0
    return {
        "id": case.patient_id,
        "center": patient.center,
        "cohort": "new patient" if case.is_new else _cohort(patient),
        "role": "new" if case.is_new else patient.role,
        "known": None if patient.label is None else outcome.word(patient.label),
        "images": [name for name, there in (("CT", patient.files.ct), ("slides", patient.files.slides)) if there],
        "answer": {key: answer.get(key) for key in _ANSWER_KEYS} if answer and "kind" in answer else None,
        "pending": answer is None and bool(workbench.model_folder),
        "doubts": sum(code.startswith("D-") for row in states for code in row.codes.split()),
        "failed": [row.error for row in states if row.state == "failed"],
        "work": _work(case, states, working, newest, accepted),
        "thumbnails": thumbnails.ready(case),
    }


def _cohort(patient: Patient) -> str:
    """The cohort in the words of the reports; an external one with its center."""
    name = words.COHORT_WORDS[patient.role]
    return f"{name} {patient.center}" if patient.role == "external" else name


def _work(case: CaseSource, states: list[ItemStatus], working: dict[str, str], newest: int, accepted: int) -> str:
    """The state of the work on a case, in one or two words."""
    if working.get(case.patient_id) in (RUNNING, WAITING):
        return working[case.patient_id]
    if any(row.state == "failed" for row in states):
        return "failed"
    if newest:
        return "accepted" if accepted == newest else "corrected"
    return "prepared" if case.is_new or any(row.state == "done" for row in states) else "not prepared"


def results_json(workbench: Workbench) -> dict[str, Any]:
    """The figures of the study in words, and the table behind them; the pictures have addresses of their own."""
    workspace = workbench.workspace
    sections = [
        {"title": section.title, "text": section.text,
         "figures": [{"alt": picture.alt, "caption": picture.caption, "wide": picture.wide}
                     for picture in section.pictures]}
        for section in result_sections(workspace)
    ]  # fmt: skip
    table = None
    if workspace.layout.metrics.exists():
        found = metrics_table(workspace, read_metrics(workspace))
        table = {"title": found.title, "note": found.note, "columns": found.columns, "rows": found.rows}
    return {"sections": sections, "table": table}


def result_figure(workbench: Workbench, section: int, number: int) -> str | None:
    """A figure as SVG, by its place; None when there is none at this place."""
    for index, found in enumerate(result_sections(workbench.workspace)):
        if index == section and 0 <= number < len(found.pictures):
            return found.pictures[number].svg
    return None
