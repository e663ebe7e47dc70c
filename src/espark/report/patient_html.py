"""The report of one patient."""

from __future__ import annotations

from dataclasses import replace

from espark.report import words
from espark.report.answer import answer_of
from espark.report.drawn.bar import probability_bar
from espark.report.drawn.small_changes import changes_drawing, changes_sentence
from espark.report.pages import rendered
from espark.report.patient_content import CellTypeRow, PatientReport
from espark.report.summary import limits, summary


def render_patient(report: PatientReport) -> str:
    """One patient's report as a self-contained HTML page: equal content gives equal bytes.

    Raises:
        ValueError: when ``report`` holds a conformal set, a prediction or an address that cannot be printed.
    """
    report = report if report.comparable else _uncompared(report)
    report = _of_images_alone(report) if report.withheld else report
    answer = answer_of(report)
    found = None if report.withheld or report.outside else report.robustness
    return rendered(
        "patient.html",
        report=report,
        answer=answer,
        summary=summary(report, answer),
        limits=limits(report),
        bar=None if report.withheld else probability_bar(report),
        changes=None if found is None else changes_drawing(found, report.threshold),
        changes_sentence="" if found is None else changes_sentence(found, report.outcome),
        cell_groups=_cell_groups(report),
        notices=_notices(report),
        terms=_terms(report),
        script=None,
        script_hash=None,
    )


def _uncompared(report: PatientReport) -> PatientReport:
    """The report of a real patient without comparisons with simulated patients, in numbers and in pictures."""
    return replace(
        report,
        cell_types=tuple(replace(row, percentile=None) for row in report.cell_types),
        cell_type_picture=None,
        biomarkers=tuple(
            replace(marker, percentile=None, picture=None, cutoff=None, sides=()) for marker in report.biomarkers
        ),
    )


def _of_images_alone(report: PatientReport) -> PatientReport:
    """The report without anything that depends on the model; the rest describes the images."""
    return replace(
        report,
        ct=None if report.ct is None else replace(report.ct, attribution=None, effects=(), voxel_maps=None),
        slides=tuple(
            replace(slide, heatmap=None, gallery=None, n_chosen=None, attribution=None, regions=None)
            for slide in report.slides
        ),
        cell_types=(),
        cell_type_picture=None,
        biomarkers=(),
        slide_findings=(),
        slide_answer_findings=(),
    )


def _notices(report: PatientReport) -> list[str]:
    if report.simulated_model and report.simulated_patient:
        return [words.SIMULATED, words.RESEARCH_USE]
    if report.simulated_model:
        return [words.SIMULATED_MODEL, words.RESEARCH_USE]
    return [words.SIMULATED_PATIENT, words.RESEARCH_USE] if report.simulated_patient else [words.RESEARCH_USE]


def _cell_groups(report: PatientReport) -> dict[str, list[CellTypeRow]]:
    groups: dict[str, list[CellTypeRow]] = {}
    for row in report.cell_types:
        groups.setdefault(row.group, []).append(row)
    return groups


def _terms(report: PatientReport) -> list[words.Term]:
    keys = words.PATIENT_TERMS
    keys += words.CT_TERMS if report.ct else ()
    keys += words.SLIDE_TERMS if report.slides or report.cell_types or report.biomarkers else ()
    unused = words.ANSWER_TERMS if report.withheld else words.CELL_TERMS if report.unreliable_cells else ()
    shown = (words.TERMS[key] for key in keys if key not in unused)
    return [words.outcome_term(report.outcome), *(term.about(report.outcome) for term in shown)]
