"""The distance of a patient to the development patients, by hand and in proportion to what they themselves show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from espark.training.applicability import Applicability

BY_HAND = Applicability(
    mean=np.array([1, 0, 0], np.float32),
    sd=np.array([2, 1, 1], np.float32),
    components=np.array([[1, 0, 0]], np.float32),
    spread=np.array([2], np.float32),
    residual=0.5,
    limit=3.0,
)


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


@pytest.mark.parametrize(
    ("values", "squared"),
    [
        ((1, 0, 0), 0.0),  # the mean patient
        ((9, 0, 0), (4 / 2) ** 2),  # four SD along a component of spread two
        ((1, 3, 0), (9 / 3) / 0.5),  # off the components: the mean square over three features, over the usual residual
        ((5, 1, 2), (2 / 2) ** 2 + (5 / 3) / 0.5),
        ((1, 50, 0), (100 / 3) / 0.5),  # clipped at ten SD
        ((np.nan, 0, np.nan), 0.0),  # what is not known is taken for the mean
    ],
)
def test_the_distance_joins_components_and_residual(values: tuple[float, ...], squared: float) -> None:
    assert BY_HAND.distance(row(*values)) == pytest.approx(np.sqrt(squared), abs=1e-6)


def test_a_feature_that_carries_nothing_adds_nothing() -> None:
    still = replace(BY_HAND, sd=np.array([2, 1, np.inf], np.float32))
    assert still.distance(row(1, 0, 77)) == 0


def test_many_rows_count_by_the_mean_of_their_squares() -> None:
    rows = np.concatenate([row(9, 0, 0), row(1, 0, 0)])
    assert BY_HAND.distance(rows) == pytest.approx(np.sqrt(4 / 2))


def patients(count: int, noise: float, seed: int) -> np.ndarray:
    """(count, 1, 40) five things vary, and each of forty features is a mixture of them and of its own noise."""
    loadings = np.random.default_rng(0).normal(size=(5, 40))
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(count, 5)) @ loadings + noise * rng.normal(size=(count, 40))).astype(np.float32)[:, None]


@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_what_lies_off_the_components_is_judged_by_what_development_patients_leave(noise: float) -> None:
    """The same picture at any level of noise: usual patients are inside, four times as noisy ones outside."""
    check = Applicability.fit(list(patients(200, noise, 1)))
    usual, noisy = patients(200, noise, 2), patients(200, 4 * noise, 3)
    assert np.mean([check.distance(one) > check.limit for one in usual]) < 0.03
    assert np.mean([check.distance(one) > check.limit for one in noisy]) > 0.95
    residuals = [check._residual(one).mean() / check.residual for one in usual]
    assert np.mean(residuals) == pytest.approx(1, abs=0.1)


def test_the_limit_comes_from_patients_that_the_fit_did_not_see() -> None:
    """With more features than patients, any patient lies within the components that were fitted on it."""
    rng = np.random.default_rng(0)
    development = rng.normal(size=(30, 1, 200)).astype(np.float32)
    check = Applicability.fit(list(development))
    fresh = rng.normal(size=(200, 1, 200)).astype(np.float32)
    assert np.mean([check.distance(one) > check.limit for one in fresh]) < 0.05
