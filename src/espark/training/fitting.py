"""The one training loop: AdamW, linear warm-up, cosine decay, label smoothing."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from espark.config import OptimizerSettings


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
    patients: int,
    loss_of: Callable[[Tensor], Tensor],
    settings: OptimizerSettings,
    *,
    groups: list[dict[str, object]] | None = None,
) -> None:
    """Fit ``network`` in place.

    Args:
        network: the module to train; left in evaluation mode.
        patients: number of training patients.
        loss_of: gives the mean loss of the patients at the indices (batch,) it is handed.
        settings: epochs, learning rate and so on.
        groups: parameter groups with their own ``lr``; all parameters at ``settings.learning_rate`` when None.
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
    network.train()
    for _ in range(settings.epochs):
        for batch in _batches(patients, settings.batch_size):
            loss = loss_of(batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        schedule.step()
    network.eval()


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
