"""One fit of the embedded encoder: steps, learning rate, running average of the weights, checkpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from espark.models.course import Course
from espark.models.vision_language import DualEncoder, DualEncoderShape
from espark.pathology.encoders.vocabulary import Vocabulary
from espark.pretrain.encoder_phrases import COUNT_PARTS, ask
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
    free_dropout: float = 0.3
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
        losses = step_losses(course.network, views, vocabulary, settings, rng)
        course.take_step(losses["pairs"] + settings.map_weight * losses["map"])
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


def step_losses(
    network: DualEncoder, views: Views, vocabulary: Vocabulary, settings: FitSettings, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Losses of a batch: phrase–view pairs, and counts and classes of the map."""
    questions = ask(views.counts, views.areas, rng)
    tokens = torch.tensor(vocabulary.batch(questions.phrases))
    kept = torch.from_numpy((rng.random((len(views.tiles), 1)) >= settings.free_dropout).astype(np.float32))
    network.train()
    device = network.shift.device
    with torch.autocast(device.type, torch.bfloat16):
        seen = network.image(_on(device, views.tiles), kept.to(device))
    logits = network.pair_logits(seen.vector, network.text(tokens.to(device)))
    truth, known = questions.truth.to(device), questions.known.to(device)
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    counts = functional.poisson_nll_loss(seen.log_counts, views.local_counts.to(device)).mul(len(KIND_NAMES))
    areas = functional.binary_cross_entropy_with_logits(seen.areas, views.local_areas.to(device)).mul(len(AREAS))
    return {"pairs": (each * known).sum() / known.sum(), "map": counts + 0.3 * areas}


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
            network.image(_on(device, views.tiles))
    network.eval()


def _on(device: torch.device, tiles: Tensor) -> Tensor:
    """Tiles as the network likes them."""
    return tiles.to(device).contiguous(memory_format=torch.channels_last)


def _course(vocabulary: Vocabulary, settings: FitSettings, device: torch.device) -> Course[DualEncoder]:
    """The course of a new fit."""
    torch.manual_seed(settings.seed)
    network = DualEncoder(
        DualEncoderShape(words=len(vocabulary.words) + 1, local_counts=len(KIND_NAMES), local_areas=len(AREAS))
    )
    network.parts.copy_(COUNT_PARTS)
    network.to(device)
    network.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Course(
        network,
        torch.optim.AdamW(_groups(network, settings.weight_decay), lr=settings.learning_rate),
        steps=settings.steps,
        warmup=settings.warmup,
        average=settings.average,
        most_gradient=_MOST_GRADIENT,
    )


def _groups(network: DualEncoder, weight_decay: float) -> list[dict[str, object]]:
    """Weights with decay; norms, biases and single numbers without."""
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    free = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
