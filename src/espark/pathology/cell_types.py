"""Which cell types a tile resembles, and which tiles are chosen by it."""

from __future__ import annotations

import math

import numpy as np

from espark.cells import CELL_TYPES, PROMPT_TEMPLATES
from espark.errors import EncoderError
from espark.pathology.encoders.encoder import Encoder
from espark.types import BoolArray, FloatArray

CELL_TYPE_NAMES: tuple[str, ...] = tuple(cell_type.name for cell_type in CELL_TYPES)


def text_embeddings(
    encoder: Encoder,
    *,
    names: tuple[str, ...] = CELL_TYPE_NAMES,
    templates: tuple[str, ...] = PROMPT_TEMPLATES,
) -> FloatArray:
    """One vector for each cell type: the mean over the templates, brought back to length 1.

    Args:
        encoder: an encoder with a text side.
        names: cell types as they stand in running text.
        templates: phrases with one ``{}`` each.

    Returns:
        float32 (c, dim).

    Raises:
        EncoderError: when the encoder has no text side or does not know a word.
    """
    if not encoder.has_text:
        raise EncoderError(
            "the encoder has no text side",
            where=encoder.name,
            action="Train without cell-type selection, or choose an encoder that understands prompts.",
        )
    phrases = [template.format(name) for name in names for template in templates]
    vectors = encoder.encode_text(phrases).astype(np.float64).reshape(len(names), len(templates), -1).mean(axis=1)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def cell_type_similarity(features: FloatArray, embeddings: FloatArray) -> FloatArray:
    """Dot product of tile vectors (n, d) and cell-type vectors (c, d).

    Returns:
        float32 (n, c), between −1 and 1 when both have length 1.
    """
    return np.asarray(features @ embeddings.T, dtype=np.float32)


def fit_cutoffs(similarity: FloatArray, quantile: float) -> FloatArray:
    """Cut-offs at a quantile of the given tiles, for each cell type.

    Hand in the tiles of the training part of a fold only.

    Args:
        similarity: float32 (n, c), n ≥ 1.
        quantile: between 0 and 1; the higher, the fewer tiles pass.

    Returns:
        float32 (c,).

    Raises:
        ValueError: when there is no tile, or ``quantile`` is not between 0 and 1.
    """
    if not 0.0 < quantile < 1.0:
        raise ValueError(f"quantile must lie between 0 and 1, not {quantile}")
    if len(similarity) == 0:
        raise ValueError("cut-offs need at least one tile")
    return np.quantile(similarity.astype(np.float64), quantile, axis=0).astype(np.float32)


def passed_cutoffs(similarity: FloatArray, cutoffs: FloatArray) -> BoolArray:
    """Which cut-offs each tile passes, bool (n, c), from similarity (n, c) and cut-offs (c,)."""
    return np.asarray(similarity > cutoffs)


def best_tiles(similarity: FloatArray, cutoffs: FloatArray, share: float) -> BoolArray:
    """The tiles that come nearest to passing any cut-off, for a patient of whom none passes.

    Args:
        similarity: float32 (n, c) of one patient.
        cutoffs: float32 (c,).
        share: share of the tiles that is wanted, rounded up; of any tile at least one.

    Returns:
        bool (n,). Of tiles that come equally near, the first.
    """
    nearness = (similarity - cutoffs).max(axis=1)  # (n,)
    count = math.ceil(share * len(nearness) - 1e-9)
    chosen = np.zeros(len(nearness), dtype=bool)
    chosen[np.argsort(-nearness, kind="stable")[:count]] = True
    return chosen
