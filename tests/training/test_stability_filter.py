"""Features that depend on the contour: found in the training part of a fold, and left out of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from espark.errors import FeatureError
from espark.statistics.icc import intraclass_correlation
from espark.training.inputs import Inputs
from espark.training.members.ct_logistic import CtLogisticMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.settings import ModelSettings
from espark.training.stability import feature_icc, fit_scaler
from espark.workspace.config import StudyConfig

FEATURES, STABLE = 6, 3


def patients(n: int = 40, repeated: int = 12, seed: int = 0) -> tuple[Inputs, np.ndarray]:
    """Features 0 to 2 hardly change with the contour, 3 to 5 do; feature 5 lacks a value once."""
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=(n, FEATURES))
    noise = np.array([0.05] * STABLE + [2.0] * (FEATURES - STABLE))
    draws = (truth[:, None] + noise * generator.normal(size=(n, 4, FEATURES))).astype(np.float32)
    draws[1, 2, 5] = np.nan
    repeats = tuple(draws[index, 1:] if index < repeated else None for index in range(n))
    names = tuple(f"f{index}" for index in range(FEATURES))
    ids = tuple(f"p{index}" for index in range(n))
    labels = (truth[:, 0] + truth[:, 4] > 0).astype(np.int64)
    return Inputs(ids, ("tumor",), (names,), draws[:, 0], (None,) * n, repeats=repeats), labels


def settings(min_icc: float) -> ModelSettings:
    config = StudyConfig()
    chosen = config.mscalect.model_copy(update={"min_icc": min_icc, "epochs": 2, "width": 4})
    return ModelSettings(chosen, config.cytopath, config.espark)


def test_icc_is_that_of_the_statistics_over_contours() -> None:
    inputs, _ = patients()
    icc, n, contours = feature_icc(inputs)
    assert (n == 12).all() and contours == 4
    drawn = [np.vstack([inputs.radiomics[index], inputs.repeats[index]]) for index in range(12)]
    expected = intraclass_correlation(np.stack(drawn)[:, :, :5])
    np.testing.assert_allclose(icc[0, :5], expected.value)
    np.testing.assert_allclose(icc[1, :5], expected.ci_low)
    assert np.isnan(icc[0, 5])


def test_unstable_features_carry_nothing() -> None:
    inputs, labels = patients()
    scaled = fit_scaler(inputs, 0.9).transform(inputs.radiomics)
    assert (scaled[:, :STABLE].std(dim=0) > 0.5).all() and (scaled[:, STABLE:] == 0).all()
    assert (fit_scaler(inputs, 0.0).transform(inputs.radiomics).std(dim=0) > 0.5).all()
    for member in (MScaleCTMember, CtLogisticMember):
        trained = member.train(inputs, labels, settings(0.9), 0)
        moved = inputs.radiomics.copy()
        moved[:, STABLE:] += 3
        np.testing.assert_array_equal(trained.logits(replace(inputs, radiomics=moved)), trained.logits(inputs))


def test_too_few_perturbed_contours_are_said() -> None:
    inputs, _ = patients(repeated=4)
    with pytest.raises(FeatureError, match="perturbed contours are there of 4 training patients"):
        fit_scaler(inputs, 0.5)
    with pytest.raises(FeatureError, match="0 training patients"):
        fit_scaler(replace(inputs, repeats=()), 0.5)


def test_repeats_follow_their_patients_and_scales() -> None:
    inputs, _ = patients()
    part = inputs.subset([3, 30])
    assert part.repeats[0] is inputs.repeats[3] and part.repeats[1] is None
    assert part.content_hash() != replace(part, repeats=(None, None)).content_hash()
    wide = replace(inputs, scales=("tumor", "esophagus"), feature_names=(("a", "b"), ("c", "d", "e", "f")))
    np.testing.assert_array_equal(wide.of_scales(("esophagus",)).repeats[0], inputs.repeats[0][:, 2:])
