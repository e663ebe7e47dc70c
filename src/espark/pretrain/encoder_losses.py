"""What one step of the fit of the embedded encoder minimizes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from espark.models.vision_language import DualEncoder, ImageOutput
from espark.pathology.encoders.vocabulary import Vocabulary
from espark.pretrain.encoder_phrases import COUNT_PARTS, ask
from espark.pretrain.encoder_pieces import AREAS, KIND_NAMES
from espark.pretrain.encoder_views import Views
from espark.simulate.histology.nuclei_kinds import KINDS

SORTS: tuple[tuple[str, ...], ...] = (
    ("lymphocyte", "plasma", "neutrophil", "eosinophil"),
    tuple(kind.name for kind in KINDS if kind.cell and "tumor" in kind.cell),
    tuple(kind.name for kind in KINDS if kind.cell in ("stromal_cell", "endothelial_cell")),
    tuple(kind.name for kind in KINDS if kind.cell == "squamous_cell"),
    ("gland", "gland_tall"),
    ("red", "dust", "crushed", "goblet", "mucin"),
)
"""Kinds that must not be taken for each other. Lymphocytes and tumor cells are the pair that is mistaken most."""

_SORT_MATRIX = torch.tensor([[float(name in sort) for sort in SORTS] for name in KIND_NAMES])
_AREA_WEIGHT = 0.3


def step_losses(
    network: DualEncoder, views: Views, vocabulary: Vocabulary, free_dropout: float, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Losses of a batch.

    Args:
        network: in training mode afterwards.
        views: the batch.
        vocabulary: words of the text tower.
        free_dropout: share of views whose vector must do without its free part.
        rng: source of the phrases.

    Returns:
        ``pairs`` of phrases and views, ``map`` of counts and classes, ``totals`` of whole views, ``sort`` of nuclei.
    """
    questions = ask(views.counts, views.areas, rng)
    tokens = torch.tensor(vocabulary.batch(questions.phrases))
    kept = torch.from_numpy((rng.random((len(views.tiles), 1)) >= free_dropout).astype(np.float32))
    network.train()
    device = network.shift.device
    with torch.autocast(device.type, torch.bfloat16):
        seen = network.image(on_device(views.tiles, device), kept.to(device))
    logits = network.pair_logits(seen.vector, network.text(tokens.to(device)))
    truth, known = questions.truth.to(device), questions.known.to(device)
    each = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    local = views.local_counts.to(device)
    return {
        "pairs": (each * known).sum() / known.sum(),
        "map": _map_loss(seen, local, views.local_areas.to(device)),
        "totals": _total_loss(seen.cells, views.counts.to(device)),
        "sort": sort_loss(seen.log_counts, local),
    }


def _map_loss(seen: ImageOutput, counts: Tensor, areas: Tensor) -> Tensor:
    number = functional.poisson_nll_loss(seen.log_counts, counts).mul(len(KIND_NAMES))
    return number + _AREA_WEIGHT * functional.binary_cross_entropy_with_logits(seen.areas, areas).mul(len(AREAS))


def _total_loss(cells: Tensor, true: Tensor) -> Tensor:
    """Distance of the expected counts of a view from the true ones, on the scale that the vector stores.

    Args:
        cells: (n, kinds) expected, as if the view filled a tile.
        true: likewise.
    """
    found, wanted = (
        torch.cat([part @ COUNT_PARTS.to(part.device), part @ _SORT_MATRIX.to(part.device)], dim=1)
        for part in (cells, true)
    )
    return functional.smooth_l1_loss(found.log1p(), wanted.log1p(), beta=0.3)


def sort_loss(log_counts: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy of the sort of each nucleus, given that there is one.

    Args:
        log_counts: (n, kinds, h, w) logarithm of the expected counts.
        true: (n, kinds, h, w) counts.
    """
    matrix = _SORT_MATRIX.to(true.device)
    expected = torch.einsum("nkhw,ks->nshw", log_counts.exp(), matrix)
    there = torch.einsum("nkhw,ks->nshw", true, matrix)
    logarithm = (expected / expected.sum(dim=1, keepdim=True)).clamp(min=1e-6).log()
    return -(there * logarithm).sum() / there.sum().clamp(min=1.0)


def on_device(tiles: Tensor, device: torch.device) -> Tensor:
    """Tiles as the network takes them."""
    return tiles.to(device).contiguous(memory_format=torch.channels_last)
