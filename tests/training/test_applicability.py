"""The distance of a patient to the development patients, by hand and in proportion to what they themselves show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from espark.training.likeness.applicability import Applicability, Distance, Likeness, View, sure_rate

BY_HAND = Distance(
    mean=np.array([1, 0, 0], np.float32),
    sd=np.array([2, 1, 1], np.float32),
    components=np.array([[1, 0, 0]], np.float32),
    spread=np.array([2], np.float32),
    residual=0.5,
    held_out=np.array([1.0, 2.0, 3.0]),
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
    check = Distance.fit(list(patients(200, noise, 1)))
    limit = check.limit(0.05)
    usual, noisy = patients(200, noise, 2), patients(200, 4 * noise, 3)
    assert np.mean([check.distance(one) > limit for one in usual]) < 0.1
    assert np.mean([check.distance(one) > limit for one in noisy]) > 0.95
    residuals = [check._residual(one).mean() / check.residual for one in usual]
    assert np.mean(residuals) == pytest.approx(1, abs=0.1)


def test_the_limit_comes_from_patients_that_the_fit_did_not_see() -> None:
    """With more features than patients, any patient lies within the components that were fitted on it."""
    rng = np.random.default_rng(0)
    check = Distance.fit(list(rng.normal(size=(30, 1, 200)).astype(np.float32)))
    fresh = rng.normal(size=(200, 1, 200)).astype(np.float32)
    assert np.mean([check.distance(one) > check.limit(0.05) for one in fresh]) < 0.1


def test_the_limit_withholds_the_stated_rate_on_average() -> None:
    """Over many development sets, whatever the distribution: here the distances are log-normal."""
    rates = []
    for seed in range(40):
        everyone = np.exp(patients(160, 0.3, seed))
        check = Distance.fit(list(everyone[:60]))
        rates.append(np.mean([check.distance(one) > check.limit(0.05) for one in everyone[60:]]))
    assert 0.02 < np.mean(rates) < 0.065


def test_the_limit_is_an_order_statistic() -> None:
    check = replace(BY_HAND, held_out=np.arange(1.0, 101.0))
    assert check.limit(0.05) == 96  # ceil(0.95 · 101)
    assert replace(BY_HAND, held_out=np.arange(1.0, 11.0)).limit(0.05) == 10  # too few: the largest


@pytest.mark.parametrize(("n", "rate"), [(10, 0.05), (40, 0.05), (176, 0.025)])
def test_the_interval_of_the_share_holds_in_95_of_100_sets(n: int, rate: float) -> None:
    """Of uniform distances, the share beyond a limit is 1 − limit."""
    low, high = sure_rate(n, rate)
    place = min(int(np.ceil((1 - rate) * (n + 1))), n) - 1
    beyond = 1 - np.sort(np.random.default_rng(0).random((20_000, n)), axis=1)[:, place]
    assert np.mean((beyond >= low) & (beyond <= high)) == pytest.approx(0.95, abs=0.01)


def test_many_rows_see_a_small_shift_of_all_of_them() -> None:
    rng = np.random.default_rng(0)
    check = Distance.fit([rng.normal(size=(100, 30)).astype(np.float32) for _ in range(20)])
    assert check.distance(rng.normal(size=(100, 30)).astype(np.float32)) < check.limit(0.05) * 1.05
    assert check.distance((0.7 + rng.normal(size=(100, 30))).astype(np.float32)) > check.limit(0.05)


def views(count: int, seed: int, *, shift: float = 0.0, strange: float = 1.0) -> list[View]:
    """Five steady numbers; a scanner shifts all the others."""
    steady = strange * patients(count, 0.3, seed)[:, :, :8]
    rest = patients(count, 0.3, seed + 1000) + np.float32(shift)
    return [View(one, np.concatenate([one, other], axis=1)) for one, other in zip(steady, rest, strict=True)]


def test_a_new_scanner_is_told_from_a_strange_patient() -> None:
    check = Applicability.fit(views(150, 1))
    usual = [check.compare(view) for view in views(100, 2)]
    scanner = [check.compare(view) for view in views(100, 3, shift=0.6)]
    strange = [check.compare(view) for view in views(100, 4, strange=4.0)]
    foreign = [check.compare(view) for view in views(100, 5, shift=40.0)]
    for found in (usual, scanner):
        assert np.mean([one.strange or one.foreign for one in found]) <= 0.1
    assert np.mean([one.shifted for one in scanner]) > 0.8 > 0.1 > np.mean([one.shifted for one in usual])
    assert np.mean([one.strange for one in strange]) > 0.8
    assert all(one.foreign and not one.shifted for one in foreign)
    assert check.is_new_center([one.shift for one in scanner[:10]])
    assert not check.is_new_center([one.shift for one in usual])


def test_without_steady_features_the_whole_distance_decides() -> None:
    everyone = [View(None, view.whole) for view in views(100, 1)]
    check = Applicability.fit(everyone, rate=0.02)
    assert check.steady is None
    found = check.compare(everyone[0])
    assert found.distance == found.shift and found.limit == found.usual == check.whole.limit(0.02)


@pytest.mark.parametrize("distance", [float("nan"), float("inf"), 1.1])
def test_a_distance_that_is_no_number_is_beyond_every_limit(distance: float) -> None:
    assert Likeness(distance, 1.0, 0.5, 1.0, 2.0).strange
    assert Likeness(0.5, 1.0, 2 * distance, 1.0, 2.0).foreign


def test_applicability_is_stored_to_the_last_bit() -> None:
    check = Applicability.fit(views(30, 1), rate=0.03)
    again = Applicability.restore(check.tensors())
    for view in views(5, 2):
        assert again.compare(view) == check.compare(view)
    assert again.rate == 0.03 and again.sure == check.sure
