"""How the centers of a study are joined to one effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from espark.statistics.auc import auc
from espark.steps.explain import biomarker_tests


def center_row(center: str, seed: int, n: int = 60) -> tuple[tuple[object, ...], float, float]:
    """A row of the tests of one center, with the logit of its AUC and DeLong's standard error there."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    area = auc(labels, rng.normal(size=n) + 0.8 * labels)
    effect, low, high = (2 * end - 1 for end in (area.value, area.ci_low, area.ci_high))
    error = (logit(area.ci_high) - logit(area.ci_low)) / (2 * 1.959964)
    return (center, "nlr", n, effect, low, high, 0.01, 0.02), float(logit(area.value)), float(error)


def summary(*rows: tuple[object, ...]) -> pd.Series:
    return biomarker_tests.meta_rows(pd.DataFrame(rows, columns=biomarker_tests._COLUMNS)).iloc[0]


def test_one_center_is_its_own_summary() -> None:
    row, _, _ = center_row("A", 1)
    found = summary(row)
    assert (found["effect"], found["ci_low"], found["ci_high"]) == pytest.approx(row[3:6], rel=1e-5)
    assert found["centers"] == 1


def test_centers_are_weighed_by_their_precision_on_the_logit_of_the_auc() -> None:
    """Three centers alike enough that their variance between them is zero: the weights are 1 / error²."""
    rows, effects, errors = zip(*(center_row(name, 5, n) for name, n in (("A", 60), ("B", 62), ("C", 58))), strict=True)
    weights = 1 / np.square(errors)
    expected = float(weights @ effects / weights.sum())
    found = summary(*rows)
    assert found["tau2"] == 0
    assert found["effect"] == pytest.approx(2 * expit(expected) - 1)
    half = 4.302653 / np.sqrt(weights.sum())  # Student's t with two degrees of freedom
    assert found["ci_low"] == pytest.approx(2 * expit(expected - half) - 1, abs=1e-6)
    assert found["n"] == 180


def test_the_row_over_all_and_centers_without_an_interval_are_left_out() -> None:
    row, _, _ = center_row("A", 1)
    perfect = ("B", "nlr", 8, 1.0, 0.4, 1.0, 0.01, 0.02)
    found = summary(row, perfect, ("all", "nlr", 68, 0.1, 0.0, 0.2, 0.5, 0.5))
    assert (found["centers"], found["n"]) == (1, 60)
    assert found["effect"] == pytest.approx(row[3])
