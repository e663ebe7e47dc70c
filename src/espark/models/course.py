"""A long fit: its learning rate, the running average of its weights, and its checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from espark.files import atomic_path

Network = TypeVar("Network", bound=nn.Module)

_QUICK_STEPS = 20.0


class Course(Generic[Network]):
    """The state of a fit: network, running average, optimizer and learning rate.

    Args:
        network: the network to fit, on its device.
        optimizer: optimizer of the weights of the network, with the highest learning rate.
        steps: number of steps of the whole fit.
        warmup: share of the steps in which the learning rate rises.
        average: decay of the running average after many steps.
        most_gradient: norm to which the gradient is clipped.
    """

    def __init__(
        self,
        network: Network,
        optimizer: torch.optim.Optimizer,
        *,
        steps: int,
        warmup: float,
        average: float,
        most_gradient: float,
    ):
        def follow(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
            """The average changes faster at first. Whole numbers are copied."""
            if not averaged.is_floating_point():
                return current
            number = int(count) + 1
            return averaged.lerp(current, 1.0 - min(average, number / (number + _QUICK_STEPS)))

        self.network = network
        self._averaged = AveragedModel(network, avg_fn=follow, use_buffers=True)
        self._optimizer = optimizer
        self._schedule = LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps=steps, warmup=warmup))
        self._most_gradient = most_gradient

    @property
    def step(self) -> int:
        """Number of steps done."""
        return int(self._averaged.n_averaged)

    @property
    def averaged(self) -> Network:
        """The network with the running average of its weights."""
        return cast("Network", self._averaged.module)

    def take_step(self, loss: Tensor) -> None:
        """One step of the optimizer; the averaged weights follow.

        Args:
            loss: the loss to minimize.
        """
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._most_gradient)
        self._optimizer.step()
        self._schedule.step()
        self._averaged.update_parameters(self.network)

    def save(self, checkpoint: Path, settings: Mapping[str, object]) -> None:
        """Write the state, with the settings of the fit."""
        with atomic_path(checkpoint) as temporary:
            states = {name: part.state_dict() for name, part in self._parts().items()}
            torch.save({"settings": dict(settings), **states}, temporary)

    def resume(self, checkpoint: Path, settings: Mapping[str, object]) -> None:
        """Continue from a checkpoint, if there is one with the same settings."""
        if not checkpoint.is_file():
            return
        device = next(self.network.parameters()).device
        saved = torch.load(checkpoint, weights_only=True, map_location=device)
        if saved["settings"] == settings and self._parts().keys() <= saved.keys():
            for name, part in self._parts().items():
                part.load_state_dict(saved[name])

    def _parts(self) -> dict[str, nn.Module | torch.optim.Optimizer | LambdaLR]:
        return {
            "network": self.network,
            "averaged": self._averaged,
            "optimizer": self._optimizer,
            "schedule": self._schedule,
        }


def learning_rate_factor(step: int, *, steps: int, warmup: float) -> float:
    """Factor of the learning rate in a step: a linear rise, then half a cosine down to 1 % of the peak.

    Args:
        step: number of the step, from 0.
        steps: number of steps of the whole fit.
        warmup: share of the steps in which the learning rate rises.
    """
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
