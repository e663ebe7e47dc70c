"""A long fit: its learning rate, its running average, and going on from a checkpoint."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from espark.models.course import Course, learning_rate_factor

AVERAGE = 0.9


def course(steps: int = 40) -> Course[nn.Sequential]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    return Course(network, optimizer, steps=steps, warmup=0.1, average=AVERAGE, most_gradient=1.0)


def take(fit: Course[nn.Sequential]) -> None:
    generator = torch.Generator().manual_seed(fit.step)
    fit.take_step(fit.network(torch.randn(5, 3, generator=generator)).square().sum())


def test_the_learning_rate_rises_then_falls_to_a_hundredth() -> None:
    factors = [learning_rate_factor(step, steps=40, warmup=0.1) for step in range(41)]
    assert factors[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[4:]))
    assert factors[22] == pytest.approx(0.01 + 0.99 / 2) and factors[40] == pytest.approx(0.01)


def test_the_optimizer_follows_the_learning_rate() -> None:
    fit = course()
    for step in range(10):
        (group,) = fit._optimizer.param_groups
        assert group["lr"] == pytest.approx(0.1 * learning_rate_factor(step, steps=40, warmup=0.1))
        assert fit.step == step
        take(fit)


def test_the_average_follows_the_weights_quickly_at_first() -> None:
    fit = course()
    take(fit)
    expected = {name: value.clone() for name, value in fit.network.state_dict().items()}
    for step in range(1, 8):
        take(fit)
        decay = min(AVERAGE, (step + 1) / (step + 21))
        for name, value in fit.network.state_dict().items():
            mixed = decay * expected[name] + (1 - decay) * value if value.is_floating_point() else value
            expected[name] = mixed.clone()
            torch.testing.assert_close(fit.averaged.state_dict()[name], mixed)
    assert fit.averaged.state_dict()["1.num_batches_tracked"] == 8


def test_a_fit_goes_on_from_its_checkpoint_when_the_settings_are_the_same(tmp_path: Path) -> None:
    path, whole, killed = tmp_path / "fit.pt", course(), course()
    for _ in range(6):
        take(whole)
    for _ in range(3):
        take(killed)
    killed.save(path, {"seed": 1})
    again = course()
    again.resume(path, {"seed": 1})
    assert again.step == 3
    for _ in range(3):
        take(again)
    for name, value in whole.averaged.state_dict().items():
        assert torch.equal(value, again.averaged.state_dict()[name]), name
    other = course()
    other.resume(path, {"seed": 2})
    other.resume(tmp_path / "none.pt", {"seed": 1})
    assert other.step == 0
