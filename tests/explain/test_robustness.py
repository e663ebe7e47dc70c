"""What small changes do to an answer: by hand, and for folds of networks and of voices alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from espark.explain.attribution import CtAttributor
from espark.explain.robustness import ChangedAnswer, Robustness, robustness
from espark.outcome import BOTH, NEGATIVE, POSITIVE
from espark.statistics.calibration import PlattCalibrator
from espark.statistics.conformal import ConformalSets
from espark.training.members.build import train_member
from espark.training.members.member import entering_features
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings
from made_up_bundle import SETTINGS, made_up_patients

VOICES = ModelSettings(MScaleCTSettings(voices=("leading", "ridge")), CytoPathSettings(), ESparkSettings())
POINT = OperatingPoint(PlattCalibrator(intercept=0.2, slope=1.5, n=30), 0.4, ConformalSets(0.9, 0.6, 0.6, False, 30))


def answers(*sets: str) -> Robustness:
    changed = tuple(ChangedAnswer(f"change {number}", 0.3 + number / 10, name) for number, name in enumerate(sets[1:]))
    return Robustness(0.35, sets[0], changed)


@pytest.mark.parametrize(
    ("sets", "union", "holds"),
    [
        ((POSITIVE, POSITIVE, POSITIVE), POSITIVE, True),
        ((POSITIVE, POSITIVE, BOTH), BOTH, False),
        ((POSITIVE, NEGATIVE), BOTH, False),
        ((BOTH, "", BOTH), BOTH, True),  # what fits neither is read as not sure
        (("", NEGATIVE), BOTH, False),
    ],
)
def test_the_outcomes_that_cannot_be_ruled_out_in_any_answer(sets: tuple[str, ...], union: str, holds: bool) -> None:
    found = answers(*sets)
    assert found.union == union
    assert found.holds is holds
    assert (found.low, found.high) == (0.3, max(0.35, 0.3 + (len(sets) - 2) / 10))


@pytest.mark.parametrize("settings", [SETTINGS, VOICES], ids=["networks", "voices"])
@pytest.mark.parametrize("pooled", [True, False])
def test_the_answer_is_that_of_the_model_with_the_changed_features(settings: ModelSettings, pooled: bool) -> None:
    inputs, labels = made_up_patients()
    members = [train_member("mscalect", inputs, labels, settings, seed) for seed in (1, 2)]
    one = inputs.subset([4])
    rows = one.radiomics + np.array([[1.5, 0, 0, 0], [-1.5, 0.5, 0, 0]], np.float32)
    found = robustness([CtAttributor(member) for member in members], one, ["a", "b"], rows, POINT, pooled=pooled)
    assert [answer.change for answer in found.changed] == ["a", "b"]
    every = replace(inputs.subset([4, 4, 4]), radiomics=np.concatenate([one.radiomics, rows]))
    log_odds = np.stack([member.logits(every) for member in members])
    expected = expit(0.2 + 1.5 * log_odds.mean(axis=0)) if pooled else expit(0.2 + 1.5 * log_odds).mean(axis=0)
    answered = [found.probability, *(answer.probability for answer in found.changed)]
    assert answered == pytest.approx(expected.tolist(), abs=1e-6)
    sets = [found.conformal_set, *(answer.conformal_set for answer in found.changed)]
    assert sets == POINT.sets.predict(answered)
    assert len(set(answered)) == 3


@pytest.mark.parametrize("settings", [SETTINGS, VOICES], ids=["networks", "voices"])
def test_only_features_that_carry_something_enter(settings: ModelSettings) -> None:
    inputs, labels = made_up_patients()
    inputs.radiomics[:, 3] = 7.0
    member = train_member("mscalect", inputs, labels, settings, 1)
    assert entering_features([member], 4).tolist() == [True, True, True, False]
    moved = inputs.subset([0])
    moved.radiomics[:, 3] = 1e6
    assert member.logits(moved)[0] == member.logits(inputs.subset([0]))[0]
