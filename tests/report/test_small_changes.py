"""What small changes of the contour do, on a patient's page."""

from __future__ import annotations

import pytest
from report_examples import patient_report

from espark.explain.robustness import ChangedAnswer, Robustness
from espark.outcome import BOTH, POSITIVE, Outcome
from espark.report.answer import answer_of
from espark.report.drawn.small_changes import changes_drawing, changes_sentence
from espark.report.patient_html import render_patient


def found(*sets: str, thick: bool = True) -> Robustness:
    names = ["a contour 1 mm wider", "a contour 1 mm narrower", "a contour drawn again (1)"]
    names[-1:] = ["slices of 6 mm"] if thick else names[-1:]
    changed = (ChangedAnswer(*entry) for entry in zip(names, (0.62, 0.41, 0.73), sets, strict=True))
    return Robustness(0.66, POSITIVE, tuple(changed))


HOLDS, CHANGES = found(POSITIVE, POSITIVE, POSITIVE), found(POSITIVE, BOTH, POSITIVE)


def test_the_sentence_gives_the_range_and_the_answers() -> None:
    assert changes_sentence(HOLDS, Outcome()) == (
        "When the contour is moved by 1 mm or drawn again and with slices of 6 mm, the probability lies between "
        "41\u202f% and 73\u202f%; the answer stays “pCR likely”."
    )
    said = changes_sentence(CHANGES, Outcome())
    assert said.endswith("the answer changes: “pCR likely” after 2 and “Not sure” after 1 of 3 changes.")
    assert "slices" not in changes_sentence(found(POSITIVE, POSITIVE, POSITIVE, thick=False), Outcome())


def test_an_answer_that_depends_on_the_contour_is_marked() -> None:
    marked = answer_of(patient_report(robustness=CHANGES))
    assert marked.headline == "pCR likely"
    assert "depends on the exact contour" in marked.caveat
    assert "Read this as not sure" in marked.caveat
    assert answer_of(patient_report(robustness=HOLDS)).caveat == ""


def test_the_page_shows_each_change_once_and_a_withheld_page_none() -> None:
    page = render_patient(patient_report(robustness=CHANGES))
    assert page.count("a contour 1 mm narrower</text>") == 1
    assert 'href="#small-changes"' in page
    assert 'id="small-changes"' in page
    for hidden in (
        patient_report(robustness=CHANGES, withheld=True, outside=("Too large.",)),
        patient_report(robustness=CHANGES, outside=("Too large.",)),
        patient_report(),
    ):
        assert "small-changes" not in render_patient(hidden)


def test_the_drawing_puts_each_answer_at_its_probability() -> None:
    drawing = changes_drawing(CHANGES, 0.5)
    assert [row.kind for row in drawing.rows] == ["likely", "likely", "not-sure", "likely"]
    width = drawing.right - drawing.left
    assert [(row.x - drawing.left) / width for row in drawing.rows] == pytest.approx([0.66, 0.62, 0.41, 0.73], abs=1e-3)
    assert (drawing.threshold - drawing.left) / width == pytest.approx(0.5)
    assert len({row.y for row in drawing.rows}) == 4
