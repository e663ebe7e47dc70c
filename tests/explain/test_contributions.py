"""What each cell type carries of an answer, and the biomarkers of the tissue: against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from espark.cells import CELL_GROUPS, CELL_TYPES, COUNTED_CELLS
from espark.explain.cell_types import biomarkers, contributions, evidence, tile_statistics

CELL_TYPE_KEYS = tuple(entry.key for entry in CELL_TYPES)

TYPES = len(CELL_TYPE_KEYS)


def tiles(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, TYPES))


def with_evidence(**values: float) -> np.ndarray:
    """One tile with evidence of 0 for every type but the named ones."""
    return np.array([[values.get(key, 0.0) for key in CELL_TYPE_KEYS]])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


def counted(**numbers: list[float]) -> np.ndarray:
    length = len(next(iter(numbers.values())))
    return np.array([numbers.get(key, [0.0] * length) for key in COUNTED_CELLS], np.float32).T


def test_statistics_are_over_tiles_and_not_over_patients() -> None:
    """A patient with three tiles counts three times as much as one with one."""
    mean, sd = tile_statistics([np.array([[0.0, 1.0]] * 3, np.float32), np.array([[4.0, 1.0]], np.float32)])
    assert mean.tolist() == [1.0, 1.0]
    assert sd[0] == pytest.approx(math.sqrt(3.0))  # the population's, not the sample's √4
    assert sd[1] == 1.0  # nothing varies, and nothing is divided by zero


def test_evidence_is_the_similarity_in_sd_from_the_mean() -> None:
    found = evidence(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32), (2.0, 4.0), (0.5, 2.0))
    assert found.tolist() == [[-2.0, 0.5], [2.0, 0.5]]
    assert found.dtype == np.float64


def test_evidence_of_the_tiles_that_gave_the_statistics_is_standardized() -> None:
    similarity = [tiles(count, count).astype(np.float32) for count in (5, 40)]
    found = np.concatenate([evidence(part, *tile_statistics(similarity)) for part in similarity])
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), 1)


def test_a_contribution_of_one_tile_is_the_softmax_within_its_group() -> None:
    found = contributions(with_evidence(neutrophil=2.0, lymphocyte=0.5), np.ones(1, np.float32), CELL_TYPE_KEYS)
    assert found["neutrophil"] == pytest.approx(sigmoid(1.5))
    assert found["lymphocyte"] == pytest.approx(sigmoid(-1.5))
    for key in CELL_GROUPS["major"]:  # no evidence for or against any
        assert found[key] == pytest.approx(1 / 5)
    for key in CELL_GROUPS["tumor"]:
        assert found[key] == pytest.approx(1 / 2)


def test_a_tile_counts_as_much_as_the_model_attends_to_it() -> None:
    neutrophils, lymphocytes = with_evidence(neutrophil=3.0), with_evidence(lymphocyte=3.0)
    both = np.concatenate([neutrophils, lymphocytes])
    for weight in (0.0, 0.2, 0.9, 1.0):
        attention = np.array([weight, 1 - weight], np.float32)
        found = contributions(both, attention, CELL_TYPE_KEYS)
        expected = weight * sigmoid(3.0) + (1 - weight) * sigmoid(-3.0)
        assert found["neutrophil"] == pytest.approx(expected)
        assert found["lymphocyte"] == pytest.approx(1 - expected)


def test_a_tile_without_attention_may_show_anything() -> None:
    shown = tiles(6)
    attention = np.array([0.5, 0, 0.25, 0.25, 0, 0], np.float32)
    changed = np.where(attention[:, None] > 0, shown, 50 * tiles(6, seed=1))
    assert contributions(changed, attention, CELL_TYPE_KEYS) == contributions(shown, attention, CELL_TYPE_KEYS)


def test_shares_are_taken_tile_by_tile_before_they_are_averaged() -> None:
    """The mean of two softmaxes is not the softmax of the mean evidence, which would be a half here."""
    both = np.concatenate([with_evidence(neutrophil=9.0), with_evidence(lymphocyte=1.0)])
    found = contributions(both, np.full(2, 0.5, np.float32), CELL_TYPE_KEYS)
    assert found["neutrophil"] == pytest.approx((sigmoid(9.0) + sigmoid(-1.0)) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_each_group_shares_out_the_whole_answer(seed: int) -> None:
    attention = np.random.default_rng(seed).dirichlet(np.ones(20)).astype(np.float32)
    found = contributions(3 * tiles(20, seed), attention, CELL_TYPE_KEYS)
    assert set(found) == {key for keys in CELL_GROUPS.values() for key in keys}
    for keys in CELL_GROUPS.values():
        assert sum(found[key] for key in keys) == pytest.approx(1, abs=1e-6)
        assert all(0 <= found[key] <= 1 for key in keys)


def test_groups_do_not_compete_with_each_other() -> None:
    attention = np.full(4, 0.25, np.float32)
    plain, shown = contributions(tiles(4), attention, CELL_TYPE_KEYS), tiles(4)
    shown[:, CELL_TYPE_KEYS.index("neutrophil")] += 5
    found = contributions(shown, attention, CELL_TYPE_KEYS)
    assert found["neutrophil"] > plain["neutrophil"]
    for group in ("major", "tumor"):
        assert all(found[key] == plain[key] for key in CELL_GROUPS[group])


def test_columns_are_found_by_name_and_further_types_change_nothing() -> None:
    attention = np.array([0.7, 0.2, 0.1], np.float32)
    plain = contributions(tiles(3), attention, CELL_TYPE_KEYS)
    backwards = contributions(tiles(3)[:, ::-1], attention, CELL_TYPE_KEYS[::-1])
    assert backwards == pytest.approx(plain)
    wider = np.concatenate([np.full((3, 1), 9.0), tiles(3)], axis=1)
    assert contributions(wider, attention, ("eosinophil", *CELL_TYPE_KEYS)) == plain


def test_extreme_evidence_gives_all_or_nothing() -> None:
    found = contributions(with_evidence(neutrophil=1e4), np.ones(1, np.float32), CELL_TYPE_KEYS)
    assert (found["neutrophil"], found["lymphocyte"]) == (1.0, 0.0)


def test_with_counts_a_biomarker_is_the_ratio_of_the_sums() -> None:
    """12 neutrophils on 16 lymphocytes; the mean of the tiles' own ratios would be (5 + 1/2) / 2."""
    counts = counted(
        neutrophil=[5.0, 7.0],
        lymphocyte=[1.0, 15.0],
        well_differentiated_tumor_cell=[30.0, 0.0],
        poorly_differentiated_tumor_cell=[4.0, 6.0],
    )
    found = biomarkers(tiles(2), CELL_TYPE_KEYS, counts)
    assert found == pytest.approx({"nlr": 12 / 16, "differentiation": 3.0})


