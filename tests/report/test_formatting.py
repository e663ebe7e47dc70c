"""Numbers as they stand in a page."""

from __future__ import annotations

import pytest

from espark.report import formatting


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.31249, "0.312"), (1.834, "1.83"), (12.34, "12.3"), (1234.5, "1 234"), (-0.5, "-0.500"),
     (0.000012, "under 0.0001"), (None, "not known"), (float("nan"), "not known"), (float("inf"), "not known")],
)  # fmt: skip
def test_significant(value: float | None, text: str) -> None:
    assert formatting.significant(value).replace("\u202f", " ") == text


def test_amounts_and_counts() -> None:
    assert formatting.amount(160.74, "ml") == "160.7\u202fml"
    assert formatting.amount(None, "ml") == "not known"
    assert formatting.counted(1, "slide") == "1 slide"
    assert formatting.counted(3148, "tile") == "3\u202f148 tiles"
    assert formatting.percent_of(3, 0) == "–"


def test_an_interval_is_set_apart_without_letting_markup_in() -> None:
    assert formatting.with_interval("0.8 (0.7–0.9)") == '0.8 <span class="interval">(0.7–0.9)</span>'
    assert "<b>" not in formatting.with_interval("<b>1 (<b>2</b>)")


@pytest.mark.parametrize(("text", "whole"), [("One", "One."), ("Two.", "Two."), ("Why?", "Why?"), ("", "")])
def test_sentence(text: str, whole: str) -> None:
    assert formatting.sentence(text) == whole
