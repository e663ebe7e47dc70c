"""How the members of a bundle come to one answer."""

from __future__ import annotations

import numpy as np
import pytest

from espark.training.ensemble import vote
from espark.training.operating_point import OperatingPoint
from espark.workspace.config import ProtocolSettings


@pytest.fixture(scope="module")
def point() -> OperatingPoint:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    raw = np.clip(0.5 + 0.4 * (labels - 0.5) + 0.2 * rng.normal(size=200), 0.01, 0.99)
    return OperatingPoint.fit(labels, raw, ProtocolSettings())


@pytest.mark.parametrize(
    ("offsets", "soft", "majority"),
    [
        ((0.3, -0.01, -0.01), 1, 0),
        ((-0.3, 0.01, 0.01), 0, 1),
        ((0.1, 0.1, -0.01), 1, 1),
        ((0.3, -0.1), 1, 1),  # a tie: the mean decides
        ((-0.3, 0.1), 0, 0),
        ((0.0,), 1, 1),  # at the threshold is a vote for it
    ],
)
def test_soft_and_majority_voting(point: OperatingPoint, offsets: tuple[float, ...], soft: int, majority: int) -> None:
    members = point.threshold + np.array(offsets)
    answers = [vote("p", "both", members, point, voting) for voting in ("soft", "majority")]  # type: ignore[arg-type]
    assert [answer.prediction for answer in answers] == [soft, majority]
    for answer in answers:
        assert answer.probability == pytest.approx(members.mean())
        assert answer.probability_sd == pytest.approx(members.std(ddof=1) if len(members) > 1 else 0.0)
    assert answers[0].conformal_set == answers[1].conformal_set
    assert vote("p", "both", members, point) == answers[0]
