"""Whether a single tile may be used: enough tissue, no ink, in focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from espark.pathology.density import is_ink, is_stained, optical_density
from espark.types import BoolArray, ByteArray, FloatArray

_VIEW_PX = 64
_INK = 0.02
_BLOCK_PX = 64
_CONTRAST = 4.0
_BLURRED = 0.085
_BLURRED_SHARE = 0.25
_COVERED = 0.8


Reason = Literal["tissue", "glass", "pen", "blur"]


@dataclass(frozen=True)
class TileVerdict:
    """Whether a tile may be used.

    Attributes:
        keep: whether it may be used.
        reason: ``tissue`` when kept; otherwise ``glass``, ``pen`` or ``blur``.
        tissue: share of the tile that is stained tissue, 0–1.
        pen: share of the tile that is ink, 0–1.
    """

    keep: bool
    reason: Reason
    tissue: float
    pen: float


def judge_tiles(
    tiles: ByteArray, *, glass: FloatArray, min_tissue: float = 0.10, max_ink: float = _INK
) -> list[TileVerdict]:
    """Judge tiles of one size, each separately.

    Args:
        tiles: uint8 (n, h, w, 3).
        glass: color of empty glass.
        min_tissue: least share of stained tissue.
        max_ink: largest share of ink.
    """
    if not len(tiles):
        return []
    density = optical_density(_shrunk(tiles, _VIEW_PX), glass)
    stained = is_stained(density)
    pen, tissue = is_ink(density).mean(axis=(1, 2)), stained.mean(axis=(1, 2))
    reasons: list[Reason] = [
        "pen" if inked >= max_ink else "glass" if share < min_tissue else "tissue"
        for inked, share in zip(pen, tissue, strict=True)
    ]
    clean = [row for row, reason in enumerate(reasons) if reason == "tissue"]
    for row, share in zip(clean, blurred_shares(tiles[clean], stained[clean]), strict=True):
        reasons[row] = "blur" if share >= _BLURRED_SHARE else "tissue"
    return [
        TileVerdict(reason == "tissue", reason, float(share), float(inked))
        for reason, share, inked in zip(reasons, tissue, pen, strict=True)
    ]


def blurred_shares(tiles: ByteArray, stained: BoolArray) -> list[float]:
    """Share of the tissue of each tile that is out of focus, 0–1; 1 if there is no contrast.

    The ratio of the standard deviations of the finest detail and of all detail hardly depends on the dye: below 0.08
    out of focus, above 0.10 in focus. It is computed in blocks of 64 px full of tissue, because at the edge of tissue
    the step to the glass dominates. A tile without such a block is judged by all of its blocks.

    Args:
        tiles: uint8 (n, h, w, 3).
        stained: bool (n, …, …), the stained tissue of the same tiles, at any resolution.
    """
    if not len(tiles):
        return []
    side = min(_BLOCK_PX, *tiles.shape[1:3])
    green = tiles[..., 1].astype(np.int16)
    contrast = _block_spread(green, side)
    detail = _sum_of_nine(green)
    np.subtract(9 * green, detail, out=detail)
    fine = _block_spread(detail, side) / 9
    shown = contrast > _CONTRAST
    covered = shown & (_block_share(stained, *contrast.shape[1:]) >= _COVERED)
    judged = np.where(covered.any(axis=(1, 2), keepdims=True), covered, shown)
    blurred = judged & (fine < _BLURRED * contrast)
    counts = judged.sum(axis=(1, 2))
    return [float(soft / all_) if all_ else 1.0 for soft, all_ in zip(blurred.sum(axis=(1, 2)), counts, strict=True)]


def _sum_of_nine(values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """The sum of each pixel and its eight neighbors. At the edge, pixels count as their own neighbors."""
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1]
    rows += padded[:, 2:]
    total: npt.NDArray[np.int16] = rows[..., :-2] + rows[..., 1:-1]
    total += rows[..., 2:]
    return total


def _block_spread(values: npt.NDArray[np.int16], side: int) -> FloatArray:
    """Standard deviation in blocks of ``side`` px, (n, h, w) → (n, rows, columns)."""
    rows, columns = values.shape[1] // side, values.shape[2] // side
    part = values[:, : rows * side, : columns * side].astype(np.float32)
    mean = _block_sums(part, side) / side**2
    square = _block_sums(np.multiply(part, part, out=part), side) / side**2
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)))


def _block_sums(values: FloatArray, side: int) -> FloatArray:
    n, height, width = values.shape
    across = np.kron(np.eye(width // side, dtype=np.float32), np.ones((side, 1), np.float32))
    return np.asarray((values @ across).reshape(n, height // side, side, -1).sum(axis=2))


def _block_share(masks: BoolArray, rows: int, columns: int) -> FloatArray:
    """Share of each mask in each of ``rows`` × ``columns`` blocks of nearly equal size."""
    top = np.arange(rows) * masks.shape[1] // rows
    left = np.arange(columns) * masks.shape[2] // columns
    counts = np.add.reduceat(np.add.reduceat(masks.astype(np.float32), top, axis=1), left, axis=2)
    heights, widths = np.diff([*top, masks.shape[1]]), np.diff([*left, masks.shape[2]])
    return np.asarray(counts / np.outer(heights, widths), dtype=np.float32)


def _shrunk(tiles: ByteArray, side: int) -> ByteArray:
    """Tiles at about ``side`` px, by averaging blocks as Pillow's ``reduce`` does."""
    n, height, width, _ = tiles.shape
    factor = max(height, width) // side
    if factor <= 1:
        return tiles
    if height % factor or width % factor:  # blocks at the edge are smaller
        return np.stack([np.asarray(Image.fromarray(tile).reduce(factor)) for tile in tiles])
    lines = np.add.reduce(tiles.reshape(n, height // factor, factor, width * 3), axis=2, dtype=np.uint32)
    blocks = lines.reshape(n, height // factor, width // factor, factor, 3)
    total = np.zeros((*blocks.shape[:3], 3), dtype=np.uint32)
    for channel, place in np.ndindex(3, factor):  # one at a time: NumPy is slow along an axis of three
        total[..., channel] += blocks[..., place, channel]
    total += factor**2 // 2
    total //= factor**2
    return total.astype(np.uint8)
