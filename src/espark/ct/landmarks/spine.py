"""The spine: where its front and its middle are in each slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from espark.ct.landmarks.cheapest_path import cheapest_path
from espark.types import BoolArray, DoubleArray, FloatArray

_SOFT_HU = 50.0
_SOFT_RANGE = (-60.0, 160.0)
_BIN_HU = 4.0
_MARROW_HU, _BONE_HU, _SPREAD_HU = 100.0, 130.0, 250.0
_MIDLINE_MM = 30.0
_LEAST_DEPTH, _DEPTH_SPREAD = 0.55, 0.03  # from the front (0) to the back (1) of the body
_DEEPEST = 18  # voxels from the canal to the front of the largest vertebra
_BONE_SHARE = 0.2
_STEADY = 31  # slices; bright vessels in front of the spine are shorter
_CANAL, _GAP = 7, 4  # voxels without bone that are passed within, and in front of, the canal


@dataclass(frozen=True, eq=False)
class Spine:
    """The spine on the working grid.

    Attributes:
        front: row of the front of the vertebra in each slice, (z,).
        columns: column of the middle of the vertebra in each slice, (z,).
    """

    front: DoubleArray
    columns: DoubleArray


def find_spine(hu: FloatArray, body: BoolArray, spacing_mm: float) -> Spine:
    """Follow the densest column of bone near the middle of the body; go forward from it to the last bone.

    Args:
        hu: (z, y, x) Hounsfield units, cubic voxels, z upwards, y to the back.
        body: the same shape, the body with its lungs.
        spacing_mm: side of a voxel.
    """
    level = hu + (_SOFT_HU - _soft_level(hu))  # some files are off by tens of Hounsfield units
    bone = np.where(body, np.clip((level - _BONE_HU) / _SPREAD_HU, 0, 1), 0).astype(np.float32)
    density = ndimage.gaussian_filter(bone, (4, 3.5, 3.5)).astype(np.float64)
    middle = ndimage.gaussian_filter1d(_middle_of(body), 8)
    away = (np.arange(hu.shape[2])[None, :] - middle[:, None]) * spacing_mm / _MIDLINE_MM
    too_far_front = np.maximum(_LEAST_DEPTH - _depth(body), 0) / _DEPTH_SPREAD  # bright vessels of the chest
    place = 0.5 * (away[:, None, :] ** 2 + too_far_front[:, :, None] ** 2)
    rows, columns = cheapest_path(place - np.log(density + 1e-3), step=1, step_cost=0.3)
    smooth_rows, smooth_columns = (ndimage.gaussian_filter1d(path.astype(np.float64), 3) for path in (rows, columns))
    marrow = np.where(body, np.clip((level - _MARROW_HU) / (2 * _MARROW_HU), 0, 1), 0).astype(np.float32)
    filled = ndimage.gaussian_filter(marrow, (3, 0.5, 1.0))  # the plates of a vertebra stand for its marrow
    front = np.array([_front(filled[z], smooth_rows[z], smooth_columns[z]) for z in range(len(hu))])
    smooth = ndimage.gaussian_filter1d(ndimage.median_filter(front, _STEADY, mode="nearest"), 2)
    return Spine(smooth, smooth_columns)


def _front(bone: FloatArray, row: float, column: float) -> float:
    """The foremost row with bone, going forward from a point within the spine over the gap of the canal."""
    start, middle = round(row), round(column)
    profile = bone[:, max(0, middle - 2) : middle + 3].mean(axis=1)
    front, empty = start, 0
    for y in range(start, max(0, start - _DEEPEST) - 1, -1):
        if profile[y] > _BONE_SHARE:
            front, empty = y, 0
            continue
        empty += 1
        if empty > (_CANAL if start - front < _GAP else _GAP):
            break
    return float(front)


def _middle_of(body: BoolArray) -> DoubleArray:
    """The mean column of the body in each slice; the middle of the image where there is none."""
    columns = body.any(axis=1)
    count = columns.sum(axis=1)
    total = (columns * np.arange(body.shape[2])).sum(axis=1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), (body.shape[2] - 1) / 2), dtype=np.float64)


def _depth(body: BoolArray) -> DoubleArray:
    """Where each row lies from the front (0) to the back (1) of the body, in each slice; 1 where there is none."""
    depth = np.ones(body.shape[:2])
    shown: BoolArray = np.any(body, axis=2)
    for z, rows in enumerate(shown):
        if rows.any():
            first, last = np.flatnonzero(rows)[[0, -1]]
            depth[z] = (np.arange(len(rows)) - first) / max(1, last - first)
    return depth


def _soft_level(hu: FloatArray) -> float:
    """The most frequent value of soft tissue other than fat."""
    counts, edges = np.histogram(hu, np.arange(*_SOFT_RANGE, _BIN_HU))
    smooth = ndimage.gaussian_filter1d(counts.astype(np.float64), 2)
    return float(edges[smooth.argmax()] + _BIN_HU / 2)
