"""The course of a long fit: its learning rate, and the running average of its weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_QUICK_STEPS = 20.0


def set_learning_rate(
    optimizer: torch.optim.Optimizer, step: int, *, steps: int, warmup: float, highest: float
) -> None:
    """Linear rise, then half a cosine to 1 % of the peak.

    Args:
        optimizer: whose learning rate is set.
        step: from 0.
        steps: of the whole fit.
        warmup: share of the steps over which it rises.
        highest: the peak.
    """
    rise = max(1, round(warmup * steps))
    if step < rise:
        factor = (step + 1) / rise
    else:
        factor = 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
    for group in optimizer.param_groups:
        group["lr"] = highest * factor


@torch.no_grad()
def update_average(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    """Move the averaged weights towards those of the network; whole numbers are copied."""
    current = network.state_dict()
    for name, value in averaged.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1.0 - decay)
        else:
            value.copy_(current[name])


def take_step(
    loss: Tensor,
    network: nn.Module,
    averaged: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    step: int,
    average: float,
    most_gradient: float,
) -> None:
    """One step of the optimizer; the averaged weights follow, quickly at first.

    Args:
        loss: what is to become less.
        network: whose weights are changed.
        averaged: running average of its weights.
        optimizer: over the network's weights.
        step: from 0.
        average: decay of the running average, reached after many steps.
        most_gradient: norm to which the gradient is clipped.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), most_gradient)
    optimizer.step()
    update_average(averaged, network, min(average, (step + 1) / (step + 1 + _QUICK_STEPS)))
