"""Where the cells of a scene lie: each kind on its own jittered lattice, the more important kinds first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from espark.simulate.histology.fields import GRID_UM, at_points
from espark.simulate.histology.place import (
    fibre_angle,
    field_at,
    gradient_angle,
    inside_rings,
    lattice,
    make_cells,
    without_conflict,
)
from espark.simulate.histology.rings import ring_cells
from espark.simulate.histology.scene import Cells, Scene, Seeds, join
from espark.types import DoubleArray, FloatArray, IntArray

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
    ringed = ring_cells(scene, rng)
    leukocytes = _leukocytes(scene, immune, rng)
    scene.fields["infiltrate"] = _packing(scene, leukocytes)
    bodies_y, bodies_x, epithelial = _epithelium(scene, rng)
    scene.seeds = _seeds(scene, bodies_y, bodies_x, rng)
    placed = without_conflict(leukocytes, ringed, 0.8)
    layers = [ringed, placed]
    for cells, closeness in ((epithelial, 0.82), (_stroma(scene, rng), 0.75), (_debris(scene, rng), 0.6)):
        free = cells.take(~inside_rings(scene.rings, cells.y, cells.x))
        layers.append(without_conflict(free, join(layers), closeness))
    everything = join(layers[::-1])
    scene.cells = everything.take(field_at(scene, "tissue", everything.y, everything.x) > 1.5)


def _packing(scene: Scene, leukocytes: Cells) -> FloatArray:
    """Local density of leukocytes on the coarse grid, 1 where they are packed."""
    shape = scene.fields["tissue"].shape
    number = np.zeros(shape, np.float32)
    index = tuple(np.rint(axis / GRID_UM).astype(np.int64) for axis in (leukocytes.y, leukocytes.x))
    np.add.at(number, index, np.float32(0.866 * _LYMPHOCYTE_SITE**2 / GRID_UM**2))
    return np.asarray(ndimage.gaussian_filter(number, 1.6), np.float32)


def _leukocytes(scene: Scene, immune: Immune, rng: np.random.Generator) -> Cells:
    y, x = lattice(scene.height_um, scene.width_um, _LYMPHOCYTE_SITE, 0.16, rng)
    free = (field_at(scene, "tissue", y, x) > 3.0) & ~inside_rings(scene.rings, y, x)
    y, x = y[free], x[free]
    chosen = _weighted(np.asarray(at_points(immune.lymphocyte_weight, y, x)), immune.lymphocytes, rng)
    ly, lx = y[chosen], x[chosen]
    ny, nx = lattice(scene.height_um, scene.width_um, _NEUTROPHIL_SITE, 0.16, rng)
    free = (field_at(scene, "tissue", ny, nx) > 3.0) & ~inside_rings(scene.rings, ny, nx)
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
        nest, poor = field_at(scene, "nest", y, x), field_at(scene, "poor", y, x) > 0
        here = (nest > 1.0) & (field_at(scene, "squamous", y, x) < 0) & (field_at(scene, "necrosis", y, x) < 0)
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
        halo = draw < scene.look.halo * (0.5 + (field_at(scene, "pale", y, x) > 0))
        return [
            make_cells(scene, "well_halo", y[halo], x[halo], rng, angle[halo]),
            make_cells(scene, "well", y[~halo], x[~halo], rng, angle[~halo]),
        ]
    mitosis = draw > 0.982
    # The first share of the draw is vesicular, of what remains a share is dark.
    pale = (draw < scene.look.vesicular) & ~mitosis
    dark = (draw < scene.look.vesicular + scene.look.dark * (1 - scene.look.vesicular)) & ~pale & ~mitosis
    rest = ~pale & ~dark & ~mitosis
    return [
        make_cells(scene, "poor", y[rest], x[rest], rng, angle[rest]),
        make_cells(scene, "poor_pale", y[pale], x[pale], rng, angle[pale]),
        make_cells(scene, "poor_dark", y[dark], x[dark], rng, angle[dark]),
        make_cells(scene, "mitosis", y[mitosis], x[mitosis], rng),
    ]


def _squamous_bodies(scene: Scene, rng: np.random.Generator) -> tuple[DoubleArray, DoubleArray, FloatArray]:
    """Bodies of squamous epithelium and how deep each lies (0 surface, 1 base): crowded at the base, wide above."""
    found = []
    for low, high, spacing in ((0.0, 0.76, 13.0), (0.76, 0.90, 8.2), (0.90, 2.0, 5.8)):
        y, x = lattice(scene.height_um, scene.width_um, spacing, 0.17, rng)
        layer = field_at(scene, "depth", y, x) / np.maximum(field_at(scene, "thickness", y, x), 1.0)
        here = (field_at(scene, "squamous", y, x) > 0.5) & (layer >= low) & (layer < high)
        found.append((y[here], x[here], layer[here]))
    y, x = (np.concatenate([part[axis] for part in found]) for axis in (0, 1))
    return y, x, np.concatenate([part[2] for part in found]).astype(np.float32)


def _squamous_nuclei(scene: Scene, y: DoubleArray, x: DoubleArray, layer: FloatArray,
                     rng: np.random.Generator) -> list[Cells]:  # fmt: skip
    across = gradient_angle(scene.fields["depth"], y, x)
    shown = rng.random(len(y)) < _SECTIONED
    basal, flat = shown & (layer > 0.82), shown & (layer < 0.22)
    middle = shown & ~basal & ~flat
    return [
        make_cells(scene, "superficial", y[flat], x[flat], rng, across[flat] + np.pi / 2),
        make_cells(scene, "spinous", y[middle], x[middle], rng, across[middle] + np.pi / 2),
        make_cells(scene, "basal", y[basal], x[basal], rng, across[basal] + rng.normal(0, 0.25, int(basal.sum()))),
    ]


def _stroma(scene: Scene, rng: np.random.Generator) -> Cells:
    y, x = lattice(scene.height_um, scene.width_um, scene.look.stroma_spacing, 0.3, rng)
    here = np.ones(len(y), bool)
    for name, margin in (("nest", -2.0), ("squamous", -2.0), ("necrosis", 0.0), ("fat", 0.0), ("crushed", 0.0)):
        here &= field_at(scene, name, y, x) < margin
    y, x = y[here], x[here]
    angle = fibre_angle(scene, y, x) + rng.normal(0, 0.22, len(y))
    muscle = field_at(scene, "muscle", y, x) > 0
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
        here = (field_at(scene, name, y, x) > 0) & (rng.random(len(y)) < share)
        angle = fibre_angle(scene, y[here], x[here]) if kind == "crushed" else None
        parts.append(make_cells(scene, kind, y[here], x[here], rng, angle))
    return join(parts)


def _seeds(scene: Scene, y: DoubleArray, x: DoubleArray, rng: np.random.Generator) -> Seeds:
    return Seeds(y, x, rng.normal(0, 1, len(y)).astype(np.float32))
