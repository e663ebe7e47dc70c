"""The contours of one plane, and the region that they enclose.

Programs store contours in different ways. Some store every contour twice. Some draw a region in several contours that
cross. Some draw a hole as a separate contour, some as one contour with a bridge (a keyhole). To fill pixels inside an
odd number of contours is right only for holes: it removes contours stored twice and the overlap of two contours. Here
a contour is a hole only if it lies inside another one. Contours that cross are joined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from skimage.measure import points_in_poly

from espark.ct.regions.polygons import centres_on_lines, draw_lines, fill_even_odd, winding_numbers
from espark.types import BoolArray, DoubleArray, Outline

_SAME_PIXELS = 0.5  # contours that are nowhere further apart than this are one contour, stored twice
_ON_LINE_PIXELS = 0.05
_EDGE_PIXELS = 1.0  # a contour along the border of the image is half a pixel beyond the last centre
_CHUNK = 200_000

Remarks = Counter[str]
"""Number of contours that were ``twice``, ``crossing``, ``holes``, or ``beyond`` the image."""


def enclosed(
    contours: Sequence[DoubleArray], shape: tuple[int, int], *, exclusive: bool = False, outline: Outline = "polygon"
) -> tuple[BoolArray, Remarks]:
    """The pixels that the contours of one plane enclose.

    Args:
        contours: each (n, 2) vertices (x, y) in pixels; pixel centres are whole numbers.
        shape: (rows, columns) of the image.
        exclusive: whether the file requires an exclusive or of all contours (``CLOSEDPLANAR_XOR``).
        outline: whether pixels through which a contour runs belong to the region, or only those with their centre
            inside it.

    Returns:
        (rows, columns) mask, and the numbers of contours that were dropped, joined or used as holes.
    """
    kept = _without_twins([_walked_once(contour) for contour in contours])
    beyond = sum(_reaches_beyond(contour, shape) for contour in kept)
    remarks: Remarks = Counter(twice=len(contours) - len(kept), beyond=beyond)
    if exclusive:
        mask = fill_even_odd(kept, shape)
    else:
        mask, found = _nested(kept, shape)
        remarks += found
    drawn = draw_lines(kept, shape) if outline == "line" else centres_on_lines(kept, shape)
    return mask | drawn, remarks


def _reaches_beyond(contour: DoubleArray, shape: tuple[int, int]) -> bool:
    rows, columns = shape
    return bool((contour < -_EDGE_PIXELS).any() or (contour > np.array([columns, rows]) - 1 + _EDGE_PIXELS).any())


def _nested(contours: list[DoubleArray], shape: tuple[int, int]) -> tuple[BoolArray, Remarks]:
    """Large contours come first. A contour inside an odd number of others is a hole; any other contour is filled."""
    fills = [_filled(contour, shape) for contour in contours]
    around = [
        [j for j in range(len(contours)) if j != i and _inside(contours[i], contours[j])] for i in range(len(contours))
    ]
    mask: BoolArray = np.zeros(shape, dtype=np.bool_)
    remarks: Remarks = Counter()
    for i in sorted(range(len(contours)), key=lambda i: len(around[i])):
        if len(around[i]) % 2:
            mask &= ~fills[i]
            remarks["holes"] += 1
            continue
        apart = [j for j in range(i) if j not in around[i] and i not in around[j]]
        remarks["crossing"] += any((fills[i] & fills[j]).any() for j in apart)
        mask |= fills[i]
    return mask, remarks


def _filled(contour: DoubleArray, shape: tuple[int, int]) -> BoolArray:
    """The inside of one contour. If it passes a point twice, it is a keyhole, and its inner loop is a hole. If it only
    crosses itself, for example at its end, the overlap belongs to the region."""
    numbers = winding_numbers(contour, shape)
    keyhole = len(np.unique(contour, axis=0)) < len(contour)
    inside: BoolArray = numbers % 2 == 1 if keyhole else numbers != 0
    return inside


def _walked_once(contour: DoubleArray) -> DoubleArray:
    """A contour without repeated points. If its points go round twice, only one round is kept."""
    contour = contour[(contour != np.roll(contour, 1, axis=0)).any(axis=1)]
    half = len(contour) // 2
    if half >= 3 and np.array_equal(contour[:half], contour[half : 2 * half]) and len(contour) == 2 * half:
        return contour[:half]
    return contour


def _without_twins(contours: list[DoubleArray]) -> list[DoubleArray]:
    kept: list[DoubleArray] = []
    for contour in contours:
        if not any(_same(contour, other) for other in kept):
            kept.append(contour)
    return kept


def _same(first: DoubleArray, second: DoubleArray) -> bool:
    """Whether two contours are nowhere more than half a pixel apart."""
    corners = np.abs([first.min(axis=0) - second.min(axis=0), first.max(axis=0) - second.max(axis=0)])
    if corners.max() > _SAME_PIXELS:
        return False
    return all(_away(a, b).max() <= _SAME_PIXELS for a, b in ((first, second), (second, first)))


def _inside(inner: DoubleArray, outer: DoubleArray) -> bool:
    """Whether a contour lies inside another one; it may touch it."""
    if (inner.min(axis=0) < outer.min(axis=0) - _ON_LINE_PIXELS).any():
        return False
    if (inner.max(axis=0) > outer.max(axis=0) + _ON_LINE_PIXELS).any():
        return False
    points = np.concatenate([inner, (inner + np.roll(inner, -1, axis=0)) / 2])
    strays = points[~points_in_poly(points, outer)]
    touching = not len(strays) or bool(_away(strays, outer).max() <= _ON_LINE_PIXELS)
    return touching and _area(inner) < _area(outer)


def _away(points: DoubleArray, contour: DoubleArray) -> DoubleArray:
    """Distance of points from the line of a contour."""
    start, run = contour, np.roll(contour, -1, axis=0) - contour
    length = np.maximum((run**2).sum(axis=1), 1e-12)
    found = []
    for part in np.array_split(points, 1 + len(points) * len(contour) // _CHUNK):
        along = np.clip(((part[:, None] - start) * run).sum(axis=2) / length, 0, 1)
        nearest = start + along[..., None] * run
        found.append(np.linalg.norm(part[:, None] - nearest, axis=2).min(axis=1))
    return np.concatenate(found)


def _area(contour: DoubleArray) -> float:
    x, y = contour.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
