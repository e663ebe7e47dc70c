"""What the reports of a finished study print, and what they keep back."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from espark.files import read_json, write_json
from espark.report.study_content import MetricsTable
from espark.steps.evaluate.evaluation_tables import POOLED
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.report import report as report_step
from espark.steps.report.applicability_in_words import Applicable
from espark.steps.report.report import report
from espark.steps.report.study_page import study_page
from espark.steps.report.study_tables import checks_table, subgroup_table
from espark.types import column_title
from espark.wording import percent
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from page_reader import PageReader
from page_rules import RULES, check_wording

QUIET = Reporter("quiet")


def _rows(folder: Path) -> dict[str, list[tuple[str, str]]]:
    """By the text of its first cell, each row of the study report's tables: (attributes, text) of its cells."""
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    rows = {}
    for row in re.findall(r"<tr.*?</tr>", page, re.DOTALL):
        cells = re.findall(r"<t[hd]([^>]*)>(.*?)</t[hd]>", row, re.DOTALL)
        texts = [(attributes, html.unescape(re.sub(r"<[^>]+>", "", cell))) for attributes, cell in cells]
        rows[texts[0][1]] = texts
    return rows


def _answer(row: list[tuple[str, str]]) -> tuple[str, bool, str]:
    """What a row of the patient table prints: probability, whether the exact one is in the page, call."""
    (attributes, probability), (_, call) = row[-2:]
    return probability, "data-value" in attributes, call


@pytest.mark.parametrize("rule", RULES)
def test_every_page_of_a_study_keeps_the_rules(finished: Path, rule: str) -> None:
    pages = list((finished / "report").rglob("*.html"))
    assert len(pages) == 1 + len(open_workspace(finished).cohort.used)
    for page in pages:
        RULES[rule](page.read_text(encoding="utf-8"))


def test_a_page_that_shows_everything_keeps_the_rules(study: Path) -> None:
    """The pages of a study with so few development patients are withheld unless somebody asks for them."""
    workspace = open_workspace(study)
    patient_id = workspace.cohort.used[-1].patient_id
    report(workspace, patient_id=patient_id, show_withheld=True, reporter=QUIET)
    page = workspace.layout.patient_report(patient_id).read_text(encoding="utf-8")
    assert "The tiles that counted most" in page and "Biomarkers" in page
    for keeps in RULES.values():
        keeps(page)


def test_the_page_of_a_new_patient_keeps_the_rules(finished: Path, tmp_path: Path) -> None:
    slides = tuple(finished / "slides" / f"{name}.tif" for name in ("B-0001", "B-0002"))
    predict(finished / "models" / "espark", NewPatient(slides=slides), tmp_path, show_withheld=True, reporter=QUIET)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Slide 2 of 2" in page
    for keeps in RULES.values():
        keeps(page)


def test_shares_of_patients_stand_in_per_cent_on_a_patients_page(finished: Path) -> None:
    metrics = pd.read_csv(finished / "evaluation" / "metrics.csv").query("model == 'espark' and cohort == 'B'")
    values = metrics.set_index("metric")["value"]
    tree = PageReader((finished / "report" / "patients" / "B-0001.html").read_text(encoding="utf-8"))
    [table] = [table for table in tree.all("table") if table.attributes.get("class") == "validation"]
    [row] = [row for part in table.children for row in part.children if row.text().startswith("external B")]
    printed = [cell.text() for cell in row.children[2:6]]
    for name, text in zip(("ppv", "npv", "sensitivity", "specificity"), printed, strict=True):
        if pd.isna(values[name]):
            assert text == "not available"
        else:
            assert re.fullmatch(rf"{percent(values[name])} \(\d+–\d+\)", text), (name, text)
    assert row.children[6].text().startswith(f"{values['auc']:.2f} (")


