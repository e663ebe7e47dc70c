"""Too few patients of a class are refused before hours are spent."""

from __future__ import annotations

import numpy as np
import pytest

from espark.errors import InputError
from espark.training.folds import draw_folds, too_few, too_few_with


@pytest.mark.parametrize(
    ("labels", "folds", "enough"),
    [
        ([0, 1] * 5, 5, True),
        ([0, 1] * 5, 6, False),
        ([0, 1] * 2 + [0], 3, True),
        ([0] * 9 + [1], 3, False),
        ([0] * 10, 3, False),
        ([1] * 10, 3, False),
        ([0] * 8 + [1] * 2, 3, True),
        ([], 2, False),
    ],
)
def test_enough_patients_of_each_class_are_needed(labels: list[int], folds: int, enough: bool) -> None:
    assert (too_few(labels, folds) is None) == enough
    if enough:
        assert set(draw_folds(labels, ["A"] * len(labels), folds=folds, seed=0).tolist()) == set(range(folds))
    else:
        with pytest.raises(InputError, match="too few for"):
            draw_folds(labels, ["A"] * len(labels), folds=folds, seed=0)


def test_each_class_must_be_there_without_any_of_the_folds() -> None:
    labels, folds = [0, 1, 0, 1, 0, 1], np.array([0, 0, 1, 1, 2, 2])
    assert too_few_with(labels, folds, [True] * 6, "slides") is None
    assert too_few_with(labels, folds, [False] * 6, "slides") is None, "then nothing is trained on slides"
    problem = too_few_with(labels, folds, [True, True, True, False, True, False], "slides")
    assert problem is not None and problem.code == "E-STUDY-009"
    assert "1 have the outcome and 3 do not" in str(problem) and "Add patients with slides" in str(problem)
