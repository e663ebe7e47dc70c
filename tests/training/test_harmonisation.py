"""CT features of another scanner, brought to the mean and spread of the development patients."""

from __future__ import annotations

import numpy as np
import pytest

from espark.training.likeness.harmonisation import Harmonisation

MEAN, SD = np.array([10.0, 100.0, 1.0]), np.array([2.0, 20.0, 0.5])


def site(n: int, seed: int = 0) -> np.ndarray:
    """The first feature is shifted by 6 and spread twice, the others are as in development."""
    values = MEAN + SD * np.random.default_rng(seed).normal(size=(n, 3))
    values[:, 0] = 16 + 2 * (values[:, 0] - 10)
    return values.astype(np.float32)


def fitted(n: int) -> Harmonisation:
    return Harmonisation.fit(site(n), MEAN, SD, np.array([True, True, False]))


def test_many_patients_bring_mean_and_spread_to_those_of_development() -> None:
    found = fitted(2000).apply(site(2000, seed=1))
    assert found[:, 0].mean() == pytest.approx(10, abs=0.2) and found[:, 0].std() == pytest.approx(2, rel=0.05)
    assert found[:, 1].mean() == pytest.approx(100, abs=1)


def test_few_patients_change_less() -> None:
    moved = [abs(fitted(n).apply(np.array([[16, 100, 1]], np.float32))[0, 0] - 16) for n in (5, 20, 2000)]
    assert moved == sorted(moved) and 1.5 < moved[0] < 5


def test_what_no_scanner_moves_stays_to_the_last_bit() -> None:
    values = site(50)
    assert (fitted(20).apply(values)[:, 2] == values[:, 2]).all()


def test_the_order_of_patients_stays() -> None:
    values = site(50, seed=2)
    assert (np.argsort(fitted(10).apply(values)[:, 0]) == np.argsort(values[:, 0])).all()


def test_a_missing_value_stays_missing_and_a_runaway_value_does_not_decide() -> None:
    values = site(20)
    values[0, 0], values[1, 1] = np.nan, 1e9
    found = Harmonisation.fit(values, MEAN, SD, np.ones(3, bool))
    assert np.isnan(found.apply(values)[0, 0])
    assert found.apply(np.array([[16, 100, 1]], np.float32))[0, 1] == pytest.approx(100, abs=25)


def test_constant_and_rarely_known_features_are_left_alone() -> None:
    values = site(10)
    values[:, 0], values[2:, 1] = 7, np.nan
    found = Harmonisation.fit(values, MEAN, np.array([2, 20, np.inf]), np.ones(3, bool))
    assert found.places.tolist() == []


def test_it_is_stored_to_the_last_bit() -> None:
    found = fitted(12)
    again = Harmonisation.restore(found.tensors(), 3)
    assert (again.apply(site(5)) == found.apply(site(5))).all()


@pytest.mark.parametrize(("name", "value"), [("factor", 0.0), ("factor", np.nan), ("shift", np.inf), ("places", 3)])
def test_unusable_numbers_are_refused(name: str, value: float) -> None:
    tensors = fitted(12).tensors()
    tensors[name][0] = value
    with pytest.raises(ValueError, match="unusable numbers"):
        Harmonisation.restore(tensors, 2 if name == "places" else 3)
