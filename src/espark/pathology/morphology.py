"""Shapes in a mask: small pieces, round holes, strips."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.types import AnyArray, BoolArray

_TOUCHING = np.ones((3, 3), dtype=bool)


def without_small(mask: BoolArray, min_px: float) -> BoolArray:
    """The mask without its pieces below ``min_px`` pixels."""
    pieces, _ = ndimage.label(mask, structure=_TOUCHING)
    size = np.bincount(pieces.ravel())
    size[0] = 0
    return np.asarray((size >= max(1.0, min_px))[pieces])


def strips(mask: BoolArray, *, min_length: float, min_aspect: float, max_thickness: float) -> BoolArray:
    """The pieces that are long and narrow, straight or bent.

    Args:
        mask: bool (h, w).
        min_length: area over greatest thickness, in pixels.
        min_aspect: length over greatest thickness.
        max_thickness: greatest thickness, in pixels.
    """
    pieces, n = ndimage.label(mask, structure=_TOUCHING)
    if n == 0:
        return mask
    numbers = np.arange(1, n + 1)
    thickness = 2 * _largest(_depth(mask), pieces, n)
    length = ndimage.sum_labels(mask, pieces, numbers) / thickness
    long = (length >= min_length) & (length >= min_aspect * thickness)
    return pieces_where(long & (thickness <= max_thickness), pieces)


def round_holes(mask: BoolArray, *, min_radius: float) -> BoolArray:
    """The holes of a mask that are nearly round.

    Args:
        mask: bool (h, w).
        min_radius: radius of the largest circle inside a hole, in pixels.
    """
    inside = ndimage.binary_fill_holes(mask) & ~mask
    holes, n = ndimage.label(inside)
    found = np.zeros_like(mask)
    if n == 0:
        return found
    radius = _largest(_depth(inside), holes, n)
    places = ndimage.find_objects(holes)
    for index in np.flatnonzero(radius >= min_radius):
        hole = holes[places[index]] == index + 1
        if radius[index] > 0.3 * max(hole.shape):
            found[places[index]] |= hole
    return found


def pieces_where(keep: AnyArray, pieces: AnyArray) -> BoolArray:
    """The pixels of the labelled pieces 1 … n for which ``keep`` (n,) holds."""
    return np.asarray(np.concatenate([[False], keep])[pieces])


def disk(radius: int) -> BoolArray:
    """A disc of at least 1 px radius, as a neighborhood for morphology."""
    reach = max(1, radius)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(y**2 + x**2 <= reach**2)


def _largest(values: AnyArray, pieces: AnyArray, n: int) -> AnyArray:
    """Largest value in each of the labelled pieces 1 … n; faster than scipy, which sorts the whole picture."""
    inside = pieces > 0
    largest = np.zeros(n + 1, dtype=values.dtype)
    np.maximum.at(largest, pieces[inside], values[inside])
    return largest[1:]


def _depth(mask: BoolArray) -> AnyArray:
    """Distance of each pixel of the mask to its border; outside the picture, the mask is empty."""
    return np.asarray(ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1])
