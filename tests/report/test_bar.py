"""The probability bar runs from 10 at 0 % to 670 at 100 %: 6.6 units for a percent."""

from __future__ import annotations

import pytest
from report_examples import patient_report

from espark.report.drawn.bar import probability_bar


@pytest.mark.parametrize(
    ("probability", "sd", "low", "high"),
    [
        (0.5, 0.1, 274, 406),
        (0.3, 0.05, 175, 241),
        (0.02, 0.05, 10, 56.2),
        (0.97, 0.1, 584.2, 670),
        (0.4, 0.0, 274, 274),
    ],
)
def test_the_spread_is_one_sd_on_either_side_within_the_bar(
    probability: float, sd: float, low: float, high: float
) -> None:
    bar = probability_bar(patient_report(probability=probability, probability_sd=sd))
    assert (bar.low, bar.high) == (pytest.approx(low), pytest.approx(high))
    assert bar.mean == pytest.approx(10 + 660 * probability)
