"""The descending aorta: a homogeneous disc beside or in front of the spine, on the left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.signal import fftconvolve

from espark.ct.landmarks.cheapest_path import cheapest_path
from espark.ct.landmarks.spine import Spine
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

_RADII_MM = (10.5, 12.6, 15.0, 17.4)
_RIM_MM = (2.1, 6.6)  # from just outside the disc
_SOFT_HU, _BRIGHT_HU = (-150.0, 100.0), (-150.0, 350.0)
_CONTRAST_HU, _NOISE_HU = 100.0, 40.0
_UP, _DOWN, _RIGHT, _LEFT = 30, 12, 20, 24  # voxels of the window around the front of the spine
_ROWS, _COLUMNS = (-18, 9), (1, 18)  # where the centre may be, in voxels from the front of the spine
_BESIDE = (-4, 4)  # behind this row, at least so many columns to the left


@dataclass(frozen=True, eq=False)
class Aorta:
    """The descending aorta on the working grid, from slice 0 upwards.

    Attributes:
        rows: of its centre, (n,).
        columns: of its centre, (n,).
        radii_mm: its radius, (n,).
        scores: how well a disc fits, (n,): about 0.9 for an aorta beside the lung, below 0.3 for no disc.
    """

    rows: DoubleArray
    columns: DoubleArray
    radii_mm: DoubleArray
    scores: DoubleArray

    def disc(self, shape: tuple[int, int, int], spacing_mm: float) -> BoolArray:
        """The inside of the aorta as a mask (z, y, x)."""
        inside = np.zeros(shape, bool)
        y, x = np.ogrid[: shape[1], : shape[2]]
        for z in range(len(self.rows)):
            inside[z] = np.hypot(y - self.rows[z], x - self.columns[z]) * spacing_mm <= self.radii_mm[z]
        return inside


def find_aorta(hu: FloatArray, spine: Spine, slices: int, spacing_mm: float) -> Aorta:
    """Follow the disc that is brightest against its rim and most homogeneous inside.

    Args:
        hu: (z, y, x) Hounsfield units, cubic voxels, z upwards, y to the back.
        spine: the spine on the same grid.
        slices: number of slices from below in which the descending aorta is looked for, at least 1.
        spacing_mm: side of a voxel.
    """
    window = _window(hu[:slices], spine)
    score, radius = _best_disc(window, spacing_mm)
    y, x = np.arange(window.shape[1])[:, None] - _UP, np.arange(window.shape[2])[None, :] - _RIGHT
    place = (y >= _ROWS[0]) & (y <= _ROWS[1]) & (x >= _COLUMNS[0]) & (x <= _COLUMNS[1])
    place &= (y <= _BESIDE[0]) | (x >= _BESIDE[1])
    cost = ndimage.gaussian_filter1d(np.where(place, 1.5 - score, 8.0), 1.0, axis=0)
    rows, columns = cheapest_path(cost, step=1, step_cost=0.25)
    z = np.arange(len(window))
    return Aorta(
        np.rint(spine.front[:slices]) + (rows - _UP),
        np.rint(spine.columns[:slices]) + (columns - _RIGHT),
        ndimage.median_filter(radius[z, rows, columns], 7, mode="nearest"),
        score[z, rows, columns],
    )


def _window(hu: FloatArray, spine: Spine) -> FloatArray:
    """A window of each slice around the front of the spine; air outside the CT."""
    margin = max(_UP + _DOWN, _RIGHT + _LEFT)
    padded = np.pad(hu, ((0, 0), (margin, margin), (margin, margin)), constant_values=-1000)
    corners: IntArray = np.rint(np.stack([spine.front, spine.columns], axis=1)).astype(np.int64) + margin
    parts = [part[y - _UP : y + _DOWN, x - _RIGHT : x + _LEFT] for part, (y, x) in zip(padded, corners, strict=False)]
    return np.asarray(parts, dtype=np.float32)


def _best_disc(window: FloatArray, spacing_mm: float) -> tuple[DoubleArray, DoubleArray]:
    """Score and radius (mm) of the best disc around every voxel."""
    soft, bright = np.clip(window, *_SOFT_HU), np.clip(window, *_BRIGHT_HU)
    best, radii = np.full(window.shape, -np.inf), np.zeros(window.shape)
    for radius in _RADII_MM:
        inner = _ring(0, radius - _RIM_MM[0], spacing_mm)
        rim = _ring(radius + _RIM_MM[0], radius + _RIM_MM[1], spacing_mm)
        mean = _mean(bright, inner)
        spread = np.sqrt(np.maximum(_mean(bright**2, inner) - mean**2, 0))
        score = (_mean(soft, inner) - _mean(soft, rim)) / _CONTRAST_HU - spread / _NOISE_HU - (mean < 0)
        better = score > best
        best[better], radii[better] = score[better], radius
    return best, radii


def _ring(inner_mm: float, outer_mm: float, spacing_mm: float) -> FloatArray:
    """A kernel with equal weights between two radii; their sum is 1."""
    reach = int(np.ceil(outer_mm / spacing_mm))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1] * spacing_mm
    inside = (np.hypot(y, x) >= inner_mm) & (np.hypot(y, x) <= outer_mm)
    return np.asarray(inside / inside.sum(), dtype=np.float32)


def _mean(values: FloatArray, kernel: FloatArray) -> DoubleArray:
    return np.asarray(fftconvolve(values, kernel[None], mode="same", axes=(1, 2)), dtype=np.float64)
