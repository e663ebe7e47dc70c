"""The course of the esophagus: the shortest path from slice to slice through a map of its probability."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from espark.ct.landmarks.cheapest_path import cheapest_path
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
    cost = -np.log(np.maximum(smooth, _LEAST_PROBABILITY))
    rows, columns = cheapest_path(cost, step=_STEP_VOXELS, step_cost=_STEP_COST)
    near = ndimage.maximum_filter(probability, size=(1, 3, 3))
    run = _best_run(near[np.arange(len(rows)), rows, columns].astype(np.float64) - _BREAK_EVEN)
    return None if run is None else Course(rows, columns, *run)


def _best_run(gain: DoubleArray) -> tuple[int, int] | None:
    """First and last index of the run with the largest sum; None when there is no positive sum."""
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    lowest = np.minimum.accumulate(sums)
    last = int((sums[1:] - lowest[:-1]).argmax())
    if sums[last + 1] - lowest[last] <= 0:
        return None
    return int(sums[: last + 1].argmin()), last