def test_the_study_report_prints_no_answer_that_a_patient_page_withholds(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace(study)
    outside = workspace.cohort.used[0].patient_id
    real = report_step.applicability

    def judged(bundle: Any, inputs: Any, **facts: Any) -> Applicable:
        found = real(bundle, inputs, **facts)
        return Applicable(("Made up.",) if inputs.patient_ids == (outside,) else (), found.likeness)

    monkeypatch.setattr(report_step, "applicability", judged)
    for patient in workspace.cohort.used:
        workspace.layout.record(patient.patient_id, "report").unlink()
    report(workspace, reporter=QUIET)
    shown = 0
    rows = _rows(study)
    for patient_id in (patient.patient_id for patient in workspace.cohort.used):
        page = workspace.layout.patient_report(patient_id).read_text(encoding="utf-8")
        withheld = "No probability is given" in page
        assert withheld or patient_id != outside
        assert (_answer(rows[patient_id]) == ("withheld", False, "–")) == withheld
        shown += not withheld
    assert shown
    report(workspace, patient_id=outside, show_withheld=True, reporter=QUIET)
    workspace.layout.report.write_text(study_page(workspace, "espark", []), encoding="utf-8")
    assert _answer(_rows(study)[outside])[1]


def test_a_patient_without_a_page_gets_no_answer_in_the_study_report(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = open_workspace(study)
    lost = workspace.cohort.used[0].patient_id
    workspace.layout.record(lost, "report").unlink()

    def broken(*_: Any, **__: Any) -> Applicable:
        raise OSError("the disk is full")

    monkeypatch.setattr(report_step, "applicability", broken)
    assert [row.patient_id for row in report(workspace, reporter=QUIET).failed] == [lost]
    assert _answer(_rows(study)[lost]) == ("no page, so no answer", False, "–")


def test_every_subgroup_is_printed_with_its_patients_and_interval(finished: Path) -> None:
    workspace = open_workspace(finished)
    [table] = subgroup_table(workspace, "espark")
    source = pd.read_csv(finished / "evaluation" / "subgroups.csv").query("model == 'espark' and cohort == @POOLED")
    printed = {(row[0], row[1]): row[-2:] for row in table.rows if row[-2] != "–"}
    assert len(printed) == len(source)
    for _, row in source.iterrows():
        patients, area = printed[column_title(row["subgroup"]), str(row["level"])]
        assert patients == f"{row['n_pcr']} of {row['n']}"
        assert area.startswith("not available" if pd.isna(row["auc"]) else f"{row['auc']:.2f} (")
    assert POOLED not in str(table.columns)
    groups = [row[0] for row in table.rows]
    assert len(set(groups)) == sum(name != before for name, before in zip(groups, [None, *groups[:-1]], strict=True))


def test_checks_are_printed_and_plain_values_left_aside(study: Path) -> None:
    workspace = open_workspace(study)
    path = workspace.layout.explanation("checks.json")
    entries = [entry for entry in read_json(path).values() if isinstance(entry, dict) and "title" in entry]
    rows = _rows(study)
    assert entries
    for entry in entries:
        check_wording(entry["sentence"])
        expected = entry["sentence"] if entry["n"] else "No patient could be used for this check."
        assert rows[entry["title"]][-1][1] == expected
    made_up = {"title": "A check", "n": 7, "value": 0.5, "ci_low": None, "ci_high": None, "sentence": "Seven."}
    missing = made_up | {"title": "Another", "value": None}
    below = made_up | {"title": "Below", "ci_low": -0.1, "ci_high": 0.9}
    write_json(path, {"one": made_up, "two": missing, "three": below, "model": "espark", "old": {"n": 3}})
    [table] = checks_table(workspace)
    assert isinstance(table, MetricsTable)
    assert {row[0]: row[2] for row in table.rows} == {
        "A check": "0.50",
        "Another": "not available",
        "Below": "0.50 (−0.10 to 0.90)",
    }
    write_json(path, {"model": "espark"})
    assert not list(checks_table(workspace))
