"""The one training loop: AdamW, linear warm-up, cosine decay, label smoothing."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from espark.types import BoolArray
from espark.workspace.config import OptimizerSettings


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run a block with torch's generator seeded and one thread, and leave both as they were.

    One thread makes the sums, and so the weights, independent of how many cores the machine has.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def learning_rate_factor(epoch: int, *, epochs: int, warmup: int) -> float:
    """Factor of the learning rate in an epoch (from 0): a linear warm-up, then a cosine that ends just above zero."""
    warmup = min(warmup, epochs - 1)
    if epoch < warmup:
        return (epoch + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup)))


def fit(
    network: nn.Module,
    patient_ids: Sequence[str],
    labels: Tensor,
    loss_of: Callable[[Tensor], Tensor],
    settings: OptimizerSettings,
    *,
    groups: list[dict[str, object]] | None = None,
) -> int:
    """Fit ``network`` in place.

    Args:
        network: the module to train; left in evaluation mode.
        patient_ids: the training patients.
        labels: (patients,) 0 or 1.
        loss_of: gives the mean loss of the patients at the indices (batch,) it is handed.
        settings: epochs, learning rate, whether some patients are set aside to choose the epoch, and so on.
        groups: parameter groups with their own ``lr``; all parameters at ``settings.learning_rate`` when None.

    Returns:
        The number of epochs after which the weights are taken: all, or those of the lowest loss on the patients set
        aside.
    """
    optimizer = torch.optim.AdamW(
        groups or [{"params": list(network.parameters())}],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,  # one pass over the weights a step, where the other ways make a dozen
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda epoch: learning_rate_factor(epoch, epochs=settings.epochs, warmup=settings.warmup_epochs),
    )
    numbers = torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bfloat16")
    aside = set_aside(patient_ids, labels.tolist(), settings.inner_share)
    inner, seen = torch.from_numpy(np.flatnonzero(aside)), torch.from_numpy(np.flatnonzero(~aside))
    best = _Best(settings.epochs)
    for epoch in range(1, settings.epochs + 1):
        network.train()
        for batch in _batches(len(seen), settings.batch_size):
            with numbers:
                loss = loss_of(seen[batch])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        schedule.step()
        network.eval()
        if len(inner):
            best.offer(epoch, _mean_loss(loss_of, inner, settings.batch_size), network)
            if settings.patience and epoch - best.epoch >= settings.patience:
                break
    if best.weights is not None:
        network.load_state_dict(best.weights)
    return best.epoch


def set_aside(patient_ids: Sequence[str], labels: Sequence[int], share: float) -> BoolArray:
    """(patients,) whether a training patient is set aside to choose the epoch: a share of each class, at least one.

    Who it is depends on the ids alone, not on seed or order, so that the models of a fold set aside the same patients:
    the epoch of the fusion is not chosen on patients from whom its branches have learned.

    Args:
        patient_ids: the training patients.
        labels: 0 or 1.
        share: 0 for no patient.
    """
    aside = np.zeros(len(patient_ids), dtype=bool)
    if share <= 0:
        return aside
    for label in sorted(set(labels)):
        places = [index for index, found in enumerate(labels) if found == label]
        places.sort(key=lambda index: hashlib.sha256(patient_ids[index].encode()).digest())
        aside[places[: max(1, round(share * len(places)))]] = len(places) > 1
    return aside


@dataclass
class _Best:
    """The weights with the lowest loss so far; without an offer, those of the last epoch.

    Attributes:
        epoch: after how many epochs.
        loss: on the patients set aside.
        weights: a copy.
    """

    epoch: int
    loss: float = math.inf
    weights: dict[str, Tensor] | None = None

    def offer(self, epoch: int, loss: float, network: nn.Module) -> None:
        """Keep the weights of an epoch when none before had so low a loss."""
        if loss < self.loss or self.weights is None:
            self.epoch, self.loss = epoch, loss
            self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}


@torch.no_grad()
def _mean_loss(loss_of: Callable[[Tensor], Tensor], inner: Tensor, size: int) -> float:
    batches = inner.split(size)
    return sum(float(loss_of(batch)) * len(batch) for batch in batches) / len(inner)


def _batches(count: int, size: int) -> Iterator[Tensor]:
    """Shuffled batches of indices. A last batch of one patient joins the one before it: batch norm needs two."""
    order = torch.randperm(count)
    stops = [*range(size, count, size), count]
    if size > 1 and len(stops) > 1 and stops[-1] - stops[-2] == 1:
        del stops[-2]
    start = 0
    for stop in stops:
        yield order[start:stop]
        start = stop