def test_with_counts_the_evidence_is_not_looked_at() -> None:
    counts = counted(neutrophil=[1.0], lymphocyte=[2.0], poorly_differentiated_tumor_cell=[1.0])
    assert biomarkers(tiles(1), CELL_TYPE_KEYS, counts) == biomarkers(tiles(1, 1), CELL_TYPE_KEYS, counts)


def test_without_lymphocytes_the_ratio_is_large_and_finite() -> None:
    found = biomarkers(tiles(1), CELL_TYPE_KEYS, counted(neutrophil=[3.0], lymphocyte=[0.0]))
    assert found["nlr"] == pytest.approx(3e6)
    assert found["differentiation"] == 0.0


def test_small_counts_of_many_tiles_are_not_lost() -> None:
    """In single precision, sixteen million and one is sixteen million."""
    counts = counted(neutrophil=[2.0**24, *[1.0] * 64], lymphocyte=[1.0, *[0.0] * 64])
    assert biomarkers(tiles(65), CELL_TYPE_KEYS, counts)["nlr"] == 2.0**24 + 64


def test_without_counts_a_biomarker_is_the_ratio_of_softened_mean_evidence() -> None:
    shown = np.concatenate(
        [
            with_evidence(neutrophil=3.0, lymphocyte=-1.0, well_differentiated_tumor_cell=-2.0),
            with_evidence(neutrophil=1.0, lymphocyte=0.0, poorly_differentiated_tumor_cell=4.0),
        ]
    )
    found = biomarkers(shown, CELL_TYPE_KEYS)
    assert found["nlr"] == pytest.approx(softplus(2.0) / softplus(-0.5))
    assert found["differentiation"] == pytest.approx(softplus(-1.0) / softplus(2.0))


def test_a_tissue_like_the_mean_development_tile_has_a_ratio_of_one() -> None:
    assert biomarkers(with_evidence(), CELL_TYPE_KEYS) == pytest.approx({"nlr": 1.0, "differentiation": 1.0})


def test_extreme_mean_evidence_does_not_overflow() -> None:
    found = biomarkers(with_evidence(neutrophil=1000.0, lymphocyte=-1000.0), CELL_TYPE_KEYS)
    assert found["nlr"] == pytest.approx(1000.0 / 1e-6)
