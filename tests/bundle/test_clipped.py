"""A patient most of whose features lie at the clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from espark.bundle.bundle import Bundle
from espark.bundle.folder import load_bundle
from espark.steps.report.applicability_in_words import applicability
from espark.training.inputs import Inputs
from espark.training.members.member import LooksAtCt
from espark.training.preprocessing import RadiomicsScaler
from espark.training.voices.ranks import RankScaler
from made_up_bundle import made_up_patients


@pytest.fixture(scope="module")
def bundle(saved: Path) -> Bundle:
    return load_bundle(saved)


def away(bundle: Bundle, *standard: float) -> Inputs:
    """A patient with these features in SD of the development patients."""
    member, (inputs, _) = bundle.members[0], made_up_patients()
    assert isinstance(member, LooksAtCt) and isinstance(member.scaler, RadiomicsScaler)
    one = inputs.subset([0])
    one.radiomics[0] = member.scaler.mean.numpy() + np.array(standard, np.float32) * member.scaler.sd.numpy()
    return one


@pytest.mark.parametrize(
    ("standard", "clipped", "used"),
    [
        ((0, 1, -2, 3), 0, 4),
        ((6, -7, 0, 0), 2, 4),
        ((6, -7, 9, 0), 3, 4),
        ((6, np.nan, -np.inf, 0), 2, 3),  # what is not known does not count
    ],
)
def test_features_at_the_clip_are_counted(bundle: Bundle, standard: tuple[float, ...], clipped: int, used: int) -> None:
    assert bundle.clipped(away(bundle, *standard)) == (clipped, used)


def test_more_than_half_is_a_reason_to_withhold_and_half_is_not(bundle: Bundle) -> None:
    half = applicability(bundle, away(bundle, 6, 6, 0, 0), simulated=True)
    more = applicability(bundle, away(bundle, 6, 6, -6, 0), simulated=True)
    assert not any("D-MODEL-001" in reason for reason in half.reasons)
    said = [reason for reason in more.reasons if "[D-MODEL-001]" in reason]
    assert len(said) == 1 and said[0].startswith("3 of the 4 CT features")
    assert more.applies is False


def test_without_a_ct_nothing_is_counted(bundle: Bundle) -> None:
    assert bundle.clipped(away(bundle, *[np.nan] * 4)) == (0, 0)


def test_a_rank_is_at_the_clip_beyond_the_outermost_quantiles() -> None:
    values = np.arange(101, dtype=np.float32)[:, None].repeat(3, axis=1)
    scaler = RankScaler.fit(values, np.array([True, True, False]))
    assert scaler.at_clip(np.array([101, 50, 101], np.float32)).tolist() == [True, False, False]
    assert scaler.at_clip(np.array([-1, np.nan, 0], np.float32)).tolist() == [True, False, False]
