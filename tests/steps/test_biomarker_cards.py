"""What a patient's page says of a biomarker: side, percentile, and how the sides went so far."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from espark.bundle.bundle import Bundle
from espark.bundle.card import BundleCard
from espark.bundle.reference import Reference
from espark.outcome import Outcome
from espark.report.patient_content import Biomarker, SideRow
from espark.statistics.classification import Confusion, odds_ratio
from espark.statistics.estimate import Estimate
from espark.steps.report.biomarker_cards import biomarker_cards, ratio_text
from espark.wording import THIN

# Eight development patients: with an NLR up to 0.4 three of four had the outcome, above it one of four.
VALUES = (0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9)
LABELS = (1, 1, 0, 1, 0, 0, 1, 0)


def bundle(*, adverse: bool = False, labels: tuple[int, ...] = LABELS) -> Bundle:
    """Of whose card only the development patients and the outcome are filled in."""
    known = Reference(
        probability=(),
        labels=(),
        prediction=(),
        biomarkers={"nlr": VALUES},
        biomarker_labels={"nlr": labels},
        biomarker_favorable={"nlr": (1, 1, 1, 1, 0, 0, 0, 0)},
    )
    return Bundle(BundleCard.model_construct(reference=known, outcome=Outcome(adverse=adverse)), (), {})


def nlr(of: Bundle, value: float, *sides: SideRow) -> Biomarker:
    [found] = biomarker_cards(of, {"nlr": value}, {"nlr": sides} if sides else {})
    return found


@pytest.mark.parametrize(
    ("value", "side", "lower"), [(0.05, "low", 0.0), (0.35, "low", 37.5), (0.5, "low", 50.0), (0.65, "high", 62.5)]
)
def test_a_patient_lies_on_a_side_of_the_cutoff_halfway_between_development_patients(
    value: float, side: str, lower: float
) -> None:
    found = nlr(bundle(), value)
    assert found.cutoff == pytest.approx(0.5)
    assert (found.side, found.favorable, found.percentile, found.n) == (side, "low", lower, 8)


def test_equal_development_patients_are_not_lower() -> None:
    assert nlr(bundle(), 0.4).percentile == 37.5


def test_what_the_sides_meant_is_counted_for_low_and_high() -> None:
    [row] = nlr(bundle(), 0.3).sides
    assert (row.low.split(":")[0], row.high.split(":")[0]) == ("3 of 4", "1 of 4")
    assert row.odds_ratio.startswith("9.00 (")
    assert not row.differs


def test_for_an_adverse_outcome_the_expected_side_is_the_other() -> None:
    """With the labels turned, at or above 0.25 all four with the outcome are found, and half of the others."""
    turned = bundle(adverse=True, labels=tuple(1 - label for label in LABELS))
    found = [nlr(turned, value) for value in (0.15, 0.25, 0.3)]
    assert [(part.favorable, part.side) for part in found] == [("high", "low"), ("high", "high"), ("high", "high")]
    assert found[0].cutoff == pytest.approx(0.25)


def test_the_sides_of_a_study_go_before_those_of_the_bundle() -> None:
    row = SideRow("external B", "1 of 2", "0 of 3", "not available", False)
    assert nlr(bundle(), 0.3, row).sides == (row,)


def test_without_both_classes_there_is_no_cutoff_but_a_percentile() -> None:
    found = nlr(bundle(labels=(0,) * 8), 0.35)
    assert (found.cutoff, found.sides, found.picture) == (None, (), None)
    assert (found.percentile, found.n) == (37.5, 8)


def test_only_biomarkers_that_were_computed_are_shown() -> None:
    assert biomarker_cards(bundle(), {}, {}) == ()
    found = biomarker_cards(bundle(), {"nlr": 0.3, "differentiation": 2.0}, {})
    assert [(part.value, part.n) for part in found] == [(0.3, 8), (2.0, 0)]
    assert found[1].percentile is None


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (Confusion(tp=3, fp=1, fn=1, tn=3), "9.00 ("),
        (Confusion(tp=3, fp=0, fn=1, tn=3), "16*"),  # 3.5 · 3.5 / (0.5 · 1.5), a half in each cell
        (Confusion(tp=0, fp=0, fn=1, tn=3), "not available"),
    ],
)
def test_an_odds_ratio_has_a_star_where_a_half_was_added(counts: Confusion, text: str) -> None:
    assert ratio_text(odds_ratio(counts)).startswith(text)


def test_long_odds_are_not_printed_to_the_last_digit() -> None:
    estimate = Estimate(2500.0, 12.34, np.inf, "Woolf", 10)
    assert ratio_text(estimate) == "over 1000 (12–over 1000)"
    assert THIN not in ratio_text(replace(estimate, value=0.5))
