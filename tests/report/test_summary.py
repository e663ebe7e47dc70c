"""The sentences under the answer: when a cell type stands out, and in which direction."""

from __future__ import annotations

import re

import pytest
from report_examples import patient_report

from espark.report.answer import answer_of
from espark.report.patient_content import CellTypeRow
from espark.report.summary import summary

_WORD = re.compile(r"(type [a-z]) (low|high)\b")


def said(*rows: CellTypeRow) -> str:
    report = patient_report(cell_types=rows)
    return " ".join(summary(report, answer_of(report)))


def words_of(*percentiles: float | None) -> dict[str, str]:
    """By name, whether a cell type at a percentile is called low or high."""
    rows = [CellTypeRow("major", f"Type {'abcdefgh'[place]}", 0.2, at, 100) for place, at in enumerate(percentiles)]
    return dict(_WORD.findall(said(*rows)))


@pytest.mark.parametrize(
    ("percentile", "word"),
    [
        (0.0, "low"), (4.0, "low"), (10.0, "low"), (10.5, None), (11.0, None), (44.0, None), (50.0, None),
        (89.0, None), (89.5, None), (90.0, "high"), (96.0, "high"), (100.0, "high"),
    ],
)  # fmt: skip
def test_only_the_outer_tenths_are_low_or_high(percentile: float, word: str | None) -> None:
    assert words_of(percentile).get("type a") == word


def test_types_that_are_not_far_out_or_not_compared_are_not_named() -> None:
    assert words_of(50.0, 95.0, None, 3.0) == {"type b": "high", "type d": "low"}


def test_no_type_far_out_is_said_and_nothing_is_said_without_a_comparison() -> None:
    assert "No cell type" in said(CellTypeRow("major", "Type a", 0.2, 50.0, 100))
    assert "ell type" not in said(CellTypeRow("major", "Type a", 0.2, None, None))


def test_three_types_are_named_and_the_others_counted() -> None:
    text = said(*(CellTypeRow("major", f"Type {name}", 0.2, 95.0, 100) for name in "abcde"))
    assert [name for name, _ in _WORD.findall(text)] == ["type a", "type b", "type c"]
    assert "2 more" in text


def test_the_probability_and_the_range_of_the_models_are_those_of_the_report() -> None:
    text = said().replace("\u202f", " ")
    assert "a probability of 73 %" in text
    assert "64 %" in text and "82 %" in text  # the lowest and the highest member


def test_an_answer_is_given_the_frequency_of_the_same_answer() -> None:
    """12 of 20 likely responders had the outcome; of the 88 who got "not sure", 26 had."""
    for conformal_set, share in (("positive", "60 %"), ("positive;negative", "30 %")):
        report = patient_report(conformal_set=conformal_set)
        text = " ".join(summary(report, answer_of(report))).replace("\u202f", " ")
        assert share in text
