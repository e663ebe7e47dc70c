"""Where the cells of a scene lie: each kind on its own jittered lattice, the more important kinds first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from espark.simulate.histology_fields import GRID_UM, at_points
from espark.simulate.histology_scene import Cells, Ring, Scene, Seeds, join
from espark.simulate.nuclei_drawing import ANGLES, SHAPES
from espark.simulate.nuclei_kinds import KIND_INDEX, RADIUS_UM
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

_LYMPHOCYTE_SITE = 5.1
_NEUTROPHIL_SITE = 7.2
RIM_UM = 13.0
"""Depth to which the outermost cells of a well-differentiated nest lie closer, as a basal layer does."""

RIM_SPACING = 0.62
"""Their distance, relative to that of the cells within."""

_SECTIONED = 0.88  # share of cell bodies whose nucleus lies in the plane of the section


@dataclass(frozen=True)
class Immune:
    """How many immune cells a scene gets, and where.

    Attributes:
        lymphocytes: number.
        neutrophils: number.
        lymphocyte_weight: field of relative density.
        neutrophil_weight: field of relative density.
        plasma: share of lymphocytes that look like plasma cells.
        eosinophils: number; they lie where neutrophils might and are counted as nothing.
    """

    lymphocytes: int
    neutrophils: int
    lymphocyte_weight: FloatArray
    neutrophil_weight: FloatArray
    plasma: float = 0.1
    eosinophils: int = 0


def populate(scene: Scene, immune: Immune, rng: np.random.Generator) -> None:
    """Fill ``scene.cells`` and ``scene.seeds``."""
    ringed = _ring_cells(scene, rng)
    leukocytes = _leukocytes(scene, immune, rng)
    scene.fields["infiltrate"] = _packing(scene, leukocytes)
    bodies_y, bodies_x, epithelial = _epithelium(scene, rng)
    scene.seeds = _seeds(scene, bodies_y, bodies_x, rng)
    placed = _without_conflict(leukocytes, ringed, 0.8)
    layers = [ringed, placed]
    for cells, closeness in ((epithelial, 0.82), (_stroma(scene, rng), 0.75), (_debris(scene, rng), 0.6)):
        free = cells.take(~_inside_rings(scene.rings, cells.y, cells.x))
        layers.append(_without_conflict(free, join(layers), closeness))
    everything = join(layers[::-1])
    scene.cells = everything.take(_field(scene, "tissue", everything.y, everything.x) > 1.5)


def _packing(scene: Scene, leukocytes: Cells) -> FloatArray:
    """Local density of leukocytes on the coarse grid, 1 where they are packed."""
    shape = scene.fields["tissue"].shape
    number = np.zeros(shape, np.float32)
    index = tuple(np.rint(axis / GRID_UM).astype(np.int64) for axis in (leukocytes.y, leukocytes.x))
    np.add.at(number, index, np.float32(0.866 * _LYMPHOCYTE_SITE**2 / GRID_UM**2))
    return np.asarray(ndimage.gaussian_filter(number, 1.6), np.float32)


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


def _field(scene: Scene, name: str, y: DoubleArray, x: DoubleArray) -> FloatArray:
    if name not in scene.fields:
        return np.full(len(y), -1e3, np.float32)
    return at_points(scene.fields[name], y, x)


def _inside_rings(rings: list[Ring], y: DoubleArray, x: DoubleArray) -> BoolArray:
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


def _without_conflict(cells: Cells, others: Cells, closeness: float) -> Cells:
    """Drop the cells that would be painted over by ``others``."""
    if not len(cells) or not len(others):
        return cells
    tree = cKDTree(np.stack([others.y, others.x], 1))
    reach = 2.2 * float(RADIUS_UM.max())
    distance, index = tree.query(np.stack([cells.y, cells.x], 1), k=2, distance_upper_bound=reach)
    known = np.append(RADIUS_UM[others.kind], 0.0)
    need = closeness * (RADIUS_UM[cells.kind][:, None] + known[np.minimum(index, len(others))])
    return cells.take(~(distance < need).any(axis=1))


def _leukocytes(scene: Scene, immune: Immune, rng: np.random.Generator) -> Cells:
    y, x = lattice(scene.height_um, scene.width_um, _LYMPHOCYTE_SITE, 0.16, rng)
    free = (_field(scene, "tissue", y, x) > 3.0) & ~_inside_rings(scene.rings, y, x)
    y, x = y[free], x[free]
    chosen = _weighted(np.asarray(at_points(immune.lymphocyte_weight, y, x)), immune.lymphocytes, rng)
    ly, lx = y[chosen], x[chosen]
    ny, nx = lattice(scene.height_um, scene.width_um, _NEUTROPHIL_SITE, 0.16, rng)
    free = (_field(scene, "tissue", ny, nx) > 3.0) & ~_inside_rings(scene.rings, ny, nx)
    if len(ly):
        free &= cKDTree(np.stack([ly, lx], 1)).query(np.stack([ny, nx], 1))[0] > 5.4
    ny, nx = ny[free], nx[free]
    chosen = _weighted(
        np.asarray(at_points(immune.neutrophil_weight, ny, nx)), immune.neutrophils + immune.eosinophils, rng
    )
    red = np.zeros(len(chosen), bool)
    red[rng.permutation(len(chosen))[immune.neutrophils :]] = True
    plasma = rng.random(len(ly)) < immune.plasma
    return join(
        [
            make_cells(scene, "lymphocyte", ly[~plasma], lx[~plasma], rng),
            make_cells(scene, "plasma", ly[plasma], lx[plasma], rng),
            make_cells(scene, "neutrophil", ny[chosen[~red]], nx[chosen[~red]], rng),
            make_cells(scene, "eosinophil", ny[chosen[red]], nx[chosen[red]], rng),
        ]
    )


def _weighted(weight: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """``count`` different indices, drawn in proportion to ``weight`` (fewer when not so many have a weight)."""
    keys = np.log(np.maximum(weight, 1e-12)) + rng.gumbel(size=len(weight))
    possible = int((weight > 1e-9).sum())
    count = min(count, possible)
    if count == 0:
        return np.zeros(0, np.int64)
    return np.sort(np.argpartition(-keys, count - 1)[:count])


def _ring_cells(scene: Scene, rng: np.random.Generator) -> Cells:
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
    """Nuclei at the base of the columnar epithelium, in two staggered rows where it is tall; goblet cells above."""
    parts = []
    for share in (0.72, 0.48) if ring.wall > 19.0 else (0.70,):
        theta = _around(ring, 4.8, ring.wall * share, rng)
        spots = [ring.outline(np.array([at]), ring.wall * float(rng.normal(share, 0.06))) for at in theta.tolist()]
        y, x, tangent = (np.array([spot[part][0] for spot in spots]) for part in range(3))
        parts.append(make_cells(scene, "gland", y, x, rng, tangent + np.pi / 2))
    if ring.filled > 0:
        theta = _around(ring, 9.5, ring.wall * 0.3, rng)
        theta = theta[rng.random(len(theta)) < ring.filled]
        y, x, tangent = ring.outline(theta, ring.wall * 0.28)
        parts.append(make_cells(scene, "goblet", y, x, rng, tangent + np.pi / 2))
    return parts


def _epithelium(scene: Scene, rng: np.random.Generator) -> tuple[DoubleArray, DoubleArray, Cells]:
    """Cell bodies of tumor and squamous epithelium (y, x) and their nuclei."""
    look, bodies, nuclei = scene.look, [], [make_cells(scene, "well", np.zeros(0), np.zeros(0), rng)]
    for tumor, spacing, jitter in (
        ("well", look.well_spacing, 0.14),
        ("rim", RIM_SPACING * look.well_spacing, 0.15),
        ("poor", look.poor_spacing, 0.15),
    ):
        if not scene.has("nest"):
            break
        y, x = lattice(scene.height_um, scene.width_um, spacing, jitter, rng)
        nest, poor = _field(scene, "nest", y, x), _field(scene, "poor", y, x) > 0
        here = (nest > 1.0) & (_field(scene, "squamous", y, x) < 0) & (_field(scene, "necrosis", y, x) < 0)
        here &= poor if tumor == "poor" else ~poor & ((nest < RIM_UM) == (tumor == "rim"))
        y, x = y[here], x[here]
        bodies.append((y, x))
        shown = rng.random(len(y)) < _SECTIONED
        nuclei += _tumor_nuclei(scene, y[shown], x[shown], tumor, rng)
    if scene.has("squamous"):
        y, x, layer = _squamous_bodies(scene, rng)
        bodies.append((y, x))
        nuclei += _squamous_nuclei(scene, y, x, layer, rng)
    if not bodies:
        return np.zeros(0), np.zeros(0), nuclei[0]
    return np.concatenate([b[0] for b in bodies]), np.concatenate([b[1] for b in bodies]), join(nuclei)


def _tumor_nuclei(scene: Scene, y: DoubleArray, x: DoubleArray, tumor: str, rng: np.random.Generator) -> list[Cells]:
    draw = rng.random(len(y))
    # From all directions (streaming 0) to nearly parallel (1).
    spread = 0.25 + 1.4 * (1 - scene.look.streaming)
    angle = fibre_angle(scene, y, x) + rng.normal(0, spread, len(y))
    if tumor == "rim":
        return [make_cells(scene, "well_rim", y, x, rng, angle)]
    if tumor == "well":
        halo = draw < scene.look.halo * (0.5 + (_field(scene, "pale", y, x) > 0))
        return [
            make_cells(scene, "well_halo", y[halo], x[halo], rng, angle[halo]),
            make_cells(scene, "well", y[~halo], x[~halo], rng, angle[~halo]),
        ]
    mitosis = draw > 0.982
    dark = (draw < scene.look.dark) & ~mitosis
    rest = ~dark & ~mitosis
    return [
        make_cells(scene, "poor", y[rest], x[rest], rng, angle[rest]),
        make_cells(scene, "poor_dark", y[dark], x[dark], rng, angle[dark]),
        make_cells(scene, "mitosis", y[mitosis], x[mitosis], rng),
    ]


def _squamous_bodies(scene: Scene, rng: np.random.Generator) -> tuple[DoubleArray, DoubleArray, FloatArray]:
    """Bodies of squamous epithelium and how deep each lies (0 surface, 1 base): crowded at the base, wide above."""
    found = []
    for low, high, spacing in ((0.0, 0.76, 13.0), (0.76, 0.90, 8.2), (0.90, 2.0, 5.8)):
        y, x = lattice(scene.height_um, scene.width_um, spacing, 0.17, rng)
        layer = _field(scene, "depth", y, x) / np.maximum(_field(scene, "thickness", y, x), 1.0)
        here = (_field(scene, "squamous", y, x) > 0.5) & (layer >= low) & (layer < high)
        found.append((y[here], x[here], layer[here]))
    y, x = (np.concatenate([part[axis] for part in found]) for axis in (0, 1))
    return y, x, np.concatenate([part[2] for part in found]).astype(np.float32)


def _squamous_nuclei(scene: Scene, y: DoubleArray, x: DoubleArray, layer: FloatArray,
                     rng: np.random.Generator) -> list[Cells]:  # fmt: skip
    across = _gradient_angle(scene.fields["depth"], y, x)
    shown = rng.random(len(y)) < _SECTIONED
    basal, flat = shown & (layer > 0.82), shown & (layer < 0.22)
    middle = shown & ~basal & ~flat
    return [
        make_cells(scene, "superficial", y[flat], x[flat], rng, across[flat] + np.pi / 2),
        make_cells(scene, "spinous", y[middle], x[middle], rng, across[middle] + np.pi / 2),
        make_cells(scene, "basal", y[basal], x[basal], rng, across[basal] + rng.normal(0, 0.25, int(basal.sum()))),
    ]


def _gradient_angle(field: FloatArray, y: DoubleArray, x: DoubleArray) -> DoubleArray:
    step = GRID_UM
    down = at_points(field, y + step, x) - at_points(field, y - step, x)
    right = at_points(field, y, x + step) - at_points(field, y, x - step)
    return np.asarray(np.arctan2(down, right), np.float64)


def fibre_angle(scene: Scene, y: DoubleArray, x: DoubleArray) -> DoubleArray:
    """Direction of the fibres at points, in radians."""
    step = GRID_UM
    wave = scene.fields["wave"]
    down = (at_points(wave, y + step, x) - at_points(wave, y - step, x)) / (2 * step) + np.cos(scene.look.angle)
    right = (at_points(wave, y, x + step) - at_points(wave, y, x - step)) / (2 * step) - np.sin(scene.look.angle)
    return np.asarray(np.arctan2(down, right) + np.pi / 2, np.float64)


def _stroma(scene: Scene, rng: np.random.Generator) -> Cells:
    y, x = lattice(scene.height_um, scene.width_um, scene.look.stroma_spacing, 0.3, rng)
    here = np.ones(len(y), bool)
    for name, margin in (("nest", -2.0), ("squamous", -2.0), ("necrosis", 0.0), ("fat", 0.0), ("crushed", 0.0)):
        here &= _field(scene, name, y, x) < margin
    y, x = y[here], x[here]
    angle = fibre_angle(scene, y, x) + rng.normal(0, 0.22, len(y))
    muscle = _field(scene, "muscle", y, x) > 0
    plump = ~muscle & (rng.random(len(y)) < scene.look.plump)
    thin = ~muscle & ~plump
    return join(
        [
            make_cells(scene, name, y[which], x[which], rng, angle[which])
            for name, which in (("fibroblast", thin), ("plump", plump), ("muscle", muscle))
        ]
    )


def _debris(scene: Scene, rng: np.random.Generator) -> Cells:
    parts = [make_cells(scene, "dust", np.zeros(0), np.zeros(0), rng)]
    for name, kind, spacing, share in (
        ("necrosis", "dust", 8.0, 0.55),
        ("blood", "red", 5.6, 0.85),
        ("crushed", "crushed", 7.5, 0.9),
    ):
        if not scene.has(name):
            continue
        y, x = lattice(scene.height_um, scene.width_um, spacing, 0.25, rng)
        here = (_field(scene, name, y, x) > 0) & (rng.random(len(y)) < share)
        angle = fibre_angle(scene, y[here], x[here]) if kind == "crushed" else None
        parts.append(make_cells(scene, kind, y[here], x[here], rng, angle))
    return join(parts)


def _seeds(scene: Scene, y: DoubleArray, x: DoubleArray, rng: np.random.Generator) -> Seeds:
    return Seeds(y, x, rng.normal(0, 1, len(y)).astype(np.float32))
