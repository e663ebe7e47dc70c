"""Lungs, their vessels, and the diaphragm below them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.simulate.chest.body import Cage
from espark.simulate.chest.canvas import Canvas, Cones, smooth_min
from espark.simulate.people.centers import ContrastPhase
from espark.types import AnyArray, DoubleArray, FloatArray

_APEX_MM = 74.0
"""Height of the tops of the lungs."""

_TWIGS = 520
"""Ends of the vessel tree of one lung."""

_HILA = {
    -1.0: ((-40.0, 10.0, -26.0), (-50.0, 18.0, -48.0), (-52.0, -10.0, -24.0), (-58.0, 30.0, -74.0)),
    1.0: ((46.0, 16.0, -16.0), (56.0, 36.0, -42.0), (60.0, -12.0, -20.0), (60.0, 33.0, -74.0)),
}
"""Where vessels enter each lung (side: left +1)."""


@dataclass(frozen=True)
class Lungs:
    """A patient's lungs.

    Attributes:
        right_dome: x, y, z of the top of the right half of the diaphragm.
        left_dome: likewise, left.
        center_dome: likewise, under the heart.
        hu: mean attenuation.
        gradient: HU per mm from front to back, by gravity.
        twigs: pieces of the vessel tree: start, end (mm), radii; shape (n, 8).
    """

    right_dome: tuple[float, float, float]
    left_dome: tuple[float, float, float]
    center_dome: tuple[float, float, float]
    hu: float
    gradient: float
    twigs: DoubleArray


def draw_lungs(rng: np.random.Generator) -> Lungs:
    """Lungs of a patient."""
    breath = rng.normal(0.0, 8.0)
    right = (-66.0 + rng.normal(0, 3), -14.0 + rng.normal(0, 5), -92.0 + breath + rng.normal(0, 3))
    left = (66.0 + rng.normal(0, 3), -4.0 + rng.normal(0, 5), -106.0 + breath + rng.normal(0, 4))
    center = (22.0, -38.0, -126.0 + 0.6 * breath + rng.normal(0, 2))
    return Lungs(
        right_dome=right,
        left_dome=left,
        center_dome=center,
        hu=float(np.clip(rng.normal(-862.0, 22.0), -915.0, -800.0)),
        gradient=float(rng.uniform(0.25, 0.6)),
        twigs=np.concatenate([_vessel_tree(side, right[2] if side < 0 else left[2], rng) for side in (-1.0, 1.0)]),
    )


def diaphragm_height(lungs: Lungs, x: AnyArray, y: AnyArray) -> FloatArray:
    """Height in mm of the diaphragm over a place; it falls off towards the ribs and the back."""
    heights = []
    shapes = (
        (lungs.right_dome, 74.0, 84.0, 50.0),
        (lungs.left_dome, 68.0, 84.0, 48.0),
        (lungs.center_dome, 52.0, 55.0, 36.0),
    )
    for (cx, cy, cz), rx, ry, fall in shapes:
        dx, dy = x - np.float32(cx), y - np.float32(cy)
        # Steeper towards the back than towards the front.
        dy = np.where(dy > 0, dy * np.float32(1.12), dy)
        square = (dx / np.float32(rx)) ** 2 + (dy / np.float32(ry)) ** 2
        heights.append(np.float32(cz) - np.float32(fall) * square * (np.float32(0.45) + np.float32(0.55) * square))
    top = -smooth_min(-heights[0], -heights[1], 10.0)
    return np.maximum(-smooth_min(-top, -heights[2], 10.0), -260.0)


def beside_mediastinum(canvas: Canvas) -> FloatArray:
    """Signed distance to where lungs may be under their apex; the canvas must know what they are draped over."""
    aside = ((np.abs(canvas.x) - 32.0) / 38.0) ** 2 + ((canvas.y - 14.0) / 40.0) ** 2
    top = canvas.z - np.float32(_APEX_MM) + np.float32(14.0) * np.minimum(aside, 2.5)
    return np.asarray(np.maximum(top, -canvas.mediastinum), dtype=np.float32)


def lung_distance(cage: Cage, floor: FloatArray, aside: FloatArray) -> FloatArray:
    """Signed distance to both lungs: within the cage, above the diaphragm (``floor``), beside the mediastinum."""
    return np.asarray(np.maximum(np.maximum(cage.distance + np.float32(1.0), floor), aside), dtype=np.float32)


def paint_lungs(canvas: Canvas, lungs: Lungs, distance: FloatArray, phase: ContrastPhase) -> None:
    """Paint lung tissue and the vessels within."""
    hu = np.float32(lungs.hu) + np.float32(lungs.gradient) * canvas.y
    hu = hu + np.float32(14.0) * np.sin(canvas.x * 0.17 + canvas.z * 0.11) * np.sin(canvas.y * 0.15 - canvas.z * 0.09)
    canvas.whole().paint(distance, hu)
    inside = np.clip(distance * np.float32(-0.5), 0.0, 1.0)
    twigs = Cones(lungs.twigs[:, :3], lungs.twigs[:, 3:6], lungs.twigs[:, 6], lungs.twigs[:, 7])
    # A vessel thinner than a voxel fills only a part of it.
    filled = np.minimum(1.0, 2.0 * lungs.twigs[:, 6:].max(axis=1) / canvas.edge_mm).astype(np.float32)
    for index, patch, reach in twigs.patches(canvas):
        patch.blend(patch.coverage(reach) * inside[patch.box] * filled[index], phase.pulmonary)


def _vessel_tree(side: float, dome: float, rng: np.random.Generator) -> DoubleArray:
    """Grow vessels from the hilum to points spread through a lung.

    Each end joins the nearest point of what has grown so far, ends near the hilum first; a piece is as wide as the
    number of ends it feeds demands (Murray's law with exponent 2.7).
    """
    roots = np.array(_HILA[side])
    ends = _spread(side, dome, rng)
    ends = ends[np.argsort(np.linalg.norm(ends[:, None] - roots, axis=2).min(axis=1))]
    points = np.empty((len(roots) + 2 * len(ends), 3))
    points[: len(roots)] = roots
    parents = np.full(len(points), -1)
    bends = rng.normal(0.0, 0.08, (len(ends), 3))
    for grown, end, bend in zip(range(len(roots), len(points), 2), ends, bends, strict=True):
        away = ((points[:grown] - end) ** 2).sum(axis=1)
        nearest = int(away.argmin())
        points[grown] = 0.5 * (points[nearest] + end) + bend * np.sqrt(away[nearest])
        points[grown + 1] = end
        parents[grown : grown + 2] = nearest, grown
    fed = np.zeros(len(points))
    fed[np.setdiff1d(np.arange(len(points)), parents)] = 1.0
    for index in range(len(points) - 1, len(roots) - 1, -1):
        fed[parents[index]] += fed[index]
    width = np.clip(0.78 * np.maximum(fed, 1.0) ** (1 / 2.7), 0.78, 5.5)
    pieces = [
        (*points[parent], *points[index], min(width[parent], 1.35 * width[index]), width[index])
        for index, parent in enumerate(parents)
        if parent >= 0
    ]
    return np.array(pieces)


def _spread(side: float, dome: float, rng: np.random.Generator) -> DoubleArray:
    """Points spread through a lung, roughly its shape; painting clips what lies outside."""
    found: list[tuple[float, float, float]] = []
    while len(found) < _TWIGS:
        x, y, z = rng.uniform(12.0, 118.0), rng.uniform(-72.0, 80.0), rng.uniform(dome - 40.0, 68.0)
        wide = np.interp(z, (-150.0, -60.0, 0.0, 40.0, 70.0), (122.0, 122.0, 106.0, 82.0, 44.0))
        deep = np.interp(z, (-150.0, -60.0, 0.0, 40.0, 70.0), (78.0, 80.0, 70.0, 54.0, 32.0))
        middle = np.interp(z, (-150.0, 0.0, 70.0), (0.0, 6.0, 12.0))
        inside = (x / wide) ** 2 + ((y - middle) / deep) ** 2 < 0.93
        if inside and not (x < 30 and y < 50) and z > dome - 60.0 * ((x - 66.0) / 70.0) ** 2 - 40.0 * (y / 80.0) ** 2:
            found.append((side * x, y, z))
    return np.array(found)
