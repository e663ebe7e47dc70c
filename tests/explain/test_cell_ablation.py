"""The tiles of a cell type, taken away at prediction and in training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from espark.explain.cell_ablation import MemberWithoutType, answers_without_types, inputs_without_type
from espark.pathology.cytology import Cutoffs
from espark.training.inputs import Bag, Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.preprocessing import TileSelector
from espark.training.settings import ModelSettings
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings

TYPES = 4
SETTINGS = ModelSettings(
    MScaleCTSettings(epochs=3, width=8),
    CytoPathSettings(epochs=6, learning_rate=3e-3, hidden=8, attention=4, batch_size=8),
    ESparkSettings(epochs=3, projection=4, batch_size=8),
    Cutoffs(share=0.3),
)


def patients(count: int = 24) -> tuple[Inputs, np.ndarray]:
    """Type 0 tells the label; the others tell nothing."""
    rng = np.random.default_rng(0)
    labels = (np.arange(count) % 2).astype(np.int64)
    bags = []
    for label in labels:
        features = rng.normal(size=(20, 6)).astype(np.float32)
        features[:5, 0] += 3
        features[:5, 1] += 2 * label
        bags.append(Bag(features, features[:, [0, 2, 3, 4]].copy()))
    radiomics = rng.normal(size=(count, 4)).astype(np.float32)
    ids = tuple(f"p{index}" for index in range(count))
    return Inputs(ids, ("tumor",), (("a", "b", "c", "d"),), radiomics, tuple(bags)), labels


@pytest.fixture(scope="module")
def trained():
    inputs, labels = patients()
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, 1)
    slides = CytoPathMember.train(inputs, labels, SETTINGS, 1)
    return inputs, labels, slides, ESparkMember.train(inputs, labels, SETTINGS, 1, ct, slides)


@pytest.mark.parametrize("which", [2, 3])
def test_answers_are_those_of_slides_without_the_tiles(trained, which):
    """Checked against the member itself, asked about a slide from which the tiles were cut."""
    inputs, member = trained[0], trained[which]
    cutoffs = member.selector.cutoffs.numpy()
    for place in range(6):
        one = inputs.subset([place])
        found = answers_without_types(member, one)
        assert found.log_odds[0] == pytest.approx(member.logits(one)[0], abs=1e-5)
        for column in range(TYPES):
            expected = member.logits(inputs_without_type(one, cutoffs, column))[0]
            assert found.log_odds[column + 1] == pytest.approx(expected, abs=1e-5)
        passed = member.selector.passed(one.bags[0])
        left = [int((passed.any(axis=1) & ~passed[:, column]).sum()) for column in range(TYPES)]
        assert found.tiles[0] == passed.any(axis=1).sum()
        assert found.tiles[1:].tolist() == left


def test_a_tile_of_two_types_goes_with_either(trained):
    member = trained[2]
    cut = member.selector.cutoffs.numpy()
    similarity = np.stack([cut - 1, cut + 1, cut - 1])
    similarity[2, 0] = cut[0] + 1
    bag = Bag(np.eye(3, 6, dtype=np.float32), similarity.astype(np.float32))
    one = dataclasses.replace(trained[0].subset([0]), bags=(bag,))
    assert answers_without_types(member, one).tiles.tolist() == [2, 1, 1, 1, 1]


def test_a_patient_of_whom_nothing_is_left_has_no_slide(trained):
    inputs, _, slides, fusion = trained
    cut = slides.selector.cutoffs.numpy()
    bag = Bag(np.ones((2, 6), np.float32), np.tile(cut + 1, (2, 1)).astype(np.float32))
    one = dataclasses.replace(inputs.subset([0]), bags=(bag,))
    alone = answers_without_types(slides, one)
    assert np.isfinite(alone.log_odds[0]) and np.isnan(alone.log_odds[1:]).all()
    assert alone.tiles.tolist() == [2, 0, 0, 0, 0]
    fused = answers_without_types(fusion, one)
    assert fused.log_odds[1:] == pytest.approx([fusion.logits(one.only("ct"))[0]] * TYPES, abs=1e-5)


def test_the_best_of_the_rest_stand_in_where_nothing_else_passes(trained):
    member = trained[2]
    cut = member.selector.cutoffs.numpy()
    similarity = np.tile(cut - 1, (10, 1))
    similarity[:2, 0] = cut[0] + 1
    bag = Bag(np.random.default_rng(0).normal(size=(10, 6)).astype(np.float32), similarity.astype(np.float32))
    one = dataclasses.replace(trained[0].subset([0]), bags=(bag,))
    assert answers_without_types(member, one).tiles.tolist() == [2, 3, 2, 2, 2]


def test_a_model_that_chooses_no_tiles_is_refused(trained):
    inputs, _, slides, _ = trained
    everything = CytoPathMember(TileSelector(None), slides.net)
    with pytest.raises(ValueError, match="by cell type"):
        answers_without_types(everything, inputs.subset([0]))


def test_taking_away_the_telling_type_costs_most(trained):
    inputs, labels, slides, _ = trained
    odds = np.stack([answers_without_types(slides, inputs.subset([i])).log_odds for i in range(len(labels))])
    apart = odds[labels == 1].mean(axis=0) - odds[labels == 0].mean(axis=0)
    assert apart[1] < 0.6 * apart[0]
    assert (apart[2:] > apart[1]).all()


def test_retraining_never_sees_a_tile_of_the_type(trained):
    """Whatever such tiles show, weights and answers are the same; the cut-offs are those of the whole slides."""
    inputs, labels, slides, _ = trained
    member = MemberWithoutType.train(inputs, labels, SETTINGS, 1, model="espark", column=0)
    assert member.cutoffs == pytest.approx(slides.selector.cutoffs.numpy())
    assert torch.equal(member.member.selector.cutoffs, slides.selector.cutoffs)

    def spoilt(bag: Bag) -> Bag:
        of_type = bag.similarity[:, :1] > member.cutoffs[0]
        return Bag(np.where(of_type, 9.0, bag.features).astype(np.float32), bag.similarity)

    changed = dataclasses.replace(inputs, bags=tuple(map(spoilt, inputs.bags)))
    other = MemberWithoutType.train(changed, labels, SETTINGS, 1, model="espark", column=0)
    np.testing.assert_array_equal(member.logits(inputs), other.logits(changed))
    assert not np.allclose(member.logits(inputs), trained[3].logits(inputs))
