"""One fit of the segmenter: steps, learning rate, running average of the weights, checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from espark.ct.segmentation.fit.labelled_scan import Scan
from espark.ct.segmentation.fit.patches import Patches, draw_patches
from espark.models.course import Course
from espark.models.unet import UNet3d, UNetShape

_CHECKPOINT_STEPS = 100
_REPORT_STEPS = 25
_DICE_SMOOTH = 1.0
_MOST_GRADIENT = 5.0
_FIT_STREAM, _SETTLING_STREAM = 7, 8


@dataclass(frozen=True)
class SegmenterFit:
    """How to fit.

    Attributes:
        seed: random seed of weights and patches.
        steps: optimizer steps.
        batch: patches per step.
        patch: voxels of a patch (z, y, x), 3 mm each.
        simulated: share of patches from simulated chests, if there are real and simulated scans.
        learning_rate: highest learning rate.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: weight decay of AdamW.
        average: decay of the running average of the weights; the average is the result.
        settling: number of batches to recompute the batch norms at the end.
    """

    seed: int = 1000
    steps: int = 1500
    batch: int = 4
    patch: tuple[int, int, int] = (40, 48, 48)
    simulated: float = 0.4
    learning_rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 0.02
    average: float = 0.99
    settling: int = 30


def fit_segmenter(
    real: Sequence[Scan],
    simulated: Sequence[Scan],
    settings: SegmenterFit,
    checkpoint: Path,
    report: Callable[[str], None],
    *,
    shape: UNetShape | None = None,
    start: UNet3d | None = None,
    device: torch.device | None = None,
) -> UNet3d:
    """Fit one network, continuing from its last checkpoint.

    The random draws of a step depend only on seed and step, so a continued fit sees the same patches as one without
    interruption.

    Args:
        real: scans of patients; may be empty when there are simulated ones.
        simulated: simulated scans; may be empty when there are real ones.
        settings: how to fit.
        checkpoint: file with the state; the caller removes it when it is no longer needed.
        report: called from time to time with a progress message.
        shape: size of a new network.
        start: weights to start from instead of random ones.
        device: where to compute; the processor when None. Convolutions are computed in bfloat16.

    Returns:
        The running average of the weights, with recomputed batch norms, on the processor.

    Raises:
        ValueError: when there are no scans.
    """
    if not real and not simulated:
        raise ValueError("there are no scans to fit to")
    device = device or torch.device("cpu")
    course = _course(settings, start.shape if start else shape or UNetShape(), start, device)
    told = asdict(settings) | course.network.shape.to_json()
    course.resume(checkpoint, told)
    began, first, losses = time.monotonic(), course.step, list[float]()
    draw = partial(_draw, real, simulated, settings, device)
    while course.step < settings.steps:
        losses.append(_step(course, draw(_FIT_STREAM, course.step)))
        if course.step % _REPORT_STEPS == 0:
            left = (time.monotonic() - began) / (course.step - first) * (settings.steps - course.step)
            report(f"step {course.step} of {settings.steps}, about {left:.0f} s left: loss {np.mean(losses):.4f}")
            losses = []
        if course.step % _CHECKPOINT_STEPS == 0 or course.step == settings.steps:
            course.save(checkpoint, told)
    _settle_norms(course.averaged, (draw(_SETTLING_STREAM, batch) for batch in range(settings.settling)))
    return course.averaged.cpu()


def region_loss(logits: Tensor, patches: Patches) -> Tensor:
    """Cross-entropy and Dice over the voxels with known truth, for each region separately.

    Args:
        logits: (n, regions, z, y, x).
        patches: the batch.

    Returns:
        One number. A region with unknown truth in the batch adds nothing. A region absent from it adds no Dice.
    """
    known, truth = patches.known, patches.truth
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none") * known
    shown = torch.sigmoid(logits) * known
    total = logits.new_zeros(())
    for region in range(logits.shape[1]):
        voxels = known[:, region].sum()
        if voxels == 0:
            continue
        total = total + each[:, region].sum() / voxels
        inside = (truth[:, region] * known[:, region]).sum()
        if inside > 0:
            # Squares in the denominator: the loss is least at the true shares, not at rounded ones.
            overlap = (shown[:, region] * truth[:, region]).sum()
            both = shown[:, region].square().sum() + (truth[:, region].square() * known[:, region]).sum()
            total = total + 1 - (2 * overlap + _DICE_SMOOTH) / (both + _DICE_SMOOTH)
    return total


def _draw(
    real: Sequence[Scan],
    simulated: Sequence[Scan],
    settings: SegmenterFit,
    device: torch.device,
    stream: int,
    step: int,
) -> Patches:
    """The patches of a step of a stream."""
    rng = np.random.default_rng([settings.seed, stream, step])
    share = 0.0 if not simulated else 1.0 if not real else settings.simulated
    pools = [simulated if rng.random() < share else real for _ in range(settings.batch)]
    scans = [pool[int(rng.integers(len(pool)))] for pool in pools]
    return draw_patches(scans, settings.patch, rng, device=device)


def _step(course: Course[UNet3d], patches: Patches) -> float:
    """One step of the optimizer; the loss before it."""
    course.network.train()
    with torch.autocast(patches.images.device.type, torch.bfloat16):
        logits = course.network(_by_channel(patches.images))
    loss = region_loss(logits.float(), patches)
    course.take_step(loss)
    return float(loss.detach())


@torch.no_grad()
def _settle_norms(network: UNet3d, batches: Iterable[Patches]) -> None:
    """Recompute means and variances of the batch norms: the averaged ones do not match the averaged weights."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.reset_running_stats()
            module.momentum = None  # plain mean over the batches
    network.train()
    for patches in batches:
        with torch.autocast(patches.images.device.type, torch.bfloat16):
            network(_by_channel(patches.images))
    network.eval()


def _by_channel(images: Tensor) -> Tensor:
    """Images in the memory order in which convolutions are fastest."""
    return images.contiguous(memory_format=torch.channels_last_3d)


def _course(settings: SegmenterFit, shape: UNetShape, start: UNet3d | None, device: torch.device) -> Course[UNet3d]:
    """The state of a new fit."""
    torch.manual_seed(settings.seed)
    network = UNet3d(shape)
    network.to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if start is not None:
        network.load_state_dict(start.state_dict())
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    return Course(
        network,
        optimizer,
        steps=settings.steps,
        warmup=settings.warmup,
        average=settings.average,
        most_gradient=_MOST_GRADIENT,
    )
