"""Smooth random fields and periodic textures: what tissue is shaped and grained with.

A field lives on a coarse grid and is evaluated at any resolution by cubic B-splines, as two small matrix products.
Textures are periodic pictures of 1024 x 1024 px at 0.5 µm/px, drawn once per process from a fixed seed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from espark.types import DoubleArray, FloatArray, IntArray

GRID_UM = 6.0
"""Distance of the grid points of a field, in micrometres."""

TEXTURE_PX = 1024
TEXTURE_MPP = 0.5

_SPLINE_SD = 0.48  # standard deviation that a B-spline leaves of white noise, in two dimensions


def spline_weights(positions: DoubleArray, size: int) -> FloatArray:
    """Matrix (len(positions), size) that evaluates a cubic B-spline of ``size`` coefficients.

    Args:
        positions: where to evaluate, in units of the coefficients' index; outside, the border value continues.
        size: number of coefficients.
    """
    base = np.floor(positions).astype(np.int64)
    t = positions - base
    parts = ((1 - t) ** 3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6, t**3 / 6)
    matrix = np.zeros((len(positions), size), np.float32)
    rows = np.arange(len(positions))
    for offset, part in zip((-1, 0, 1, 2), parts, strict=True):
        matrix[rows, np.minimum(np.maximum(base + offset, 0), size - 1)] += part
    return matrix


class Evaluator:
    """Evaluates fields on the grid of rows ``y_um`` and columns ``x_um``.

    Args:
        shape: of the fields.
        y_um: rows, ascending.
        x_um: columns, ascending.
    """

    def __init__(self, shape: tuple[int, ...], y_um: DoubleArray, x_um: DoubleArray):
        rows, columns = y_um / GRID_UM, x_um / GRID_UM
        top, bottom = _window(rows, shape[0])
        left, right = _window(columns, shape[1])
        self._part = np.s_[top:bottom, left:right]
        self._rows = spline_weights(rows - top, bottom - top)
        self._columns = np.ascontiguousarray(spline_weights(columns - left, right - left).T)

    def __call__(self, field: FloatArray) -> FloatArray:
        """The field's values: (len(y_um), len(x_um))."""
        return np.asarray(self._rows @ (field[self._part] @ self._columns), np.float32)

    def highest(self, field: FloatArray) -> float:
        """A bound from above of the field's values."""
        return float(field[self._part].max())


def _window(positions: DoubleArray, size: int) -> tuple[int, int]:
    first = int(np.clip(np.floor(positions[0]) - 2, 0, size - 1))
    last = int(np.clip(np.floor(positions[-1]) + 4, first + 1, size))
    return first, last


def at_points(field: FloatArray, y_um: DoubleArray, x_um: DoubleArray) -> FloatArray:
    """A field at scattered points: (len(x_um),). Linear between grid points, which is enough to ask what lies there."""
    return np.asarray(
        ndimage.map_coordinates(field, np.stack([y_um, x_um]) / GRID_UM, order=1, mode="nearest"), np.float32
    )


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], wavelength_um: float) -> FloatArray:
    """Gaussian field on the coarse grid with mean 0, standard deviation 1 and features of about ``wavelength_um``.

    The standard deviation is that of the process, not of the sample: a small piece may lie wholly above or below 0.
    """
    step = max(wavelength_um / (2.2 * GRID_UM), 1.0)
    low = [int(np.ceil(extent / step)) + 4 for extent in shape]
    white = rng.standard_normal(low, dtype=np.float32)
    shift = rng.uniform(1.0, 2.0, 2)
    rows = spline_weights(np.arange(shape[0]) / step + shift[0], low[0])
    columns = spline_weights(np.arange(shape[1]) / step + shift[1], low[1])
    return np.asarray(rows @ white @ columns.T / _SPLINE_SD, np.float32)


def smoothstep(values: npt.NDArray[np.floating[Any]], low: float, high: float) -> FloatArray:
    """0 below ``low``, 1 above ``high``, a smooth ramp between."""
    t = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(t * t * (np.float32(3.0) - np.float32(2.0) * t), np.float32)


def _periodic(rng: np.random.Generator, sigma_rows: float, sigma_columns: float) -> FloatArray:
    white = rng.standard_normal((TEXTURE_PX, TEXTURE_PX), dtype=np.float32)
    field = ndimage.gaussian_filter(white, (sigma_rows, sigma_columns), mode="wrap", truncate=3.0)
    return np.asarray((field - field.mean()) / field.std(), np.float32)


@cache
def texture(name: str) -> FloatArray:
    """A periodic texture of mean 0 and standard deviation 1.

    Args:
        name: ``fibre`` (threads along the columns' direction), ``bundle`` (their strands), ``grain`` (granules of
            cytoplasm), ``mottle`` (patches of some micrometres), ``cloud`` (of some tens) or ``noise`` (nearly white).
    """
    sigmas = {
        "fibre": (1.4, 12.0),
        "bundle": (4.0, 28.0),
        "grain": (0.9, 0.9),
        "mottle": (4.0, 4.0),
        "cloud": (14.0, 14.0),
        "noise": (0.45, 0.45),
    }
    order = sorted(sigmas).index(name)
    field = _periodic(np.random.default_rng([0x7E87, order]), *sigmas[name])
    field.flags.writeable = False  # windows of it are handed out
    return field


def look_up(name: str, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """A texture at given rows and columns (in micrometres, not negative, any shape, wrapped).

    Linear between rows, nearest along columns: threads lie along the columns, so that nothing is lost.
    """
    scale = np.float32(1.0 / TEXTURE_MPP)
    row = rows * scale
    whole = row.astype(np.int32)
    column = (columns * scale).astype(np.int32) & (TEXTURE_PX - 1)
    flat = texture(name).ravel()
    low = flat.take((whole & (TEXTURE_PX - 1)) * TEXTURE_PX + column)
    high = flat.take(((whole + 1) & (TEXTURE_PX - 1)) * TEXTURE_PX + column)
    return np.asarray(low + (row - whole.astype(np.float32)) * (high - low), np.float32)


def tiled(name: str, y_um: DoubleArray, x_um: DoubleArray, shift: tuple[float, float] = (0.0, 0.0)) -> FloatArray:
    """A texture on the grid of rows ``y_um`` and columns ``x_um``, shifted by ``shift`` micrometres."""
    rows: IntArray = np.floor((y_um + shift[0]) / TEXTURE_MPP).astype(np.int64)
    columns: IntArray = np.floor((x_um + shift[1]) / TEXTURE_MPP).astype(np.int64)
    return _wrapped(name, rows, columns)


def sensor_noise(origin: tuple[int, int], shape: tuple[int, int]) -> FloatArray:
    """Unit noise of a camera for a picture whose top-left pixel is ``origin``."""
    return _wrapped("noise", np.arange(shape[0]) + origin[0], np.arange(shape[1]) + origin[1])


def _wrapped(name: str, rows: IntArray, columns: IntArray) -> FloatArray:
    """Some rows and columns of a periodic texture."""
    picture = texture(name)
    for axis, index in enumerate((rows, columns)):
        first, last = int(index[0]) % TEXTURE_PX, int(index[0]) % TEXTURE_PX + len(index)
        if index[-1] - index[0] == len(index) - 1 and last <= TEXTURE_PX:
            picture = picture[first:last] if axis == 0 else picture[:, first:last]  # much faster than a lookup
        else:
            picture = picture.take(index & (TEXTURE_PX - 1), axis)
    return picture
