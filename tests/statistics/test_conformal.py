from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from espark.statistics.conformal import ConformalSets, coverage_estimate


def draw(seed, n, shift=0.0):
    generator = np.random.default_rng(seed)
    truth = generator.normal(-0.8 + shift, 1.2, size=n)
    return generator.random(n) < expit(truth), expit(truth)


def test_quantile_is_the_finite_sample_one():
    """Nine scores 0.1 … 0.9: at 90 % the 9th of 9 is needed, at 80 % the 8th, at 95 % there are too few."""
    scores = np.arange(1, 10) / 10
    y = np.zeros(9, dtype=int)
    assert ConformalSets.fit(y, scores, 0.9).quantile_positive == pytest.approx(0.9)
    assert ConformalSets.fit(y, scores, 0.8).quantile_negative == pytest.approx(0.8)
    assert ConformalSets.fit(y, scores, 0.95).quantile_positive == 1.0


def test_sets_by_hand():
    sets = ConformalSets(coverage=0.9, quantile_positive=0.7, quantile_negative=0.4, per_class=True, n=10)
    assert sets.predict([0.1, 0.35, 0.4, 0.41, 1.0]) == [
        "negative",
        "positive;negative",
        "positive;negative",
        "positive",
        "positive",
    ]
    narrow = ConformalSets(coverage=0.5, quantile_positive=0.3, quantile_negative=0.3, per_class=False, n=10)
    assert narrow.predict([0.2, 0.5, 0.8]) == ["negative", "", "positive"]


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_coverage_is_kept_on_average(coverage, per_class):
    held = []
    for seed in range(200):
        sets = ConformalSets.fit(*draw(seed, 60), coverage, per_class=per_class)
        held.append(sets.covered(*draw(1000 + seed, 100)).mean())
    assert coverage - 0.01 < np.mean(held) < coverage + (0.06 if per_class else 0.03)


def test_per_class_coverage_holds_where_the_prevalence_is_another():
    y, p = draw(0, 20000)
    generator = np.random.default_rng(1)
    more_positive = np.r_[generator.choice(np.flatnonzero(y), 4000), generator.choice(np.flatnonzero(~y), 1000)]
    fitted = {kind: ConformalSets.fit(y, p, 0.9, per_class=kind) for kind in (False, True)}
    covered = {kind: sets.covered(y[more_positive], p[more_positive]).mean() for kind, sets in fitted.items()}
    assert covered[True] == pytest.approx(0.9, abs=0.01)
    assert covered[False] < 0.87


def test_higher_coverage_never_takes_a_label_away():
    y, p = draw(3, 80)
    narrow, wide = (ConformalSets.fit(y, p, coverage) for coverage in (0.7, 0.95))
    for small, large in zip(narrow.predict(p), wide.predict(p), strict=True):
        assert set(small.split(";")) - {""} <= set(large.split(";"))


def test_too_few_patients_promise_nothing_less_than_everything():
    sets = ConformalSets.fit([0, 1, 0], [0.1, 0.9, 0.2], 0.9)
    assert sets.predict([0.0, 0.5, 1.0]) == ["positive;negative"] * 3
    assert ConformalSets.fit([], [], 0.9).predict([0.3]) == ["positive;negative"]
    one_class = ConformalSets.fit([0] * 30, np.linspace(0, 0.5, 30), 0.9, per_class=True)
    assert one_class.predict([0.9]) == ["positive"]


def test_sets_survive_json_with_the_same_answers():
    y, p = draw(4, 50)
    sets = ConformalSets.fit(y, p, 0.9, per_class=True)
    again = ConformalSets.from_dict(json.loads(json.dumps(sets.to_dict(), allow_nan=False)))
    assert again == sets
    assert again.predict(p) == sets.predict(p)


@pytest.mark.parametrize("change", [{"kind": "other"}, {"quantile_positive": 1.5}, {"quantile_negative": None}])
def test_broken_sets_are_refused(change):
    values = ConformalSets.fit(*draw(5, 30), 0.9).to_dict()
    with pytest.raises(ValueError, match="not split-conformal"):
        ConformalSets.from_dict(values | change)


def test_bad_coverage_is_refused():
    with pytest.raises(ValueError, match=r"\(0, 1\), found 90"):
        ConformalSets.fit([0, 1], [0.1, 0.2], 90)


def test_coverage_has_an_interval():
    estimate = coverage_estimate([True] * 45 + [False] * 5)
    assert estimate.value == 0.9
    assert estimate.ci_low < 0.9 < estimate.ci_high
