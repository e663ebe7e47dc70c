"""Placing cells: lattices, directions, and who gives way to whom."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from espark.simulate.histology.fields import GRID_UM, at_points
from espark.simulate.histology.nuclei_drawing import ANGLES, SHAPES
from espark.simulate.histology.nuclei_kinds import KIND_INDEX, RADIUS_UM
from espark.simulate.histology.scene import ABSENT, Cells, Ring, Scene
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray


def lattice(
    height: float, width: float, spacing: float, jitter: float, rng: np.random.Generator
) -> tuple[DoubleArray, DoubleArray]:
    """Points of a jittered hexagonal lattice over an extent, all in micrometres."""
    rows, columns = int(height / (spacing * 0.866)) + 2, int(width / spacing) + 2
    y, x = np.meshgrid(np.arange(rows) * spacing * 0.866, np.arange(columns) * spacing, indexing="ij")
    x = x + (np.arange(rows) % 2)[:, None] * spacing / 2
    y = y + rng.normal(0, jitter * spacing, y.shape) - rng.uniform(0, spacing)
    x = x + rng.normal(0, jitter * spacing, x.shape) - rng.uniform(0, spacing)
    inside = (y >= 0) & (x >= 0) & (y < height) & (x < width)
    return y[inside], x[inside]


def oriented(kind: str, angle: DoubleArray, rng: np.random.Generator) -> IntArray:
    """Stamps of a kind that lie along the given directions (radians)."""
    bins = np.rint(np.mod(angle, np.pi) / np.pi * ANGLES).astype(np.int64) % ANGLES
    return np.asarray(bins + ANGLES * rng.integers(0, SHAPES, len(angle)), np.int64)


def make_cells(scene: Scene, kind: str, y: DoubleArray, x: DoubleArray, rng: np.random.Generator,
               angle: DoubleArray | None = None) -> Cells:  # fmt: skip
    """Cells of one kind, lying along ``angle`` (anyhow when None)."""
    count = len(y)
    variant = rng.integers(0, ANGLES * SHAPES, count) if angle is None else oriented(kind, angle, rng)
    gain = scene.look.nuclear_gain * np.exp(rng.normal(0, 0.10, count))
    return Cells(y, x, np.full(count, KIND_INDEX[kind], np.int64), variant, gain.astype(np.float32))


def field_at(scene: Scene, name: str, y: DoubleArray, x: DoubleArray) -> FloatArray:
    """A class field at points; far outside when the class does not occur."""
    if name not in scene.fields:
        return np.full(len(y), ABSENT, np.float32)
    return at_points(scene.fields[name], y, x)


def inside_rings(rings: list[Ring], y: DoubleArray, x: DoubleArray) -> BoolArray:
    """Which points lie in a vessel, gland or fat cell, or in the core of a pearl."""
    inside = np.zeros(len(y), bool)
    if not rings or not len(y):
        return inside
    tree = cKDTree(np.stack([y, x], 1))
    for ring in rings:
        near = np.array(tree.query_ball_point((ring.y, ring.x), ring.reach), np.int64)
        if len(near):
            distance, _ = ring.distance(y[near].astype(np.float32), x[near].astype(np.float32))
            # A pearl's rim keeps its living cells, its core does not.
            inside[near] |= distance < (-0.45 * ring.b if ring.kind == "pearl" else ring.wall + 1.0)
    return inside


def without_conflict(cells: Cells, others: Cells, closeness: float) -> Cells:
    """Drop the cells that would be painted over by ``others``."""
    if not len(cells) or not len(others):
        return cells
    tree = cKDTree(np.stack([others.y, others.x], 1))
    reach = 2.2 * float(RADIUS_UM.max())
    distance, index = tree.query(np.stack([cells.y, cells.x], 1), k=2, distance_upper_bound=reach)
    known = np.append(RADIUS_UM[others.kind], 0.0)
    need = closeness * (RADIUS_UM[cells.kind][:, None] + known[np.minimum(index, len(others))])
    return cells.take(~(distance < need).any(axis=1))


def fibre_angle(scene: Scene, y: DoubleArray, x: DoubleArray) -> DoubleArray:
    """Direction of the fibres at points, in radians."""
    step = GRID_UM
    wave = scene.fields["wave"]
    down = (at_points(wave, y + step, x) - at_points(wave, y - step, x)) / (2 * step) + np.cos(scene.look.angle)
    right = (at_points(wave, y, x + step) - at_points(wave, y, x - step)) / (2 * step) - np.sin(scene.look.angle)
    return np.asarray(np.arctan2(down, right) + np.pi / 2, np.float64)


def gradient_angle(field: FloatArray, y: DoubleArray, x: DoubleArray) -> DoubleArray:
    """Direction in which a field grows, in radians."""
    step = GRID_UM
    down = at_points(field, y + step, x) - at_points(field, y - step, x)
    right = at_points(field, y, x + step) - at_points(field, y, x - step)
    return np.asarray(np.arctan2(down, right), np.float64)
