"""Answers in the workbench: those of the study, never a withheld number, and new ones after a correction."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from small_study import Browser, open_browser

from espark.report import words
from espark.serve.accounts import Job
from espark.serve.case_answer import AnswerShelf
from espark.serve.correct.rerun import rerun
from espark.steps.train.predictions import read_predictions
from espark.work.progress import Reporter
from espark.workspace.records import read_record

QUIET = Reporter("quiet")


@pytest.fixture
def opened(study: Path) -> Browser:
    return open_browser(study)


def rows(browser: Browser) -> dict[str, dict]:
    """By patient, the answer."""
    ids = [row["id"] for row in browser.client.get("/api/study").json()["cases"]]
    return {one: browser.client.get(f"/api/cases/{one}/answer").json() for one in ids}


@pytest.mark.slow
def test_the_answers_are_those_of_the_study_and_of_its_pages(opened: Browser) -> None:
    workspace = opened.workbench.workspace
    table = read_predictions(workspace, "espark").set_index("patient_id")
    answers = rows(opened)
    withheld = {one for one, answer in answers.items() if answer.get("withheld")}
    for patient in workspace.cohort.used:
        one, answer = patient.patient_id, answers[patient.patient_id]
        page = read_record(workspace.layout, one, "report")
        assert page is not None
        assert answer["withheld"] == page["withheld"]
        if one in withheld:
            assert not {"probability", "members", "sd", "threshold"} & answer.keys()
        else:
            assert answer["probability"] == pytest.approx(table.loc[one, "probability"])
    listed = {row["id"]: row["answer"] for row in opened.client.get("/api/study").json()["cases"]}
    assert all(listed[one]["probability"] is None for one in withheld)


@pytest.mark.slow
def test_of_a_withheld_answer_nothing_that_depends_on_the_model_is_sent(opened: Browser) -> None:
    withheld = [one for one, answer in rows(opened).items() if answer.get("withheld")]
    assert withheld, "the simulated study has patients to whom the model does not apply"
    for one in withheld:
        assert opened.client.get(f"/api/cases/{one}/reasons").json() == {"withheld": True}
        layers = opened.client.get(f"/api/cases/{one}/slides/1/layers")
        if layers.status_code == 200:
            assert {layer["key"] for layer in layers.json()["layers"]} <= {"tissue"}
    text = words.WITHHELD[False][:20]
    assert any(text in opened.client.get(f"/api/cases/{one}/answer").text for one in withheld)


@pytest.mark.slow
def test_running_again_without_a_change_gives_the_same_answer_and_with_one_another(opened: Browser) -> None:
    case = next(one for one in opened.workbench.workspace.cohort.used if one.files.ct and one.role != "development")
    address = f"/api/cases/{case.patient_id}"
    response = opened.client.get(f"{address}/regions/0")
    size = tuple(map(int, response.headers["x-size"].split(",")))
    labels = np.frombuffer(response.content, np.uint8).reshape(size[::-1]).copy()
    query = {"first": response.headers["x-first"], "size": response.headers["x-size"]}
    query["regions"] = response.headers["x-regions"]
    for version, drawn in enumerate((labels, half_the_tumor(labels))):
        content = gzip.compress(drawn.tobytes())
        more = query | {"based_on": str(version)}
        saved = opened.client.post(f"{address}/regions", params=more, content=content, headers=opened.headers)
        assert saved.status_code == 200
    unchanged, changed = (
        rerun(opened.workbench, Job(kind="rerun", patient_id=case.patient_id, options={"version": version}), QUIET)
        for version in (1, 2)
    )
    assert unchanged["after"]["answer"] == unchanged["before"]["answer"]
    assert volumes(unchanged["after"]) == pytest.approx(volumes(unchanged["before"]))
    assert changed["before"] == unchanged["before"]
    assert changed["after"]["answer"] != changed["before"]["answer"]
    assert changed["after"]["regions"]["tumor"]["volume_ml"] < changed["before"]["regions"]["tumor"]["volume_ml"]


def volumes(side: dict) -> dict[str, float]:
    return {scale: facts["volume_ml"] for scale, facts in side["regions"].items()}


def half_the_tumor(labels: np.ndarray) -> np.ndarray:
    """The lower half of the tumor becomes esophagus."""
    found = labels.copy()
    slices = np.flatnonzero((labels == 2).any(axis=(1, 2)))
    lower = found[: slices.mean().astype(int) + 1]
    lower[lower == 2] = 1
    return found


@pytest.mark.slow
def test_an_answer_is_kept_until_the_case_changes(opened: Browser) -> None:
    case = next(opened.workbench.cases())
    shelf = AnswerShelf(opened.workbench)
    opened.client.get(f"/api/cases/{case.patient_id}/answer")
    assert shelf.get(case, "answer") is not None
    record = case.layout.record(case.patient_id, "ct")
    record.write_text(record.read_text(encoding="utf-8") + " ", encoding="utf-8")
    assert shelf.get(case, "answer") is None


def test_a_study_without_a_model_says_so(browser: Browser) -> None:
    assert "No model is trained yet" in browser.client.get("/api/cases/P-1/answer").json()["none"]
    assert browser.client.get("/api/study").json()["model"] is None


@pytest.mark.slow
def test_several_requests_for_one_answer_get_the_same(opened: Browser) -> None:
    address = f"/api/cases/{next(opened.workbench.cases()).patient_id}/answer"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: opened.client.get(address), range(4)))
    assert [one.status_code for one in found] == [200] * 4
    assert all(one.json() == found[0].json() for one in found)
