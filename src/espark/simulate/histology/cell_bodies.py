"""The bodies of epithelial cells: to which cell every place of a window belongs, and how far its border is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from espark.simulate.histology.scene import Scene, fibre_axes, fibre_axes_at
from espark.types import DoubleArray, FloatArray, IntArray

_SEED_MARGIN_UM = 22.0
_RIM = 2
_ONE = np.float32(1.0)


class Bodies(NamedTuple):
    """Cell bodies at every pixel, (height, width) each.

    Attributes:
        border: 1 on the border between two bodies, 0 within them.
        middle: 1 in the middle of a body, 0 at its border.
        tint: unit noise of the cytoplasm's color, one value for each body.
    """

    border: FloatArray
    middle: FloatArray
    tint: FloatArray


@dataclass(frozen=True)
class HalfBodies:
    """Cell bodies of a window at half its resolution, with a rim; the parts of the window are enlarged from it.

    Attributes:
        layers: (3, height / 2 + 4, width / 2 + 4) borders, borders widened by a blur, and tints.
    """

    layers: FloatArray

    def part(self, rows: slice, columns: slice) -> Bodies:
        """The bodies in some rows and columns of the window, which begin at even numbers."""
        low, high = (np.array([axis.start // 2, (axis.stop + 1) // 2 + 2 * _RIM]) for axis in (rows, columns))
        border, wide, tint = _double(self.layers[:, low[0] : low[1], high[0] : high[1]])[
            :, : rows.stop - rows.start, : columns.stop - columns.start
        ]
        return Bodies(
            np.minimum(border * np.float32(0.9), _ONE), np.clip(_ONE - wide * np.float32(3.2), 0.0, 1.0), tint
        )


def cell_bodies(scene: Scene, y: DoubleArray, x: DoubleArray) -> HalfBodies:
    """The bodies in a window with rows ``y`` and columns ``x``, in micrometres."""
    mpp = y[1] - y[0]
    step = 2 * mpp
    rows, columns = (axis[0] + mpp / 2 + (np.arange((len(axis) + 1) // 2 + 2 * _RIM) - _RIM) * step for axis in (y, x))
    layers = np.zeros((3, len(rows), len(columns)), np.float32)
    label = _nearest_seed(scene, rows, columns)
    if label is not None:
        assert scene.seeds is not None
        edge, wide, tint = layers
        edge[:-1] += label[1:] != label[:-1]
        edge[:, :-1] += label[:, 1:] != label[:, :-1]
        ndimage.gaussian_filter(edge, 2.4 / step, output=wide, truncate=2.0)
        tint[:] = scene.seeds.tint.take(label)
    return HalfBodies(layers)


def _double(half: FloatArray) -> FloatArray:
    """Twice the resolution along the last two axes, linear between pixels, without the rim."""
    for axis in (1, 2):
        half = np.swapaxes(half, 1, axis)
        near, before, after = np.float32(0.75) * half[:, 2:-2], half[:, 1:-3], half[:, 3:-1]
        full = np.empty((len(half), 2 * near.shape[1], half.shape[2]), np.float32)
        np.add(near, np.float32(0.25) * before, out=full[:, 0::2])
        np.add(near, np.float32(0.25) * after, out=full[:, 1::2])
        half = np.swapaxes(full, 1, axis)
    return half


def _nearest_seed(scene: Scene, y: DoubleArray, x: DoubleArray) -> IntArray | None:
    """Index of the cell body at every point of a grid, None when there are no bodies.

    Nearness is judged in the coordinates of the fibres, across which distances count more: so bodies are longer than
    wide, and stream with the tissue.
    """
    seeds, look = scene.seeds, scene.look
    if seeds is None or not len(seeds.y):
        return None
    across, along = fibre_axes(scene, y, x)
    seed_across, seed_along = fibre_axes_at(scene, seeds.y, seeds.x)
    stretch = np.sqrt(look.elongation)
    step = y[1] - y[0]
    grid = [across * np.float32(stretch / step), along * np.float32(1 / stretch / step)]
    places = [seed_across * (stretch / step), seed_along / (stretch * step)]
    margin = _SEED_MARGIN_UM / step
    low = [int(np.floor(part.min() - margin)) for part in grid]
    size = tuple(int(np.ceil(part.max() + margin)) - first + 1 for part, first in zip(grid, low, strict=True))
    rows, columns = (np.rint(part).astype(np.int64) - first for part, first in zip(places, low, strict=True))
    here = np.flatnonzero((rows >= 0) & (columns >= 0) & (rows < size[0]) & (columns < size[1]))
    if not len(here):
        return None
    owner = np.full(size, -1, np.int32)
    owner[rows[here], columns[here]] = here
    nearest = ndimage.distance_transform_edt(owner < 0, return_distances=False, return_indices=True)
    row, column = ((part - np.float32(first)).astype(np.int32) for part, first in zip(grid, low, strict=True))
    places_on_grid = row * size[1] + column
    nearest_row, nearest_column = (part.ravel().take(places_on_grid) for part in nearest)
    return np.asarray(owner.ravel().take(nearest_row * size[1] + nearest_column))
