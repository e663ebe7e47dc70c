"""Whether a single tile may be used: enough tissue, no ink, in focus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from espark.pathology.density import glass_color, is_ink, is_stained, optical_density
from espark.types import BoolArray, ByteArray, FloatArray

_VIEW_PX = 64
_INK = 0.02
_BLOCK_PX = 64
_CONTRAST = 4.0
_BLURRED = 0.085
_BLURRED_SHARE = 0.25
_COVERED = 0.8


@dataclass(frozen=True)
class TileVerdict:
    """Whether a tile may be used.

    Attributes:
        keep: whether it may.
        reason: ``tissue`` when kept; else ``glass``, ``pen`` or ``blur``.
        tissue: share of the tile that is stained tissue, 0–1.
        pen: share of the tile that is ink, 0–1.
    """

    keep: bool
    reason: Literal["tissue", "glass", "pen", "blur"]
    tissue: float
    pen: float


def judge_tile(
    rgb: ByteArray, *, glass: FloatArray | None = None, min_tissue: float = 0.10, max_ink: float = _INK
) -> TileVerdict:
    """Judge one tile by itself.

    Args:
        rgb: uint8 (h, w, 3), some tens to some hundreds of µm wide.
        glass: color of empty glass; taken from the tile, or off-white, when not given.
        min_tissue: least share of stained tissue.
        max_ink: largest share of ink.
    """
    small = _shrunk(rgb, _VIEW_PX)
    density = optical_density(small, glass_color(rgb) if glass is None else glass)
    pen = float(is_ink(density).mean())
    stained = is_stained(density)
    tissue = float(stained.mean())
    if pen >= max_ink:
        return TileVerdict(False, "pen", tissue, pen)
    if tissue < min_tissue:
        return TileVerdict(False, "glass", tissue, pen)
    if blurred_share(rgb, stained) >= _BLURRED_SHARE:
        return TileVerdict(False, "blur", tissue, pen)
    return TileVerdict(True, "tissue", tissue, pen)


def blurred_share(rgb: ByteArray, stained: BoolArray) -> float:
    """Share of a tile's tissue that is out of focus, 0–1; 1 where nothing has any contrast.

    The ratio of the standard deviations of the finest and of all detail hardly depends on the dye: below 0.08 out of
    focus, above 0.10 in focus. It is taken in blocks of 64 px that tissue covers, for where tissue ends the step to
    the glass outweighs all detail; a tile without such a block is judged by all of its blocks.

    Args:
        rgb: uint8 (h, w, 3).
        stained: bool, where the same tile has stained tissue, at any resolution.
    """
    side = min(_BLOCK_PX, *rgb.shape[:2])
    green = rgb[..., 1].astype(np.int16)
    contrast = _block_spread(green, side)
    shown = contrast > _CONTRAST
    if not shown.any():
        return 1.0
    covered = shown & (_block_share(stained, *contrast.shape) >= _COVERED)
    judged = covered if covered.any() else shown
    fine = _block_spread(9 * green - _sum_of_nine(green), side) / 9
    return float((fine[judged] < _BLURRED * contrast[judged]).mean())


def _sum_of_nine(values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Each pixel with its eight neighbours added up; pixels at the edge count as their own neighbours."""
    padded = np.pad(values, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:])


def _block_spread(values: npt.NDArray[np.int16], side: int) -> FloatArray:
    """Standard deviation in blocks of ``side`` px."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    part = values[: rows * side, : columns * side].astype(np.float32).reshape(rows, side, columns, side)
    mean = np.einsum("iajb->ij", part) / side**2
    square = np.einsum("iajb,iajb->ij", part, part) / side**2
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0)))


def _block_share(mask: BoolArray, rows: int, columns: int) -> FloatArray:
    """Share of a mask in each of ``rows`` × ``columns`` blocks of nearly equal size."""
    top = np.arange(rows) * mask.shape[0] // rows
    left = np.arange(columns) * mask.shape[1] // columns
    counts = np.add.reduceat(np.add.reduceat(mask.astype(np.float32), top, axis=0), left, axis=1)
    heights, widths = np.diff([*top, mask.shape[0]]), np.diff([*left, mask.shape[1]])
    return np.asarray(counts / np.outer(heights, widths), dtype=np.float32)


def _shrunk(rgb: ByteArray, side: int) -> ByteArray:
    """The tile at about ``side`` px, by averaging blocks."""
    factor = max(rgb.shape[:2]) // side
    return np.asarray(Image.fromarray(rgb).reduce(factor)) if factor > 1 else rgb
