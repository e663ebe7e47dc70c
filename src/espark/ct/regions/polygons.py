"""Polygons to pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espark.types import BoolArray, DoubleArray, IntArray

_TOUCH_PIXELS = 0.1
_ON_CENTRE_PIXELS = 0.02  # coordinates are rounded in the file


def fill_even_odd(polygons: Sequence[DoubleArray], shape: tuple[int, int]) -> BoolArray:
    """Pixels with their centre inside an odd number of polygons.

    Args:
        polygons: as in :func:`winding_numbers`.
        shape: (rows, columns) of the image.

    Returns:
        (rows, columns) mask.
    """
    inside: BoolArray = (
        sum((winding_numbers(polygon, shape) for polygon in polygons), np.zeros(shape, np.int64)) % 2 == 1
    )
    return inside


def winding_numbers(polygon: DoubleArray, shape: tuple[int, int]) -> IntArray:
    """How often a polygon winds around the centre of each pixel; clockwise turns count negative.

    An edge through the centre of a pixel counts as just left of (or above) it, so neighboring polygons do not
    share a pixel or leave one out. A polygon may extend beyond the border of the image.

    Args:
        polygon: (n, 2) vertices (x, y) in pixels; pixel centres are whole numbers; closed automatically.
        shape: (rows, columns) of the image.

    Returns:
        (rows, columns) whole numbers.
    """
    rows, columns = shape
    crossings = np.zeros((rows, columns + 1), dtype=np.int64)
    start, end = polygon, np.roll(polygon, -1, axis=0)
    edge, row = _whole_numbers_between(start[:, 1], end[:, 1], (0, rows))
    run = (end - start)[edge]
    x = start[edge, 0] + (row - start[edge, 1]) * run[:, 0] / run[:, 1]
    np.add.at(crossings, (row, np.clip(np.ceil(x), 0, columns).astype(np.int64)), np.sign(run[:, 1]).astype(np.int64))
    numbers: IntArray = np.cumsum(crossings, axis=1)[:, :-1]
    return numbers


def draw_lines(polygons: Sequence[DoubleArray], shape: tuple[int, int]) -> BoolArray:
    """Pixels through which the outline of a polygon runs.

    A line that runs along the border of a pixel, or less than a tenth of a pixel inside, does not count: so
    outlines along the borders of pixels (rounded in the file) add nothing.

    Args:
        polygons: each as in :func:`winding_numbers`.
        shape: (rows, columns) of the image.

    Returns:
        (rows, columns) mask.
    """
    drawn: BoolArray = np.zeros(shape, dtype=np.bool_)
    limit = (-1, max(shape) + 1)
    for polygon in polygons:
        start, end = polygon, np.roll(polygon, -1, axis=0)
        edges, places = [np.arange(len(polygon))] * 2, [np.zeros(len(polygon)), np.ones(len(polygon))]
        for axis in (0, 1):  # cut each edge where it crosses from one pixel into the next
            edge, line = _whole_numbers_between(start[:, axis] - 0.5, end[:, axis] - 0.5, limit)
            edges.append(edge)
            places.append((line + 0.5 - start[edge, axis]) / (end - start)[edge, axis])
        edge, place = np.concatenate(edges), np.concatenate(places)
        order = np.lexsort((place, edge))
        edge, place = edge[order], place[order]
        middle = (place[1:] + place[:-1])[:, None] / 2
        points = (start[edge[1:]] + middle * (end - start)[edge[1:]])[edge[1:] == edge[:-1]]
        pixels = np.rint(points).astype(np.int64)
        seen = (np.abs(points - pixels) < 0.5 - _TOUCH_PIXELS) & (pixels >= 0) & (pixels < shape[::-1])
        drawn[tuple(pixels[seen.all(axis=1)].T[::-1])] = True
    return drawn


def centres_on_lines(polygons: Sequence[DoubleArray], shape: tuple[int, int]) -> BoolArray:
    """Pixels on the outlines that were traced along the centres of pixels, as OpenCV traces a mask.

    All corners of such an outline are centres of pixels. The outermost pixels of the mask would be lost without them.

    Args:
        polygons: each as in :func:`winding_numbers`.
        shape: (rows, columns) of the image.

    Returns:
        (rows, columns) mask.
    """
    drawn: BoolArray = np.zeros(shape, dtype=np.bool_)
    limit = (-1, max(shape) + 1)
    for polygon in polygons:
        start, end = polygon, np.roll(polygon, -1, axis=0)
        if np.abs(start - np.rint(start)).max() > _ON_CENTRE_PIXELS:
            continue
        found = [start]
        for axis in (0, 1):
            edge, line = _whole_numbers_between(start[:, axis], end[:, axis], limit)
            place = (line - start[edge, axis]) / (end - start)[edge, axis]
            found.append(start[edge] + place[:, None] * (end - start)[edge])
        points = np.concatenate(found)
        pixels = np.rint(points).astype(np.int64)
        seen = (np.abs(points - pixels) < _ON_CENTRE_PIXELS) & (pixels >= 0) & (pixels < shape[::-1])
        drawn[tuple(pixels[seen.all(axis=1)].T[::-1])] = True
    return drawn


def _whole_numbers_between(start: DoubleArray, end: DoubleArray, limits: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """All whole numbers in [start, end) or [end, start) of each edge, within limits.

    Returns:
        Index of the edge and the number, for each number.
    """
    first = np.clip(np.ceil(np.minimum(start, end)), *limits).astype(np.int64)
    stop = np.clip(np.ceil(np.maximum(start, end)), *limits).astype(np.int64)
    count = stop - first
    edge = np.repeat(np.arange(len(start)), count)
    number = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    return edge, number
