"""How much each cell type contributes to a patient's answer, and the biomarkers of the tumor tissue.

The definitions were fixed before any outcome was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from espark.cells import BIOMARKERS, CELL_GROUPS, COUNTED_CELLS
from espark.types import DoubleArray, FloatArray


def tile_statistics(similarities: Sequence[FloatArray]) -> tuple[DoubleArray, DoubleArray]:
    """Mean and SD of the similarity over all development tiles.

    Args:
        similarities: (tiles, cell types), one array per patient; at least one tile in total.

    Returns:
        Mean and SD, each (cell types,). An SD of zero is given as 1.
    """
    tiles = np.concatenate([part.astype(np.float64) for part in similarities])
    sd = tiles.std(axis=0)
    return tiles.mean(axis=0), np.where(sd > 0, sd, 1.0)


def evidence(
    similarity: FloatArray, mean: Sequence[float] | DoubleArray, sd: Sequence[float] | DoubleArray
) -> DoubleArray:
    """Evidence of each type in each tile: its similarity, standardized over the development tiles.

    Args:
        similarity: (tiles, cell types).
        mean: (cell types,) over the development tiles.
        sd: (cell types,) over the development tiles.
    """
    return np.asarray((similarity.astype(np.float64) - np.asarray(mean)) / np.asarray(sd))


def contributions(tile_evidence: DoubleArray, attention: FloatArray, cell_types: Sequence[str]) -> dict[str, float]:
    """Contribution of each type to a patient: attention-weighted mean of its share within its group.

    The share is the softmax of the evidence over the types of the group, so the contributions of a group sum to 1.

    Args:
        tile_evidence: (tiles, cell types).
        attention: (tiles,) summing to 1.
        cell_types: keys, in the order of the columns.

    Returns:
        Contribution by cell type, each in [0, 1], for the types of every group.
    """
    column = {key: index for index, key in enumerate(cell_types)}
    found: dict[str, float] = {}
    for keys in CELL_GROUPS.values():
        shares = softmax(tile_evidence[:, [column[key] for key in keys]], axis=1)
        found.update(zip(keys, (attention.astype(np.float64) @ shares).tolist(), strict=True))
    return found


def biomarkers(
    tile_evidence: DoubleArray, cell_types: Sequence[str], expected_counts: FloatArray | None = None
) -> dict[str, float]:
    """Neutrophil-to-lymphocyte ratio (NLR) of the tumor tissue, and differentiation, over all tissue tiles.

    With an encoder that counts, each is the ratio of the expected counts over all tiles. Without, it is the ratio of
    the mean evidence, mapped to a non-negative amount by softplus. The blood NLR is a different quantity.

    Args:
        tile_evidence: (tiles, cell types).
        cell_types: keys, in the order of the columns.
        expected_counts: (tiles, counted cells) in the order of ``COUNTED_CELLS``; None when the encoder does not count.

    Returns:
        ``nlr``: neutrophils over lymphocytes; ``differentiation``: well over poorly differentiated tumor cells.
    """
    if expected_counts is not None:
        amount = dict(zip(COUNTED_CELLS, expected_counts.sum(axis=0, dtype=np.float64), strict=True))
    else:
        amount = dict(zip(cell_types, np.logaddexp(0.0, tile_evidence.mean(axis=0)), strict=True))
    floor = 1e-6
    ratios = {entry.key: entry.ratio for entry in BIOMARKERS.values()}
    return {key: float(amount[above] / max(amount[below], floor)) for key, (above, below) in ratios.items()}
