"""Summaries of a bag: padding changes nothing, and each is what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from espark.models.aggregators.aggregator import pad_bags
from espark.models.aggregators.summaries import Reading, SummaryNet


def bags(*sizes: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(size, 5, generator=generator) for size in sizes]


def test_the_mean_and_the_mean_of_the_highest_tenth() -> None:
    (bag,) = bags(30)
    tiles, mask = pad_bags([bag])
    values = bag.numpy()
    np.testing.assert_allclose(Reading("mean", 0, 5).of(tiles, mask)[0], values.mean(axis=0), rtol=1e-6)
    highest = np.sort(values, axis=0)[-3:].mean(axis=0)
    np.testing.assert_allclose(Reading("highest", 0, 5).of(tiles, mask)[0], highest, rtol=1e-6)


def test_ratios_are_the_logarithms_of_the_ratios_of_every_two_mean_amounts() -> None:
    tiles, mask = pad_bags([torch.tensor([[2.0, 4.0, 0.0], [6.0, 4.0, 0.0]])])
    found = Reading("ratios", 0, 3).of(tiles, mask)[0]
    amounts = np.array([4.02, 4.02, 0.02])
    np.testing.assert_allclose(found, np.log([1.0, amounts[0] / amounts[2], amounts[1] / amounts[2]]), atol=1e-6)


def test_named_ratios_are_those_of_the_two_biomarkers() -> None:
    tiles, mask = pad_bags([torch.tensor([[2.0, 4.0, 0.0], [6.0, 4.0, 0.0]])])
    found = Reading("ratios", 0, 3, pairs=((2, 1), (0, 2))).of(tiles, mask)[0]
    np.testing.assert_allclose(found, np.log([0.02 / 4.02, 4.02 / 0.02]), atol=1e-6)


@pytest.mark.parametrize("kind", ["mean", "highest", "ratios"])
def test_padding_changes_nothing_and_an_empty_bag_has_finite_numbers(kind: str) -> None:
    reading, parts = Reading(kind, 1, 4), bags(3, 0, 17)  # type: ignore[arg-type]
    tiles, mask = pad_bags(parts)
    tiles[~mask] = 1e6
    together = reading.of(tiles, mask)
    assert together.shape == (3, reading.width) and torch.isfinite(together).all()
    for row, part in zip(together, parts, strict=True):
        torch.testing.assert_close(row, reading.of(*pad_bags([part]))[0])


def test_an_empty_bag_answers_as_the_average_patient() -> None:
    net = SummaryNet(5, [Reading("mean", 0, 5)])
    parts = bags(9, 4, 11)
    with torch.no_grad():
        net.standardize(torch.cat([net.summaries(*pad_bags([part])) for part in parts]))
    net.answering(torch.arange(5.0), -0.7)
    logits, attention = net(*pad_bags([*parts, torch.zeros(0, 5)]))
    odds = logits[:, 1] - logits[:, 0]
    assert odds[3].item() == pytest.approx(-0.7) and odds[:3].mean().item() == pytest.approx(-0.7, abs=1e-5)
    torch.testing.assert_close(attention.sum(dim=1), torch.tensor([1.0, 1.0, 1.0, 0.0]))


def test_a_constant_summary_carries_nothing() -> None:
    net = SummaryNet(2, [Reading("mean", 0, 2)])
    net.standardize(torch.tensor([[1.0, 3.0], [2.0, 3.0]]))
    net.answering(torch.ones(2), 0.0)
    one, other = (net(*pad_bags([torch.tensor([[1.5, value]])]))[0] for value in (3.0, 99.0))
    torch.testing.assert_close(one, other)
