"""One fit of the embedded encoder: steps, learning rate, running average of the weights, checkpoints."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from espark.files import atomic_path
from espark.models.vision_language import DualEncoder, DualEncoderShape
from espark.pathology.encoders.words import Vocabulary
from espark.pretrain.encoder_phrases import COUNT_PARTS, ask
from espark.pretrain.encoder_pieces import AREAS, KIND_NAMES, Pieces
from espark.pretrain.encoder_views import Views, draw_views

_CHECKPOINT_STEPS = 200
_REPORT_STEPS = 50


@dataclass(frozen=True)
class FitSettings:
    """How to fit.

    Attributes:
        seed: of weights, views and phrases; at least 1000.
        steps: optimizer steps.
        batch: views per step.
        learning_rate: at its peak.
        warmup: share of the steps over which the learning rate rises.
        weight_decay: AdamW's.
        average: decay of the running average of the weights, which is what is shipped.
        count_weight: weight of the loss of the counts.
        map_weight: weight of the loss of the map.
        settling: batches from which the batch norms are settled at the end.
    """

    seed: int = 1000
    steps: int = 4000
    batch: int = 32
    learning_rate: float = 2e-3
    warmup: float = 0.06
    weight_decay: float = 0.03
    average: float = 0.998
    count_weight: float = 1.0
    map_weight: float = 1.0
    settling: int = 60


@dataclass
class _State:
    network: DualEncoder
    averaged: DualEncoder
    optimizer: torch.optim.AdamW
    step: int


def fit(
    pieces: Pieces, vocabulary: Vocabulary, settings: FitSettings, folder: Path, report: Callable[[str], None]
) -> DualEncoder:
    """Fit one encoder, continuing from its last checkpoint.

    The draws of a step depend on seed and step only, so that a continued fit sees what an undisturbed one sees.

    Args:
        pieces: tissue to draw views from.
        vocabulary: words of the text tower.
        settings: how to fit.
        folder: where checkpoints lie.
        report: told now and then how it goes.

    Returns:
        The running average of the weights, its batch norms settled.
    """
    checkpoint = folder / f"fit-{settings.seed}.pt"
    state = _restore(checkpoint, vocabulary, settings)
    shares, sums = pieces.shares(), dict[str, float]()
    while state.step < settings.steps:
        rng = np.random.default_rng([settings.seed, 7, state.step])
        _set_learning_rate(state.optimizer, settings, state.step)
        views = draw_views(pieces, rng.choice(len(pieces), settings.batch, p=shares), rng)
        losses = step_losses(state.network, views, vocabulary, rng)
        total = losses["pairs"] + settings.count_weight * losses["counts"] + settings.map_weight * losses["map"]
        state.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(state.network.parameters(), 2.0)
        state.optimizer.step()
        state.step += 1
        _update_average(state.averaged, state.network, min(settings.average, state.step / (state.step + 20.0)))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if state.step % _REPORT_STEPS == 0:
            figures = ", ".join(f"{name} {value / _REPORT_STEPS:.4f}" for name, value in sums.items())
            report(f"seed {settings.seed}: step {state.step} of {settings.steps}: {figures}")
            sums = {}
        if state.step % _CHECKPOINT_STEPS == 0 or state.step == settings.steps:
            _save(checkpoint, state, settings)
    settle_norms(state.averaged, pieces, settings)
    return state.averaged


def step_losses(
    network: DualEncoder, views: Views, vocabulary: Vocabulary, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Losses of a batch: phrase–view pairs, counts from the vector, and counts and classes of the map."""
    questions = ask(views.counts, views.areas, rng)
    tokens = torch.tensor(vocabulary.batch(questions.phrases))
    network.train()
    with torch.autocast("cpu", torch.bfloat16):
        seen = network.image(views.tiles.contiguous(memory_format=torch.channels_last))
    logits = network.pair_logits(seen.vector, network.text(tokens))
    each = functional.binary_cross_entropy_with_logits(logits, questions.truth, reduction="none")
    pairs = (each * questions.known).sum() / questions.known.sum()
    true_counts = (views.counts @ COUNT_PARTS).log1p()
    counts = functional.smooth_l1_loss(network.counts(seen.vector), true_counts, beta=0.3).mul(len(KIND_NAMES))
    local = functional.poisson_nll_loss(seen.log_counts, views.local_counts).mul(len(KIND_NAMES))
    areas = functional.binary_cross_entropy_with_logits(seen.areas, views.local_areas).mul(len(AREAS))
    return {"pairs": pairs, "counts": counts, "map": local + 0.3 * areas}


@torch.no_grad()
def settle_norms(network: DualEncoder, pieces: Pieces, settings: FitSettings) -> None:
    """Take the batch norms' means and variances anew from views as large as the tiles that will be encoded.

    Averaged weights never saw the running statistics that were averaged along with them.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain mean over the batches
    network.train()
    for batch in range(settings.settling):
        rng = np.random.default_rng([settings.seed, 8, batch])
        views = draw_views(pieces, rng.integers(0, len(pieces), 24), rng, sizes=(192, 224, 256))
        with torch.autocast("cpu", torch.bfloat16):
            network.image(views.tiles.contiguous(memory_format=torch.channels_last))
    network.eval()


def _set_learning_rate(optimizer: torch.optim.AdamW, settings: FitSettings, step: int) -> None:
    """Linear rise, then half a cosine to 1 % of the peak."""
    rise = max(1, round(settings.warmup * settings.steps))
    if step < rise:
        factor = (step + 1) / rise
    else:
        factor = 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, settings.steps - rise)))
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * factor


@torch.no_grad()
def _update_average(averaged: DualEncoder, network: DualEncoder, decay: float) -> None:
    current = network.state_dict()
    for name, value in averaged.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], 1.0 - decay)
        else:
            value.copy_(current[name])


def _restore(checkpoint: Path, vocabulary: Vocabulary, settings: FitSettings) -> _State:
    """A fresh state, or that of the checkpoint when it was written under the same settings."""
    torch.manual_seed(settings.seed)
    network = DualEncoder(
        DualEncoderShape(words=len(vocabulary.words) + 1, local_counts=len(KIND_NAMES), local_areas=len(AREAS))
    )
    network.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(_groups(network, settings.weight_decay), lr=settings.learning_rate)
    state = _State(network, averaged, optimizer, 0)
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["settings"] == asdict(settings):
            network.load_state_dict(saved["network"])
            averaged.load_state_dict(saved["averaged"])
            optimizer.load_state_dict(saved["optimizer"])
            state.step = int(saved["step"])
    return state


def _groups(network: DualEncoder, weight_decay: float) -> list[dict[str, object]]:
    """Weights with decay; norms, biases and single numbers without."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]


def _save(checkpoint: Path, state: _State, settings: FitSettings) -> None:
    with atomic_path(checkpoint) as temporary:
        torch.save(
            {
                "settings": asdict(settings),
                "step": state.step,
                "network": state.network.state_dict(),
                "averaged": state.averaged.state_dict(),
                "optimizer": state.optimizer.state_dict(),
            },
            temporary,
        )
