"""Cells of vessels and glands: endothelium and red cells, columnar epithelium and its mucin."""

from __future__ import annotations

import numpy as np

from espark.simulate.histology.place import lattice, make_cells
from espark.simulate.histology.scene import Cells, Ring, Scene, join
from espark.types import DoubleArray


def ring_cells(scene: Scene, rng: np.random.Generator) -> Cells:
    """The cells of all vessels and glands of a scene."""
    parts = [make_cells(scene, "red", np.zeros(0), np.zeros(0), rng)]
    for ring in scene.rings:
        if ring.kind == "vessel":
            parts += _vessel_cells(scene, ring, rng)
        elif ring.kind == "gland":
            parts += _gland_cells(scene, ring, rng)
    return join(parts)


def _around(ring: Ring, spacing: float, outwards: float, rng: np.random.Generator) -> DoubleArray:
    """Angles of points every ``spacing`` µm or so around a ring."""
    fine = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    y, x, _ = ring.outline(fine, outwards)
    steps = np.hypot(np.diff(y, append=y[0]), np.diff(x, append=x[0]))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(int(length[-1] / spacing), 2)
    at = (np.arange(count) + rng.uniform(-0.25, 0.25, count) + rng.random()) * length[-1] / count
    return np.asarray(np.interp(at % length[-1], length, np.append(fine, 2 * np.pi)), np.float64)


def _vessel_cells(scene: Scene, ring: Ring, rng: np.random.Generator) -> list[Cells]:
    theta = _around(ring, rng.uniform(13.0, 19.0), 0.8, rng)
    y, x, tangent = ring.outline(theta, 0.9)
    parts = [make_cells(scene, "endothelium", y, x, rng, tangent)]
    if ring.filled > 0:
        extent = 2 * ring.reach
        ry, rx = lattice(extent, extent, 5.0, 0.18, rng)
        ry, rx = ry + ring.y - ring.reach, rx + ring.x - ring.reach
        distance, _ = ring.distance(ry.astype(np.float32), rx.astype(np.float32))
        inside = (distance < -2.2) & (rng.random(len(ry)) < ring.filled)
        parts.insert(0, make_cells(scene, "red", ry[inside], rx[inside], rng))
    return parts


def _gland_cells(scene: Scene, ring: Ring, rng: np.random.Generator) -> list[Cells]:
    """Columnar epithelium: nuclei at the base, in several rows and long where it is tall; goblet cells above."""
    if ring.filled > 0.9:
        return _mucous_cells(scene, ring, rng)
    kind = "gland_tall" if ring.wall > 21.0 else "gland"
    parts = []
    for share in (0.80, 0.62, 0.44)[: 1 + int(ring.wall > 17.0) + int(ring.wall > 27.0)]:
        theta = _around(ring, 4.6, ring.wall * share, rng)
        y, x, tangent = ring.outline(theta, ring.wall * rng.normal(share, 0.06, len(theta)))
        parts.append(make_cells(scene, kind, y, x, rng, tangent + np.pi / 2 + rng.normal(0, 0.12, len(theta))))
    if ring.filled > 0:
        theta = _around(ring, 9.5, ring.wall * 0.3, rng)
        theta = theta[rng.random(len(theta)) < ring.filled]
        y, x, tangent = ring.outline(theta, ring.wall * 0.28)
        parts.append(make_cells(scene, "goblet", y, x, rng, tangent + np.pi / 2))
    return parts


def _mucous_cells(scene: Scene, ring: Ring, rng: np.random.Generator) -> list[Cells]:
    """A crypt of nothing but goblet cells: large drops side by side, nuclei pressed flat against the base."""
    theta = _around(ring, 10.8, ring.wall * 0.45, rng)
    y, x, tangent = ring.outline(theta, ring.wall * rng.normal(0.46, 0.05, len(theta)))
    drops = make_cells(scene, "mucin", y, x, rng, tangent + np.pi / 2)
    theta = _around(ring, 8.5, ring.wall * 0.92, rng)
    y, x, tangent = ring.outline(theta, ring.wall * rng.normal(0.92, 0.03, len(theta)))
    return [drops, make_cells(scene, "gland", y, x, rng, tangent + rng.normal(0, 0.3, len(theta)))]
