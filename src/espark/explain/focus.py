"""High-focus regions: squares of adjacent tiles with the most influence on an answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.types import AnyArray, DoubleArray

SIDE = 3
"""Tiles along an edge of a region."""

MOST = 4
_FEWEST_TILES = 3


@dataclass(frozen=True)
class FocusRegion:
    """A square of tiles of one slide.

    Attributes:
        x: left edge, level-0 pixels.
        y: top edge, level-0 pixels.
        side: side of the square, level-0 pixels.
        tiles: indices of its tiles that entered the bag.
        attribution: sum over its tiles, in log-odds.
        attention: sum over its tiles.
    """

    x: float
    y: float
    side: float
    tiles: tuple[int, ...]
    attribution: float
    attention: float


def focus_regions(
    coords: AnyArray, tile_px_level0: float, attribution: AnyArray, attention: AnyArray, *, most: int = MOST
) -> tuple[FocusRegion, ...]:
    """The squares of 3 × 3 tiles with the largest sum of attributions, for or against the outcome, without overlap.

    The squares are chosen greedily, the largest first; of two equal ones, the upper and then the left one is first. A
    square contains at least three tiles that entered the bag.

    Args:
        coords: (tiles, 2) left and top edge of each tile in level-0 pixels, on a grid.
        tile_px_level0: side of a tile in level-0 pixels.
        attribution: (tiles,) in log-odds.
        attention: (tiles,); zero for tiles that were not in the bag.
        most: number of squares, at most.
    """
    cells = np.rint(np.asarray(coords, dtype=np.float64) / tile_px_level0).astype(np.int64)
    used = np.flatnonzero((np.asarray(attention) > 0) | (np.asarray(attribution) != 0))
    if not len(used):
        return ()
    low = cells[used].min(axis=0)
    columns, rows = cells[used].max(axis=0) - low + 1
    values, counts = np.zeros((rows, columns)), np.zeros((rows, columns))
    at = (cells[used, 1] - low[1], cells[used, 0] - low[0])
    np.add.at(values, at, np.asarray(attribution, dtype=np.float64)[used])
    np.add.at(counts, at, 1)
    sums, filled = _windows(values), _windows(counts)
    found = []
    for row, column in _greedy(np.where(filled >= _FEWEST_TILES, np.abs(sums), 0.0), most):
        # The corner of a window can be up to one window before the first tile.
        corner = low + np.array([column - SIDE + 1, row - SIDE + 1])
        inside = np.all((cells[used] >= corner) & (cells[used] < corner + SIDE), axis=1)
        tiles = used[inside]
        x, y = (corner * tile_px_level0).tolist()
        total, weight = float(np.asarray(attribution)[tiles].sum()), float(np.asarray(attention)[tiles].sum())
        found.append(FocusRegion(x, y, SIDE * tile_px_level0, tuple(tiles.tolist()), total, weight))
    return tuple(found)


def _windows(grid: DoubleArray) -> DoubleArray:
    """Sum of each window that touches the grid: (rows + 2, columns + 2), by the last row and column it covers."""
    padded = np.pad(grid, SIDE - 1)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE)).sum(axis=(2, 3)))


def _greedy(worth: DoubleArray, most: int) -> list[tuple[int, int]]:
    """Places of the windows with the highest worth above zero that do not overlap."""
    worth = worth.copy()
    chosen: list[tuple[int, int]] = []
    while len(chosen) < most and worth.size and worth.max() > 0:
        row, column = (int(part) for part in np.unravel_index(worth.argmax(), worth.shape))
        chosen.append((row, column))
        worth[max(0, row - SIDE + 1) : row + SIDE, max(0, column - SIDE + 1) : column + SIDE] = 0
    return chosen


def top_share(attention: AnyArray, share: float = 0.1) -> float:
    """Share of the attention on the most attended tenth of the tiles in the bag; NaN without a tile.

    The last tile counts in part when a tenth is not a whole number, so that even attention always gives a tenth.
    """
    weights = np.sort(np.asarray(attention, dtype=np.float64)[np.asarray(attention) > 0])[::-1]
    if not len(weights):
        return float("nan")
    wanted = share * len(weights)
    whole = int(wanted)
    rest = (wanted - whole) * weights[whole] if whole < len(weights) else 0.0
    return float((weights[:whole].sum() + rest) / weights.sum())


def is_even(attention: AnyArray) -> bool:
    """Whether every tile in the bag has the same attention (tiles,), so that attention does not rank the tiles.

    A bag of one tile is not called even.
    """
    there = np.asarray(attention, dtype=np.float64)[np.asarray(attention) > 0]
    return len(there) > 1 and bool(np.ptp(there) <= 1e-4 * there.max())


def placement(attention: AnyArray, values: AnyArray) -> float:
    """How far the attention-weighted mean of a quantity is from its plain mean, compared with chance.

    The difference is compared with its exact mean and SD over all permutations of the attention among the tiles. Under
    these permutations it is close to standard normal.

    Args:
        attention: (tiles,) of the tiles in the bag.
        values: (tiles,) the quantity.

    Returns:
        The difference in SD; 0 where attention or quantity is the same everywhere.
    """
    weights = np.asarray(attention, dtype=np.float64)
    quantity = np.asarray(values, dtype=np.float64)
    if len(weights) < 2 or weights.sum() <= 0:
        return 0.0
    weights = weights / weights.sum()
    spread = ((weights - weights.mean()) ** 2).sum() * ((quantity - quantity.mean()) ** 2).sum() / (len(weights) - 1)
    difference = float(weights @ quantity - quantity.mean())
    return difference / float(np.sqrt(spread)) if spread > 1e-24 else 0.0
