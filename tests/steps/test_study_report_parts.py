"""Flow of the patients, checklist and methods of the study report."""

from __future__ import annotations

from pathlib import Path

import pytest

from espark.bundle.folder import load_bundle
from espark.report.study_content import Flow, FlowBox, PatientLink
from espark.steps.report.study_checklist import checklist
from espark.steps.report.study_flow import flow
from espark.steps.report.study_methods import methods
from espark.steps.report.study_page import few_patients
from espark.wording import percent
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.records import ItemStatus, StatusTable


def _links(workspace: Workspace) -> list[PatientLink]:
    return [
        PatientLink(patient.patient_id, patient.cohort_name, patient.label, "both", 0.5, 1, None)
        for patient in workspace.cohort.used
    ]


@pytest.mark.parametrize(
    ("patients", "model", "said"), [(20, "espark", 1), (74, "espark", 1), (75, "espark", 0), (20, "mscalect", 0)]
)
def test_a_study_with_few_patients_says_that_it_cannot_compare_the_whole_with_its_parts(
    patients: int, model: str, said: int
) -> None:
    found = list(few_patients(patients, model))
    assert len(found) == said
    assert all("eSPARK is better than MScaleCT and CytoPath alone" in sentence for sentence in found)


def test_the_flow_counts_who_left_and_why(study: Path) -> None:
    table = study / "cohort.csv"
    rows = [row.split(",") for row in table.read_text().splitlines()]
    first = next(row for row in rows if row[2] == "development")
    last = [row for row in rows if row[2] == "external"][-1]
    first[3] = last[3] = ""
    table.write_text("\n".join(map(",".join, rows)) + "\n")
    workspace = open_workspace(study)
    links = _links(workspace)
    StatusTable(workspace.layout, [(last[0], "ct")]).put(ItemStatus(last[0], "ct", "failed", 1, 0.0, "broken"))
    place = next(index for index, link in enumerate(links) if link.patient_id == last[0])
    links[place] = PatientLink(last[0], last[1], None, "slides", None, None, None, "withheld")
    found = flow(workspace, links)
    assert (found.total, found.used) == (12, 11)
    assert found.left_out == (("development patients without a known outcome", 1),)
    [box] = [box for box in found.cohorts if box.title.endswith(last[1])]
    lines = dict(box.lines)
    assert lines["an image could not be used"] == lines["looked at: slides alone"] == 1
    assert lines["outcome unknown: not in the results"] == lines["answer withheld on the patient's page"] == 1
    assert lines["in the results"] == box.n - 1
    assert "looked at: CT alone" not in lines


def test_a_flow_that_loses_somebody_is_refused() -> None:
    with pytest.raises(ValueError, match="10 patients, 1 left out, 9 used, 8 in the cohorts"):
        Flow(10, (("no outcome", 1),), 9, (FlowBox("development", 8, ()),))


def test_the_checklist_has_27_items_and_leaves_to_the_authors_what_only_they_know(finished: Path) -> None:
    rows = checklist(open_workspace(finished), load_bundle(finished / "models" / "espark").card)
    assert [row.number for row in rows] == list(range(1, 28))
    unknown = {row.number for row in rows if not row.known}
    assert {1, 2, 3, 14, 17, 19, 25, 26} == unknown
    assert all(bool(row.known) == bool(row.place) for row in rows)
    page = (finished / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count("To be completed by the authors.") == len(unknown)
    assert "Flow of the patients" in page


def test_the_methods_state_the_settings_that_were_used(finished: Path) -> None:
    card = load_bundle(finished / "models" / "espark").card
    text = " ".join(methods(card))
    for topic in (
        "CT.",
        "Slides.",
        "Fusion.",
        "Protocol.",
        "Calibration",
        "Uncertainty.",
        "Missing data.",
        "Statistics.",
    ):
        assert topic in text
    assert f"split into {card.folds} folds" in text and f"seed {card.seed}" in text
    assert f"coverage of {percent(card.protocol.coverage)}" in text
    floor = card.model_copy(
        update={"protocol": card.protocol.model_copy(update={"operating_point": "sensitivity_floor"})}
    )
    assert f"at a sensitivity of at least {percent(0.9)}" in " ".join(methods(floor))
    assert "modality dropout" in text
    assert "modality dropout" not in " ".join(methods(card.model_copy(update={"model": "cytopath"})))
