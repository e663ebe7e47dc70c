"""One fit of the embedded encoder: steps, learning rate, running average of the weights, checkpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from espark.models.course import Course
from espark.models.vision_language import DualEncoder, DualEncoderShape
from espark.pathology.encoders.mini import load_network
from espark.pathology.encoders.vocabulary import Vocabulary
from espark.pretrain.encoder_losses import on_device, step_losses
from espark.pretrain.encoder_phrases import COUNT_PARTS
from espark.pretrain.encoder_pieces import AREAS, KIND_NAMES, Pieces
from espark.pretrain.encoder_views import Views, draw_views

_MOST_GRADIENT = 2.0
_CHECKPOINT_STEPS = 200
_REPORT_STEPS = 50
_AHEAD = 2


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
        map_weight: weight of the loss of the map.
        total_weight: weight of the loss of the counts of a whole view.
        sort_weight: weight of the loss of the sort of each nucleus.
        least_count: see `espark.models.vision_language.DualEncoderShape`.
        start: folder with the weights to begin with; empty: random weights.
        free_dropout: share of views whose vector must do without its free part.
        settling: batches from which the batch norms are settled at the end.
    """

    seed: int = 1000
    steps: int = 12_000
    batch: int = 32
    learning_rate: float = 2e-3
    warmup: float = 0.06
    weight_decay: float = 0.03
    average: float = 0.998
    map_weight: float = 1.0
    total_weight: float = 0.5
    sort_weight: float = 0.5
    least_count: float = 0.01
    start: str = ""
    free_dropout: float = 0.45
    settling: int = 60


def fit(
    pieces: Pieces,
    vocabulary: Vocabulary,
    settings: FitSettings,
    folder: Path,
    report: Callable[[str], None],
    *,
    device: torch.device | None = None,
) -> DualEncoder:
    """Fit one encoder, continuing from its last checkpoint.

    The draws of a step depend on seed and step only, so that a continued fit sees what an undisturbed one sees.

    Args:
        pieces: tissue to draw views from.
        vocabulary: words of the text tower.
        settings: how to fit.
        folder: where checkpoints lie.
        report: told now and then how it goes.
        device: where to compute (default: the CPU). Another device gives weights like these, not the same bytes.

    Returns:
        The running average of the weights, its batch norms settled.
    """
    checkpoint, told = folder / f"fit-{settings.seed}.pt", asdict(settings)
    course = _course(vocabulary, settings, device or torch.device("cpu"))
    course.resume(checkpoint, told)
    sums = dict[str, float]()
    for views, rng in _views_ahead(pieces, settings, course.step):
        losses = step_losses(course.network, views, vocabulary, settings.free_dropout, rng)
        course.take_step(
            losses["pairs"]
            + settings.map_weight * losses["map"]
            + settings.total_weight * losses["totals"]
            + settings.sort_weight * losses["sort"]
        )
        for name, value in losses.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if course.step % _REPORT_STEPS == 0:
            figures = ", ".join(f"{name} {value / _REPORT_STEPS:.4f}" for name, value in sums.items())
            report(f"seed {settings.seed}: step {course.step} of {settings.steps}: {figures}")
            sums = {}
        if course.step % _CHECKPOINT_STEPS == 0 or course.step == settings.steps:
            course.save(checkpoint, told)
    settle_norms(course.averaged, pieces, settings)
    return course.averaged


def _views_ahead(pieces: Pieces, settings: FitSettings, first: int) -> Iterator[tuple[Views, np.random.Generator]]:
    """Views of the steps from ``first`` on, drawn by a second thread while the network learns; and their generator."""
    shares = pieces.shares()

    def drawn(step: int) -> tuple[Views, np.random.Generator]:
        rng = np.random.default_rng([settings.seed, 7, step])
        return draw_views(pieces, rng.choice(len(pieces), settings.batch, p=shares), rng), rng

    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)) as pool:
        waiting: deque[Future[tuple[Views, np.random.Generator]]] = deque()
        for step in range(first, settings.steps):
            waiting.append(pool.submit(drawn, step))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@torch.no_grad()
def settle_norms(network: DualEncoder, pieces: Pieces, settings: FitSettings) -> None:
    """Estimate the batch norms' means and variances again from views as large as the tiles that will be encoded.

    Averaged weights never saw the running statistics that were averaged along with them.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # plain mean over the batches
    network.train()
    device = network.shift.device
    for batch in range(settings.settling):
        rng = np.random.default_rng([settings.seed, 8, batch])
        views = draw_views(pieces, rng.integers(0, len(pieces), 24), rng, sizes=(192, 224, 256))
        with torch.autocast(device.type, torch.bfloat16):
            network.image(on_device(views.tiles, device))
    network.eval()


def _course(vocabulary: Vocabulary, settings: FitSettings, device: torch.device) -> Course[DualEncoder]:
    """The course of a new fit."""
    network = begin(vocabulary, settings).to(device)
    network.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Course(
        network,
        torch.optim.AdamW(_groups(network, settings.weight_decay), lr=settings.learning_rate),
        steps=settings.steps,
        warmup=settings.warmup,
        average=settings.average,
        most_gradient=_MOST_GRADIENT,
    )


def begin(vocabulary: Vocabulary, settings: FitSettings) -> DualEncoder:
    """The network before its first step: random weights, or those that the settings name.

    Raises:
        InputError: when a file of the weights is missing or damaged.
        EncoderError: when the weights do not belong to this network.
    """
    torch.manual_seed(settings.seed)
    shape = DualEncoderShape(
        words=len(vocabulary.words) + 1,
        local_counts=len(KIND_NAMES),
        local_areas=len(AREAS),
        least_count=settings.least_count,
    )
    network = DualEncoder(shape)
    if settings.start:
        network.load_state_dict(load_network(Path(settings.start))[0].state_dict())
    network.parts.copy_(COUNT_PARTS)
    return network


def _groups(network: DualEncoder, weight_decay: float) -> list[dict[str, object]]:
    """Weights with decay; norms, biases and single numbers without."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
