"""One typography of numbers in running text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espark.wording import number, percent, signed, with_thin_percent


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [(0.0, 0, "0 %"), (0.004, 0, "under 1 %"), (0.124, 0, "12 %"), (0.996, 0, "over 99 %"), (1.0, 0, "100 %"),
     (1e-9, 1, "under 0.1 %"), (0.0043, 2, "0.43 %"), (0.9999, 1, "over 99.9 %"), (1.3, 0, "130 %")],
)  # fmt: skip
def test_percent(share: float, digits: int, text: str) -> None:
    assert percent(share, digits).replace("\u202f", " ") == text


@given(st.floats(0, 1))
def test_only_certainty_reads_as_certain(share: float) -> None:
    text = percent(share)
    assert (text == "0\u202f%") == (share == 0)
    assert (text == "100\u202f%") == (share == 1)


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_a_minus_is_a_minus_and_nothing_has_a_sign(value: float, digits: int) -> None:
    for text in (number(value, digits), signed(value, digits)):
        assert "-" not in text
        assert float(text.replace("−", "-")) == round(value, digits) or abs(value) > 1e5
        if not text.strip("0.+−"):
            assert text[0] == "0"
    assert signed(value, digits).lstrip("+") == number(value, digits)


def test_gaps_before_per_cent_signs() -> None:
    assert with_thin_percent("95 % of 8\u00a0%, a % b") == "95\u202f% of 8\u202f%, a % b"
    sheet = "th { width: 49%; } td { margin: 0 10% }"
    assert with_thin_percent(sheet) == sheet
