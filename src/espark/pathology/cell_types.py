"""The similarity of tiles to cell types, and the selection of tiles by similarity."""

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
    """One vector for each cell type: the mean over the templates, scaled to length 1.

    Args:
        encoder: an encoder with a text side.
        names: names of the cell types, as in running text.
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

    Use only the tiles of the training part of a fold.

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
    """The tiles that come closest to any cut-off, for a patient with no tile above a cut-off.

    Args:
        similarity: float32 (n, c) of one patient.
        cutoffs: float32 (c,).
        share: share of the tiles to return, rounded up; at least one if there is a tile.

    Returns:
        bool (n,). Of equally close tiles, the first ones.
    """
    nearness = (similarity - cutoffs).max(axis=1)  # (n,)
    count = math.ceil(share * len(nearness) - 1e-9)
    chosen = np.zeros(len(nearness), dtype=bool)
    chosen[np.argsort(-nearness, kind="stable")[:count]] = True
    return chosen
