"""In which rows of a patient the distance to the development patients is measured."""

from __future__ import annotations

import numpy as np
import pytest

from espark.bundle.bundle import applicability_rows
from espark.training.inputs import Bag, Inputs


def patients(*sizes: int | None) -> Inputs:
    """One feature; a tile is its place in the slide."""
    bags = tuple(None if n is None else Bag(np.arange(n, dtype=np.float32)[:, None], None) for n in sizes)
    ids = tuple(f"p{index}" for index in range(len(sizes)))
    radiomics = np.arange(len(sizes), dtype=np.float32)[:, None]
    return Inputs(ids, ("tumor",), (("a",),), radiomics, bags)


@pytest.mark.parametrize("size", [1, 299, 300, 301, 599, 600, 1000, 12_345])
def test_tiles_come_from_all_over_the_slides(size: int) -> None:
    places = applicability_rows(patients(size), 0)["slides"][:, 0]
    assert len(places) == min(size, 300) or 150 <= len(places) <= 300
    assert places[0] == 0 and len(set(np.diff(places).tolist())) <= 1, "evenly spaced, in their order"
    assert places[-1] >= 0.5 * (size - 1), "the lower half of the slides is looked at"


def test_large_slides_are_looked_at_to_their_end() -> None:
    places = applicability_rows(patients(30_000), 0)["slides"][:, 0]
    assert places[-1] >= 0.99 * 30_000


def test_rows_are_those_of_the_one_patient() -> None:
    people = patients(5, None, 7)
    found = [applicability_rows(people, index) for index in range(3)]
    assert [rows["ct"].tolist() for rows in found] == [[[0.0]], [[1.0]], [[2.0]]]
    assert [len(rows["slides"]) for rows in found] == [5, 0, 7]
    assert found[1]["slides"].shape == (0, 1)
