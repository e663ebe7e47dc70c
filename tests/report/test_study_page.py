"""What a study's report says."""

from __future__ import annotations

import pytest
from report_examples import study_report

from espark.report import words
from espark.report.study_content import MetricsTable, PatientLink
from espark.report.study_html import render_study
from page_reader import PageReader


def _rows(page: str, first: str) -> list[list[str]]:
    rows = [row for row in PageReader(page).all("tr") if row.children[0].text().strip() == first]
    return [[cell.text().replace("\u202f", " ").strip() for cell in row.children] for row in rows]


def test_shares_count_only_patients_with_a_known_outcome() -> None:
    page = render_study(study_report())
    assert _rows(page, "HN") == [["HN", "external test", "72", "21 of 70 (30 %)", "2", "72", "70"]]
    assert _rows(page, "All") == [["All", "", "232", "69 of 230 (30 %)", "2", "230", "230"]]


def test_nobody_disappears() -> None:
    page = render_study(study_report())
    assert "CC-0012: no outcome." in page
    assert _rows(page, "HN-0003")[0] == ["HN-0003", "slide", "broken.svs: not a slide"]
    assert _rows(page, "HN-0003")[1] == ["HN-0003", "HN", "not known", "nothing", "no answer", "–"]
    empty = render_study(study_report(set_aside=(), failed=()))
    assert "No patient was left out." in empty and "None: every image was read." in empty


def test_the_patient_table_links_and_sorts_by_the_exact_number() -> None:
    page = render_study(study_report())
    tree = PageReader(page)
    assert [a.attributes["href"] for a in tree.all("a")][-1] == "patients/CC-0001.html"
    [table] = [table for table in tree.all("table") if table.attributes.get("class") == "sortable"]
    values = [cell.attributes.get("data-value") for row in table.children[2].children for cell in row.children]
    assert [value for value in values if value] == ["0.71"]


def test_an_answer_that_is_not_to_be_printed_leaves_no_trace() -> None:
    kept = PatientLink("CC-0001", "CC", 1, "both", 0.71, 1, "patients/CC-0001.html", "withheld")
    page = render_study(study_report(patients=(kept,)))
    assert _rows(page, "CC-0001") == [["CC-0001", "CC", "pCR", "CT and slides", "withheld", "–"]]
    assert 'data-value="' not in page
    assert "1 of 1 answers are withheld" in page


@pytest.mark.parametrize("simulated", [True, False])
def test_every_table_of_a_simulated_study_says_so(simulated: bool) -> None:
    tree = PageReader(render_study(study_report(simulated=simulated)))
    captions = [caption.text() for caption in tree.all("caption")]
    captions = [text for text in captions if "failed" not in text and "TRIPOD" not in text]
    assert len(captions) == 3
    assert all(caption.startswith("Simulated patients.") == simulated for caption in captions)
    [flow] = [figure for figure in tree.all("figcaption") if "Flow of the patients" in figure.text()]
    assert flow.text().startswith("Simulated patients.") == simulated
    [running] = [element for element in tree.elements if element.attributes.get("class") == "running"]
    assert (words.SIMULATED in running.text()) == simulated


def test_columns_of_numbers_are_flush_right_and_intervals_stay_whole() -> None:
    page = render_study(study_report())
    [row] = [row for row in PageReader(page).all("tr") if row.children[0].text() == "eSPARK"]
    assert [cell.attributes.get("class") for cell in row.children] == [None, None, "num"]
    assert [child.text() for child in row.children[2].children] == ["(0.63–0.87)"]
    assert not row.children[1].children


def test_a_table_has_as_many_cells_as_columns() -> None:
    with pytest.raises(ValueError, match="2 columns, but a row of 1"):
        MetricsTable("Results", "", ("a", "b"), (("1",),))
