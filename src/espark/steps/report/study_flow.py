"""The patients of a study, who was left out and why, and who counts in its results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from espark.outcome import Outcome
from espark.report import words
from espark.report.study_content import Flow, FlowBox, PatientLink
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace
from espark.workspace.records import read_status

_MODALITIES = (("both", "CT and slides"), ("ct", "CT alone"), ("slides", "slides alone"))


def flow(workspace: Workspace, links: Sequence[PatientLink]) -> Flow:
    """The flow of the patients, from the cohort table to the results.

    Args:
        workspace: the opened study.
        links: the patient table of the report, with the modality that the model looked at.
    """
    cohort = workspace.cohort
    by_patient = {link.patient_id: link for link in links}
    failed = {row.patient_id for row in read_status(workspace.layout) if row.state == "failed"}
    set_aside = len(cohort.set_aside)
    boxes = []
    for name in cohort.cohort_names:
        patients = [patient for patient in cohort.used if patient.cohort_name == name]
        lines = tuple(_lines(patients, by_patient, failed, workspace.outcome))
        boxes.append(FlowBox(cohort_title(name), len(patients), lines))
    left_out = (("development patients without a known outcome", set_aside),) if set_aside else ()
    return Flow(len(cohort.used) + set_aside, left_out, len(cohort.used), tuple(boxes))


def _lines(
    patients: Sequence[Patient], links: dict[str, PatientLink], failed: set[str], outcome: Outcome
) -> Iterator[tuple[str, int]]:
    """The lines of one cohort. A line with 0 patients is left out, except the results."""
    shown = [links[patient.patient_id] for patient in patients]
    answered = [link for link in shown if link.modality != "none"]
    counted = [link for link in answered if link.label is not None]
    counts = [(f"looked at: {title}", sum(link.modality == key for link in shown)) for key, title in _MODALITIES]
    counts += [
        ("an image could not be used", sum(patient.patient_id in failed for patient in patients)),
        ("no answer: nothing to look at", len(shown) - len(answered)),
        ("outcome unknown: not in the results", sum(link.label is None for link in answered)),
        ("answer withheld on the patient's page", sum(link.unprinted == words.WITHHELD_MARK for link in shown)),
    ]
    yield from ((title, count) for title, count in counts if count)
    yield "in the results", len(counted)
    yield f"of these with {outcome.name}", sum(link.label == 1 for link in counted)
