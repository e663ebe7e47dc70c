"""The threshold is the one that study.toml names, and sets and calibrator are fitted on the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from espark.training.operating_point import OperatingPoint, cross_fit
from espark.workspace.config import ProtocolSettings

# Youden's threshold finds six of ten responders and no other patient; all ten take seven false calls.
LABELS = np.array([1] * 6 + [0] * 3 + [1] * 2 + [0] * 3 + [1] * 2 + [0] * 4)
RAW = np.linspace(0.95, 0.05, len(LABELS))
YOUDEN = ProtocolSettings(operating_point="youden", min_sensitivity=0.9)


def floor(sensitivity: float) -> ProtocolSettings:
    return ProtocolSettings(operating_point="sensitivity_floor", min_sensitivity=sensitivity)


def found(protocol: ProtocolSettings) -> tuple[int, int]:
    """Responders that are called, and others that are."""
    point = OperatingPoint.fit(LABELS, RAW, protocol)
    called = point.calibrator.apply(RAW) >= point.threshold
    return int(called[LABELS == 1].sum()), int(called[LABELS == 0].sum())


def test_youden_is_youden_whatever_the_floor() -> None:
    assert found(YOUDEN) == (6, 0)


@pytest.mark.parametrize(
    ("sensitivity", "expected"), [(0.0, (6, 0)), (0.6, (6, 0)), (0.7, (8, 3)), (0.8, (8, 3)), (0.9, (10, 6))]
)
def test_the_floor_gives_the_best_threshold_with_such_a_sensitivity(
    sensitivity: float, expected: tuple[int, int]
) -> None:
    assert found(floor(sensitivity)) == expected


def test_youden_is_the_default() -> None:
    assert found(ProtocolSettings()) == found(YOUDEN)


def test_cross_fitted_calls_follow_the_rule_too() -> None:
    labels, raw = np.tile(LABELS, 3), np.tile(RAW, 3)
    folds = np.repeat(np.arange(3), len(LABELS))
    calls = {name: cross_fit(labels, raw, folds, rule).prediction for name, rule in (("y", YOUDEN), ("f", floor(0.9)))}
    assert calls["y"][labels == 1].mean() == pytest.approx(0.6)
    assert calls["y"][labels == 0].sum() == 0
    assert calls["f"][labels == 1].mean() == 1


def test_sets_are_of_the_calibrated_probability_at_the_coverage_that_is_asked_for() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    raw = np.clip(0.5 + 0.05 * (labels - 0.5) + 0.05 * rng.normal(size=2000), 0.01, 0.99)  # far too timid
    for coverage in (0.8, 0.95):
        point = OperatingPoint.fit(labels, raw, ProtocolSettings(coverage=coverage))
        calibrated = point.calibrator.apply(raw)
        assert point.sets.covered(labels, calibrated).mean() == pytest.approx(coverage, abs=2e-3)
        assert calibrated.std() > 2 * raw.std()
