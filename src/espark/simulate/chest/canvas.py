"""A stack of slices that shapes are painted on, and the distances of simple shapes.

Shapes are painted from the outside in, like a painter does: later ones cover earlier ones. Each is given by its
signed distance in mm (negative inside), so that a voxel that a boundary crosses gets the share of both tissues.

Coordinates are those of an average man: mm along left (x), posterior (y) and superior (z) from the bifurcation of the
trachea. The patient's size and irregularity lie in the coordinates themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline, PchipInterpolator

from espark.types import DoubleArray, FloatArray

AIR_HU = -1000.0
FAR = np.float32(1e3)


class Canvas:
    """A few slices in the making.

    Args:
        x: coordinates in mm of the average man, shape (z, y, x).
        y: likewise.
        z: likewise, shape (z, 1, 1).
        slack_mm: how far the coordinates deviate at most from a regular grid.
        edge_mm: width over which a boundary is blended, about a voxel.

    Attributes:
        hu: attenuation, shape (z, y, x), painted in place.
        mediastinum: distance to the organs between the lungs.
        solid: distance to what a growing tumor pushes against but does not fill: bone, airways, blood.
        esophagus: share of each voxel that belongs to the esophagus, tumor and lumen included.
        tumor: share that belongs to the tumor.
    """

    def __init__(self, x: FloatArray, y: FloatArray, z: FloatArray, slack_mm: float, edge_mm: float):
        self.x, self.y, self.z = x, y, z
        self.slack_mm, self.edge_mm = slack_mm, edge_mm
        self.hu: FloatArray = np.full(x.shape, AIR_HU, np.float32)
        self.mediastinum: FloatArray = np.full(x.shape, FAR, np.float32)
        self.solid: FloatArray = np.full(x.shape, FAR, np.float32)
        self.esophagus: FloatArray = np.zeros(x.shape, np.float32)
        self.tumor: FloatArray = np.zeros(x.shape, np.float32)
        middle = x.shape[0] // 2
        self._columns = x[middle, x.shape[1] // 2]
        self._rows = y[middle, :, x.shape[2] // 2]
        self._levels = z[:, 0, 0]

    def patch(self, low: npt.ArrayLike, high: npt.ArrayLike) -> Patch | None:
        """The part of the canvas between two corners in mm (x, y, z), or None where it does not reach."""
        low, high = np.asarray(low), np.asarray(high)
        ranges = []
        for axis, values in ((2, self._levels), (1, self._rows), (0, self._columns)):
            slack = self.edge_mm if axis == 2 else self.slack_mm + self.edge_mm
            start, stop = np.searchsorted(values, (low[axis] - slack, high[axis] + slack))
            if start == stop:
                return None
            ranges.append(slice(int(start), int(stop)))
        return Patch(self, (ranges[0], ranges[1], ranges[2]))

    def whole(self) -> Patch:
        """The whole canvas as a patch."""
        return Patch(self, (slice(None), slice(None), slice(None)))


class Patch:
    """A box of a canvas; its arrays are views."""

    def __init__(self, canvas: Canvas, box: tuple[slice, slice, slice]):
        self.canvas, self.box = canvas, box
        self.x: FloatArray = canvas.x[box]
        self.y: FloatArray = canvas.y[box]
        self.z: FloatArray = canvas.z[box[0]]
        self.hu: FloatArray = canvas.hu[box]

    def coverage(self, distance: FloatArray) -> FloatArray:
        """Share of each voxel that lies inside, 0–1."""
        share = np.clip(np.float32(0.5) - distance * np.float32(1.0 / self.canvas.edge_mm), 0.0, 1.0)
        return np.asarray(share, dtype=np.float32)

    def paint(self, distance: FloatArray, hu: float | FloatArray) -> None:
        """Fill the inside with ``hu``, blending over the boundary."""
        self.blend(self.coverage(distance), hu)

    def blend(self, share: FloatArray, hu: float | FloatArray) -> None:
        """Mix ``hu`` in by ``share``."""
        self.hu += share * (hu - self.hu)

    def drape(self, distance: FloatArray, margin_mm: float) -> None:
        """Let the lungs keep ``margin_mm`` away from the shape."""
        mediastinum = self.canvas.mediastinum[self.box]
        mediastinum[...] = smooth_min(mediastinum, distance - np.float32(margin_mm), 8.0)

    def resist(self, distance: FloatArray) -> None:
        """Let the tumor stop at the shape."""
        solid = self.canvas.solid[self.box]
        np.minimum(solid, distance, out=solid)


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid, possibly turned.

    Attributes:
        center: x, y, z in mm.
        radii: along its own axes, in mm.
        axes: rows are its axes as unit vectors.
    """

    center: DoubleArray
    radii: DoubleArray
    axes: DoubleArray

    @classmethod
    def of(cls, center: npt.ArrayLike, radii: npt.ArrayLike, turn: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Ellipsoid:
        """An ellipsoid turned by degrees around z, then y, then x."""
        return cls(np.asarray(center, float), np.asarray(radii, float), _rotation(np.deg2rad(turn)))

    @property
    def reach(self) -> DoubleArray:
        """Half the size of the box around it."""
        return np.asarray(np.sqrt(((self.axes * self.radii[:, None]) ** 2).sum(axis=0)), dtype=np.float64)

    def patch(self, canvas: Canvas, margin: float = 0.0) -> Patch | None:
        """The part of the canvas it lies on, with a margin in mm."""
        return canvas.patch(self.center - self.reach - margin, self.center + self.reach + margin)

    def distance(self, patch: Patch) -> FloatArray:
        """Signed distance in mm, to first order."""
        offset = [axis - np.float32(c) for axis, c in zip((patch.x, patch.y, patch.z), self.center, strict=True)]
        first: FloatArray | float = 0.0
        second: FloatArray | float = 0.0
        for axis, radius in zip(self.axes.astype(np.float32), self.radii.astype(np.float32), strict=True):
            along = (offset[0] * axis[0] + offset[1] * axis[1] + offset[2] * axis[2]) / radius
            square = along * along
            first = first + square
            second = second + square / (radius * radius)
        root = np.sqrt(first)
        return np.asarray(root * (root - 1) / np.sqrt(np.maximum(second, np.float32(1e-12))), dtype=np.float32)


@dataclass(frozen=True)
class Tube:
    """A bent tube of changing width, as a chain of cones with round ends.

    Attributes:
        points: shape (n, 3) in mm.
        radii: shape (n,) in mm.
    """

    points: DoubleArray
    radii: DoubleArray

    @classmethod
    def through(cls, knots: npt.ArrayLike, radii: npt.ArrayLike, step_mm: float = 8.0) -> Tube:
        """A smooth tube through a few points."""
        points = np.asarray(knots, float)
        width = np.broadcast_to(np.asarray(radii, float), len(points))
        at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        dense = np.linspace(0.0, at[-1], max(2, int(np.ceil(at[-1] / step_mm)) + 1))
        curve = CubicSpline(at, points, bc_type="natural")
        return cls(np.asarray(curve(dense), float), np.asarray(PchipInterpolator(at, width)(dense), float))

    def patches(self, canvas: Canvas, margin: float = 0.0) -> list[tuple[Patch, FloatArray]]:
        """For each piece of the tube on the canvas: its patch and the signed distance there."""
        found = []
        for start, end, first, last in zip(self.points, self.points[1:], self.radii, self.radii[1:], strict=False):
            reach = max(first, last) + margin
            patch = canvas.patch(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
            if patch is not None:
                found.append((patch, cone_distance(patch, start, end, first, last)))
        return found

    def paint(self, canvas: Canvas, hu: float, grow_mm: float = 0.0) -> None:
        """Fill the tube, widened by ``grow_mm``."""
        for patch, distance in self.patches(canvas, max(grow_mm, 0.0)):
            patch.paint(distance - np.float32(grow_mm), hu)

    def resist(self, canvas: Canvas, grow_mm: float) -> None:
        """Let the tumor stop at the tube, widened by ``grow_mm``."""
        for patch, distance in self.patches(canvas, 10.0):
            patch.resist(distance - np.float32(grow_mm))

    def drape(self, canvas: Canvas, margin_mm: float) -> None:
        """Let the lungs keep ``margin_mm`` away."""
        for patch, distance in self.patches(canvas, margin_mm + 8.0):
            patch.drape(distance, margin_mm)


def cone_distance(patch: Patch, start: npt.ArrayLike, end: npt.ArrayLike, first: float, last: float) -> FloatArray:
    """Signed distance to a cone with round ends (a capsule when both radii are equal)."""
    start = np.asarray(start, np.float32)
    axis = np.asarray(end, np.float32) - start
    x, y, z = (values - c for values, c in zip((patch.x, patch.y, patch.z), start, strict=True))
    square = max(float(axis @ axis), 1e-9)
    t = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / np.float32(square), 0.0, 1.0)
    dx, dy, dz = x - t * axis[0], y - t * axis[1], z - t * axis[2]
    return np.asarray(
        np.sqrt(dx * dx + dy * dy + dz * dz) - (np.float32(first) + t * np.float32(last - first)), dtype=np.float32
    )


def smooth_min(a: FloatArray, b: FloatArray, width_mm: float) -> FloatArray:
    """The smaller of two distances, rounded where they meet."""
    overlap = np.maximum(np.float32(width_mm) - np.abs(a - b), 0.0)
    return np.asarray(np.minimum(a, b) - overlap * overlap * np.float32(0.25 / width_mm), dtype=np.float32)


def ellipse_distance(x: FloatArray, y: FloatArray, rx: FloatArray | float, ry: FloatArray | float) -> FloatArray:
    """Signed distance to an ellipse around (0, 0) within each slice, to first order."""
    u, v = x / rx, y / ry
    root = np.sqrt(u * u + v * v)
    slope = np.sqrt((u / rx) ** 2 + (v / ry) ** 2)
    return np.asarray(root * (root - 1) / np.maximum(slope, np.float32(1e-6)), dtype=np.float32)


def box_distance(x: FloatArray, y: FloatArray, rx: FloatArray | float, ry: FloatArray | float) -> FloatArray:
    """Signed distance to a rectangle with half sides ``rx`` and ``ry`` within each slice."""
    u, v = np.abs(x) - rx, np.abs(y) - ry
    outside = np.sqrt(np.maximum(u, 0.0) ** 2 + np.maximum(v, 0.0) ** 2)
    return np.asarray(outside + np.minimum(np.maximum(u, v), 0.0), dtype=np.float32)


def level(z: FloatArray, knots: npt.ArrayLike, values: npt.ArrayLike) -> FloatArray:
    """A quantity that changes with height: monotone interpolation between its values at ascending ``knots``."""
    heights = np.asarray(knots, float)
    return np.asarray(PchipInterpolator(heights, values)(np.clip(z, heights[0], heights[-1])), dtype=np.float32)


def _rotation(angles: npt.ArrayLike) -> DoubleArray:
    (cz, cy, cx), (sz, sy, sx) = np.cos(angles), np.sin(angles)
    around_z = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    return np.asarray(around_x @ around_y @ around_z, dtype=np.float64)
