"""A page whose answer is withheld shows the images, and nothing that the model made of them."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest
from report_examples import patient_report, picture

from espark.report import words
from espark.report.patient_content import PatientReport
from espark.report.patient_html import render_patient

REASON = "The CT differs from those of the 160 development patients by more than the limit"
UNCHECKED = "Whether the CT resembles those of the development patients was not checked"


def text_of(report: PatientReport) -> str:
    body = re.sub(r"<style>.*?</style>", "", render_patient(report), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u202f", " ").split())


def withheld(*, unchecked: bool = False) -> PatientReport:
    report = patient_report(outside=(UNCHECKED if unchecked else REASON,), withheld=True, unchecked=unchecked)
    slide = dataclasses.replace(report.slides[0], overview=picture("the slide as it is"))
    return dataclasses.replace(report, slides=(slide,), slide_findings=("The model looked more at lymphocytes",))


FROM_THE_MODEL = (
    *("stromal cell", "immune cell", "neutrophil", "lymphocyte", "NLR", "0.31", "Cell types", "Biomarkers", "resemble"),
    *("Where the model looked", "chosen by cell type", "The tiles that counted most", "Attention", "2 164"),
    *("The features that moved the answer most", "Slides in words"),
)


def test_what_the_page_shows_otherwise_comes_from_the_model() -> None:
    shown = text_of(dataclasses.replace(withheld(), withheld=False, outside=()))
    for said in FROM_THE_MODEL:
        assert said in shown, said


def test_nothing_that_depends_on_the_model_is_left() -> None:
    page = text_of(withheld())
    for said in FROM_THE_MODEL:
        assert said not in page, said
    pictures = re.findall(r'alt="([^"]*)"', render_patient(withheld()))
    assert pictures == ["three planes", "the slide as it is"]


def test_what_describes_the_images_stays() -> None:
    page = text_of(withheld())
    for said in (
        *("160.7 ml", "74 mm", "Regions as they were outlined", "0.252 µm per pixel", "3 148 tiles", "Pen"),
        *("Slice spacing 3 mm", "The CT has 3 mm slices", REASON, "espark 0.1.0"),
    ):
        assert said in page, said


@pytest.mark.parametrize("shown", [False, True])
def test_what_was_not_checked_is_said_to_be_unchecked(shown: bool) -> None:
    report = dataclasses.replace(withheld(unchecked=True), withheld=not shown)
    page = text_of(report)
    assert words.NOT_CHECKED in page and UNCHECKED in page
    assert words.NOT_APPLICABLE not in page and "lies outside" not in page
    assert "it could not be checked whether the model applies" in page.lower()
    assert ("not checked: 73 %" in page) is shown
    assert ("± 5 %" in page) is shown
    assert "These figures do not hold for this patient" in page


def test_a_page_that_was_checked_does_not_speak_of_checking() -> None:
    for report in (patient_report(), withheld(), dataclasses.replace(withheld(), withheld=False)):
        assert "not checked" not in text_of(report).lower()


def test_a_resemblance_is_named_as_such_only_where_cells_are_shown() -> None:
    assert words.NO_DIAGNOSIS_OF_CELLS in text_of(dataclasses.replace(withheld(), withheld=False))
    assert words.NO_DIAGNOSIS_OF_CELLS not in text_of(withheld())
