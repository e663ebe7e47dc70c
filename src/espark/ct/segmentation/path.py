"""The course of the esophagus: the shortest path from slice to slice through a map of its probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from espark.types import DoubleArray, FloatArray, IntArray

_LEAST_PROBABILITY = 1e-3
_SMOOTH_VOXELS = 0.8
_STEP_VOXELS = 2
_STEP_COST = 0.15
_BREAK_EVEN = 0.25


@dataclass(frozen=True, eq=False)
class Course:
    """The course of the esophagus through a volume.

    Attributes:
        rows: row (y) of the course in each slice, shape (z,).
        columns: column (x) of the course in each slice, shape (z,).
        first: lowest slice of the esophagus.
        last: highest slice of the esophagus.
    """

    rows: IntArray
    columns: IntArray
    first: int
    last: int

    def distance(self, shape: tuple[int, int, int]) -> FloatArray:
        """Distance in voxels of every voxel from the course in its own slice; float32 (z, y, x)."""
        y, x = np.arange(shape[1])[None, :, None], np.arange(shape[2])[None, None, :]
        away = np.hypot(y - self.rows[:, None, None], x - self.columns[:, None, None])
        return np.asarray(away, dtype=np.float32)


def find_course(probability: FloatArray) -> Course | None:
    """The most probable course.

    Dynamic programming on −log p: from one slice to the next the path moves by at most two voxels in each direction,
    at a cost. The esophagus then is the run of slices with the largest gain of the path. The gain of a slice is its
    probability minus 0.25. So the path bridges slices without the organ, such as those behind the heart, but does not
    extend to a single false voxel group far away.

    Args:
        probability: (z, y, x), of the esophagus, 3 mm voxels.

    Returns:
        None when no slice has a gain above 0.
    """
    smooth = ndimage.gaussian_filter(probability.astype(np.float64), (0.0, _SMOOTH_VOXELS, _SMOOTH_VOXELS))
    rows, columns = _shortest(-np.log(np.maximum(smooth, _LEAST_PROBABILITY)))
    near = ndimage.maximum_filter(probability, size=(1, 3, 3))
    run = _best_run(near[np.arange(len(rows)), rows, columns].astype(np.float64) - _BREAK_EVEN)
    return None if run is None else Course(rows, columns, *run)


def _shortest(cost: DoubleArray) -> tuple[IntArray, IntArray]:
    """Row and column, in each slice, of the cheapest path through all slices."""
    offsets = np.arange(-_STEP_VOXELS, _STEP_VOXELS + 1)
    penalty = _STEP_COST * (offsets[:, None] ** 2 + offsets[None, :] ** 2)
    total = np.empty_like(cost)
    total[0] = cost[0]
    for z in range(1, len(cost)):
        total[z] = cost[z] + ndimage.grey_erosion(total[z - 1], structure=-penalty, mode="constant", cval=np.inf)
    rows, columns = np.empty(len(cost), np.int64), np.empty(len(cost), np.int64)
    rows[-1], columns[-1] = np.unravel_index(int(total[-1].argmin()), total[-1].shape)
    for z in range(len(cost) - 2, -1, -1):
        low = np.maximum((rows[z + 1] - _STEP_VOXELS, columns[z + 1] - _STEP_VOXELS), 0)
        window = total[z, low[0] : rows[z + 1] + _STEP_VOXELS + 1, low[1] : columns[z + 1] + _STEP_VOXELS + 1]
        y, x = np.ogrid[: window.shape[0], : window.shape[1]]
        moved = (y + low[0] - rows[z + 1]) ** 2 + (x + low[1] - columns[z + 1]) ** 2
        found = np.unravel_index(int((window + _STEP_COST * moved).argmin()), window.shape)
        rows[z], columns[z] = low[0] + found[0], low[1] + found[1]
    return rows, columns


def _best_run(gain: DoubleArray) -> tuple[int, int] | None:
    """First and last index of the run with the largest sum; None when there is no positive sum."""
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(sums)
    last = int((sums[1:] - lowest[:-1]).argmax())
    if sums[last + 1] - lowest[last] <= 0:
        return None
    return int(sums[: last + 1].argmin()), last
