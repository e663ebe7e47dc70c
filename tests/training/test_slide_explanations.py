"""Slide attributions are complete and fair with every aggregator; deletion follows what was planted."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from espark.explain.deletion import RANDOM, SHARES, rank_agreement, tile_curves
from espark.explain.focus import focus_regions, is_even, placement, top_share
from espark.explain.slide_attribution import mean_attribution, slide_attribution
from espark.explain.tile_answer import tile_answer
from espark.explain.tile_clusters import TileClusters, cluster_profile, resembling
from espark.models.aggregators.build import build_aggregator
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.espark import ESparkNet
from espark.training.inputs import Bag, Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.preprocessing import RadiomicsScaler, TileSelector
from espark.training.settings import ModelSettings
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings

TILES, DIM = 14, 6
SETTINGS = ModelSettings(MScaleCTSettings(width=8), CytoPathSettings(hidden=16, attention=8), ESparkSettings())


def patient(seed: int = 0, tiles: int = TILES) -> Inputs:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(tiles, DIM)).astype(np.float32)
    bag = Bag(features, rng.uniform(size=(tiles, 2)).astype(np.float32))
    radiomics = rng.normal(size=(1, 4)).astype(np.float32)
    return Inputs(("p",), ("tumor", "esophagus"), (("a", "b"), ("a", "b")), radiomics, (bag,))


def members(aggregator: str, seed: int = 3) -> tuple[CytoPathMember, ESparkMember]:
    torch.manual_seed(seed)
    settings = dataclasses.replace(SETTINGS, cytopath=SETTINGS.cytopath.model_copy(update={"aggregator": aggregator}))
    net = build_aggregator(aggregator, DIM, hidden=16, attention=8)
    selector = TileSelector(torch.tensor([0.4, 0.9]), mean=torch.linspace(-0.3, 0.3, DIM))
    ct = MScaleCTMember(RadiomicsScaler(torch.zeros(4), torch.ones(4)), MScaleCTMember._network(patient(), settings))
    fused = ESparkNet(copy.deepcopy(net), hidden=16, ct_width=8, projection=8)
    return CytoPathMember(selector, net), ESparkMember(ct, selector, fused)


@pytest.mark.parametrize("aggregator", AGGREGATORS)
@pytest.mark.parametrize("which", [0, 1])
def test_attributions_add_up_to_the_difference_in_log_odds(aggregator: str, which: int) -> None:
    member, one = members(aggregator)[which], patient()
    answer = tile_answer(member, one)
    found = slide_attribution(answer)
    mean_bag = Bag(np.tile(answer.baseline.numpy(), (TILES, 1)), one.bags[0].similarity)  # type: ignore[union-attr]
    expected = member.logits(one)[0] - member.logits(dataclasses.replace(one, bags=(mean_bag,)))[0]
    assert found.values.sum() == pytest.approx(expected, rel=0.01, abs=1e-4)
    assert found.explained == pytest.approx(expected, abs=1e-5)
    assert (found.values[~answer.chosen] == 0).all()
    assert not answer.chosen.all() and answer.chosen.any()


def test_a_linear_answer_gives_each_tile_its_own_part() -> None:
    member = members("mean")[0]
    layer = member.net.project[0]
    with torch.no_grad():  # far from the kink of the activation, so that everything is linear
        layer.bias.fill_(100.0)
    answer = tile_answer(member, patient())
    odds = (member.net.head.weight[1] - member.net.head.weight[0]) @ layer.weight
    expected = ((answer.tiles - answer.baseline) @ odds).detach().numpy() / answer.chosen.sum()
    np.testing.assert_allclose(slide_attribution(answer).values[answer.chosen], expected, atol=1e-4)


def test_a_model_without_its_mean_tile_is_refused() -> None:
    member = members("mean")[0]
    member.selector = dataclasses.replace(member.selector, mean=None)
    with pytest.raises(ValueError, match="train it again"):
        slide_attribution(tile_answer(member, patient()))


def test_the_mean_tile_is_that_of_the_chosen_tiles_patient_by_patient() -> None:
    bags = [patient(1, 5).bags[0], patient(2, 30).bags[0]]
    selector = TileSelector(torch.tensor([0.4, 0.9])).with_mean(bags)
    means = [bag.features[selector.select(bag)].mean(axis=0) for bag in bags]
    np.testing.assert_allclose(selector.mean.numpy(), np.mean(means, axis=0), rtol=1e-5)


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_the_answer_of_a_part_is_that_of_a_patient_with_that_part(aggregator: str) -> None:
    for member in members(aggregator):
        one = patient()
        answer = tile_answer(member, one)
        kept = np.ones((2, TILES), dtype=bool)
        kept[1, np.flatnonzero(answer.chosen)[:3]] = False
        bag = one.bags[0]
        smaller = dataclasses.replace(one, bags=(Bag(bag.features[kept[1]], bag.similarity[kept[1]]),))
        assert answer.of_parts(kept) == pytest.approx([member.logits(one)[0], member.logits(smaller)[0]], abs=1e-5)


def test_deletion_and_insertion_follow_the_order() -> None:
    answer = tile_answer(members("mean")[0], patient(tiles=40))
    found = slide_attribution(answer)
    curves = tile_curves([answer], {"up": found.values, "down": -found.values})
    full = answer.of_parts(np.ones((1, 40), bool))[0]
    assert curves.full == pytest.approx(full)
    assert curves.n_tiles == answer.chosen.sum()
    # Of a mean, taking the tiles that speak for response lowers the answer step by step, and the reverse.
    assert (np.diff(curves.deletion["up"]) < 1e-6).all()
    assert (np.diff(curves.deletion["down"]) > -1e-6).all()
    np.testing.assert_allclose(curves.insertion["up"], curves.deletion["down"], atol=1e-6)
    assert curves.deletion["up"][2] < curves.deletion[RANDOM][2] < curves.deletion["down"][2]
    assert full - curves.deletion["up"][2] > curves.moved_at_random
    assert len(SHARES) == len(curves.deletion["up"])


def test_members_are_averaged() -> None:
    parts = [slide_attribution(tile_answer(members("mean", seed)[0], patient())) for seed in (1, 2)]
    joint = mean_attribution(parts)
    np.testing.assert_allclose(joint.values, (parts[0].values + parts[1].values) / 2)
    assert joint.explained == pytest.approx(np.mean([part.explained for part in parts]))


def test_agreement_is_a_rank_correlation_over_used_tiles() -> None:
    assert rank_agreement([np.array([0, 1, 2, 3.0]), np.array([0, 2, 4, 9.0])]) == pytest.approx(1)
    assert rank_agreement([np.array([0, 1, 2, 3.0]), np.array([0, 3, 2, 1.0])]) == pytest.approx(-1)
    assert np.isnan(rank_agreement([np.array([0.5, 0.5, 0.5]), np.array([0.1, 0.2, 0.7])]))
    assert np.isnan(rank_agreement([np.array([0.1, 0.2, 0.7])]))


def test_focus_regions_lie_on_the_hot_tiles_and_do_not_overlap() -> None:
    side = 256 * 0.5 / 0.586
    cells = np.array([(x, y) for x in range(12) for y in range(9)])
    coords = np.rint(cells * side)
    values = np.full(len(cells), 0.001)
    hot = (cells >= [7, 4]).all(axis=1) & (cells < [10, 7]).all(axis=1)
    cold = (cells >= [1, 1]).all(axis=1) & (cells < [4, 4]).all(axis=1)
    values[hot], values[cold] = 0.5, -0.4
    first, second, *rest = focus_regions(coords, side, values, np.full(len(cells), 1 / len(cells)))
    assert (first.x, first.y) == pytest.approx((7 * side, 4 * side))
    assert first.side == pytest.approx(3 * side)
    assert first.attribution == pytest.approx(4.5)
    assert first.attention == pytest.approx(9 / len(cells))
    assert set(first.tiles) == set(np.flatnonzero(hot))
    assert (second.x, second.y) == pytest.approx((side, side))
    every = [first, second, *rest]
    for index, one in enumerate(every):
        for other in every[:index]:
            assert max(abs(one.x - other.x), abs(one.y - other.y)) >= one.side - 1e-6
    assert focus_regions(coords, side, values * 0, np.zeros(len(cells))) == ()


def test_even_attention_gives_a_tenth_and_no_placement() -> None:
    assert top_share(np.full(37, 1 / 37)) == pytest.approx(0.1)
    assert top_share(np.array([0, 0.9, *([0.1 / 9] * 9)])) == pytest.approx(0.9)
    assert placement(np.full(9, 1 / 9), np.arange(9)) == 0
    assert is_even(np.array([0, *([0.2] * 5)], np.float32))
    assert not is_even(np.array([0.3, 0.35, 0.35])) and not is_even(np.array([0, 1.0]))
    weights = np.array([0.7, 0.1, 0.1, 0.1])
    values = np.array([1.0, 0.0, 0.0, 0.0])
    permuted = [np.roll(weights, shift) @ values - 0.25 for shift in range(4)]
    assert placement(weights, values) == pytest.approx((0.7 - 0.25) / np.std(permuted), rel=1e-6)


def test_clusters_are_found_named_and_assigned_without_the_other_patients() -> None:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(5, DIM)) * 5
    bags = [(centers[rng.integers(5, size=30)] + rng.normal(size=(30, DIM))).astype(np.float32) for _ in range(12)]
    fit = TileClusters.fit(bags)
    assert fit is not None and len(fit) == 5
    own = fit.assign(centers.astype(np.float32))
    assert sorted(own.tolist()) == [0, 1, 2, 3, 4]
    again = TileClusters.fit(bags)
    assert again is not None
    np.testing.assert_array_equal(fit.places, again.places)
    placed = fit.place(centers.astype(np.float32))
    assert min(np.linalg.norm(placed[i] - placed[j]) for i in range(5) for j in range(i)) > 1
    profile = cluster_profile(np.array([0, 0, 1]), np.array([[1.0, 0], [3, 0], [0, 0.1]]), 3)
    assert profile[:2].tolist() == [[2, 0], [0, 0.1]] and np.isnan(profile[2]).all()
    assert resembling(profile, ("a", "b")) == ("a", "", "")
    assert TileClusters.fit(bags[:9]) is None
