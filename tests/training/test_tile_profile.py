"""Tiles seen as their similarity to each cell type."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from espark.errors import FeatureError
from espark.explain.cell_ablation import answers_without_types
from espark.pathology.cytology import Cutoffs
from espark.training.inputs import Bag, Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.types import IntArray
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings

SETTINGS = ModelSettings(
    MScaleCTSettings(epochs=5, width=8),
    CytoPathSettings(
        tile_vector="profile", epochs=30, learning_rate=3e-3, hidden=16, attention=8, batch_size=4
    ),
    ESparkSettings(epochs=5, projection=8, batch_size=4),
    Cutoffs(share=0.5, fixed=(None, None, None)),
)  # fmt: skip


def make_inputs(count: int = 36) -> tuple[Inputs, IntArray]:
    """Patients whose label stands in the similarity to the first of three cell types, and nowhere in the features."""
    rng = np.random.default_rng(2)
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    bags = []
    for label in labels:
        similarity = rng.normal(0.3, 0.02, size=(10, 3)).astype(np.float32)
        similarity[:, 0] += 0.02 * label
        bags.append(Bag(rng.normal(size=(10, 6)).astype(np.float32), similarity))
    radiomics = rng.normal(size=(count, 4)).astype(np.float32)
    ids = tuple(f"p{index}" for index in range(count))
    return Inputs(ids, ("tumor",), (("a", "b", "c", "d"),), radiomics, tuple(bags)), labels


def test_profiles_are_standardized_between_patients_and_a_constant_type_carries_nothing() -> None:
    rng = np.random.default_rng(0)
    bags = []
    for size in (3, 7, 5):
        similarity = rng.random((size, 3)).astype(np.float32)
        similarity[:, 2] = 0.25
        bags.append(Bag(np.zeros((size, 4), np.float32), similarity))
    selector = TileSelector(None).with_profile(bags).with_mean(bags)
    means = np.array([selector.vectors(bag).mean(axis=0) for bag in bags])
    np.testing.assert_allclose(means[:, :2].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(means[:, :2].std(axis=0), 1, rtol=1e-5)
    assert (means[:, 2] == 0).all()
    assert selector.mean is not None
    np.testing.assert_allclose(selector.mean, 0, atol=1e-5)


def test_only_the_similarity_is_seen_and_the_models_survive_being_stored() -> None:
    inputs, labels = make_inputs()
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, 1)
    slides = CytoPathMember.train(inputs, labels, SETTINGS, 1)
    fused = ESparkMember.train(inputs, labels, SETTINGS, 1, ct, slides)
    assert roc_auc_score(labels, slides.logits(inputs)) > 0.95
    others = dataclasses.replace(
        inputs, bags=tuple(None if bag is None else Bag(bag.features[::-1] + 5, bag.similarity) for bag in inputs.bags)
    )
    for member in (slides, fused):
        np.testing.assert_array_equal(member.logits(others), member.logits(inputs))
        again = type(member).restore(inputs.subset([]), SETTINGS, member.state())
        np.testing.assert_array_equal(again.logits(inputs), member.logits(inputs))
        one = inputs.subset([3])
        whole = answers_without_types(member, one).log_odds[0]
        assert whole == pytest.approx(member.logits(one)[0], abs=1e-5)
        bag = one.bags[0]
        assert bag is not None
        attention = member.attention(bag)
        assert attention is not None
        assert attention.sum() == pytest.approx(1, abs=1e-5)


def test_an_encoder_without_text_has_no_profiles() -> None:
    inputs, labels = make_inputs()
    blind = dataclasses.replace(
        inputs, bags=tuple(None if bag is None else Bag(bag.features, None) for bag in inputs.bags)
    )
    with pytest.raises(FeatureError, match="not compared with cell types"):
        CytoPathMember.train(blind, labels, SETTINGS, 1)
