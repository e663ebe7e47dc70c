"""The cheapest path from slice to slice through a volume of costs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.types import DoubleArray, IntArray


def cheapest_path(cost: DoubleArray, *, step: int, step_cost: float) -> tuple[IntArray, IntArray]:
    """Row and column, in each slice, of the cheapest path through all slices, by dynamic programming.

    Args:
        cost: (z, y, x), of passing each voxel.
        step: voxels that the path moves at most in each direction from one slice to the next.
        step_cost: cost of a move, times its squared length in voxels.
    """
    offsets = np.arange(-step, step + 1)
    penalty = step_cost * (offsets[:, None] ** 2 + offsets[None, :] ** 2)
    total = np.empty_like(cost)
    total[0] = cost[0]
    for z in range(1, len(cost)):
        total[z] = cost[z] + ndimage.grey_erosion(total[z - 1], structure=-penalty, mode="constant", cval=np.inf)
    rows, columns = np.empty(len(cost), np.int64), np.empty(len(cost), np.int64)
    rows[-1], columns[-1] = np.unravel_index(int(total[-1].argmin()), total[-1].shape)
    for z in range(len(cost) - 2, -1, -1):
        low = np.maximum((rows[z + 1] - step, columns[z + 1] - step), 0)
        window = total[z, low[0] : rows[z + 1] + step + 1, low[1] : columns[z + 1] + step + 1]
        y, x = np.ogrid[: window.shape[0], : window.shape[1]]
        moved = (y + low[0] - rows[z + 1]) ** 2 + (x + low[1] - columns[z + 1]) ** 2
        found = np.unravel_index(int((window + step_cost * moved).argmin()), window.shape)
        rows[z], columns[z] = low[0] + found[0], low[1] + found[1]
    return rows, columns
