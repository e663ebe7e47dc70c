"""In which rows of a patient the distances to the development patients are measured."""

from __future__ import annotations

import numpy as np
import pytest

from espark.training.inputs import Bag, Inputs
from espark.training.likeness.views import applicability_views


def patients(*sizes: int | None) -> Inputs:
    """One feature; a tile is its place in the slide."""
    bags = tuple(None if n is None else Bag(np.arange(n, dtype=np.float32)[:, None], None) for n in sizes)
    ids = tuple(f"p{index}" for index in range(len(sizes)))
    radiomics = np.arange(len(sizes), dtype=np.float32)[:, None]
    return Inputs(ids, ("tumor",), (("a",),), radiomics, bags)


@pytest.mark.parametrize("size", [1, 299, 300, 301, 599, 600, 1000, 12_345])
def test_tiles_come_from_all_over_the_slides(size: int) -> None:
    places = applicability_views(patients(size), 0)["slides"].whole[:, 0]
    assert len(places) == min(size, 300) or 150 <= len(places) <= 300
    assert places[0] == 0 and len(set(np.diff(places).tolist())) <= 1, "evenly spaced, in their order"
    assert places[-1] >= 0.5 * (size - 1), "the lower half of the slides is looked at"


def test_large_slides_are_looked_at_to_their_end() -> None:
    places = applicability_views(patients(30_000), 0)["slides"].whole[:, 0]
    assert places[-1] >= 0.99 * 30_000


def test_rows_are_those_of_the_one_patient() -> None:
    people = patients(5, None, 7)
    found = [applicability_views(people, index) for index in range(3)]
    assert [views["ct"].whole.tolist() for views in found] == [[[0.0]], [[1.0]], [[2.0]]]
    assert [len(views["slides"].whole) for views in found] == [5, 0, 7]
    assert found[1]["slides"].whole.shape == (0, 1)


def test_shape_is_steady_and_unfiltered_features_are_the_whole() -> None:
    names = (*(f"original_shape_{letter}" for letter in "abcde"), "original_glcm_x", "wavelet_glcm_x")
    row = np.arange(7, dtype=np.float32)[None]
    found = applicability_views(Inputs(("p",), ("tumor",), (names,), row, (None,)), 0)["ct"]
    assert found.steady is not None
    assert found.steady.tolist() == [[0, 1, 2, 3, 4]]
    assert found.whole.tolist() == [[0, 1, 2, 3, 4, 5]]


def test_nothing_is_steady_without_names_or_a_text_side() -> None:
    views = applicability_views(patients(4), 0)
    assert views["ct"].steady is None and views["slides"].steady is None


def test_of_slides_the_means_of_what_the_encoder_names_are_steady() -> None:
    bag = Bag(
        np.zeros((2, 3), np.float32), np.array([[0.1, 0.3], [0.3, 0.5]], np.float32), np.array([[1], [3]], np.float32)
    )
    inputs = Inputs(("p",), (), (), np.zeros((1, 0), np.float32), (bag,))
    steady = applicability_views(inputs, 0)["slides"].steady
    assert steady is not None
    assert steady[0] == pytest.approx([0.2, 0.4, np.log(2.02)], abs=1e-6)
