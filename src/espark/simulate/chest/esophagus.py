"""The esophagus, its tumor, and the lymph nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from espark.simulate.chest.canvas import Canvas, Ellipsoid, Patch, level
from espark.simulate.people.biology import TumorBiology
from espark.simulate.people.centers import ContrastPhase
from espark.simulate.people.clinical_columns import Person
from espark.types import AnyArray, DoubleArray, FloatArray

WALL_MM = 3.1
"""Thickness of the normal wall."""

_TOP_MM, _BOTTOM_MM = 150.0, -152.0
_COURSE_Z = (-158.0, -150.0, -142.0, -127.0, -110.0, -90.0, -60.0, -30.0, 0.0, 25.0, 50.0, 85.0, 112.0, 155.0)
_COURSE_X = (46.0, 38.0, 30.0, 22.0, 17.0, 12.0, 7.0, 5.0, 5.0, 6.0, 7.0, 5.0, 2.0, 1.0)
_COURSE_Y = (6.0, 5.0, 6.0, 10.0, 15.0, 22.0, 31.0, 32.0, 29.5, 23.0, 14.0, 2.0, -5.0, -9.0)
_TUMOR_RANGE = {"upper": (8.0, 50.0), "middle": (-62.0, 4.0), "lower": (-126.0, -66.0)}
_TUMOR_LIMITS = (-146.0, 92.0)
_TEXTURE_STEP_MM = 1.25
_TEXTURE_HALF_MM = 42.0
_NECROSIS_HU = 30.0
_ENDS_MM = 5.0

_STATIONS = (
    (-17.0, 6.0, 34.0), (24.0, 22.0, 6.0), (6.0, 17.0, -20.0), (-13.0, 14.0, 58.0), (19.0, 10.0, 58.0),
    (-9.0, 34.0, -48.0), (22.0, 20.0, -78.0), (30.0, -14.0, -160.0), (24.0, 18.0, -166.0), (-14.0, 20.0, -86.0),
)  # fmt: skip
"""Where enlarged nodes are met: along both recurrent nerves, below the carina, along the esophagus, at the stomach."""


@dataclass(frozen=True)
class Tumor:
    """A tumor of the esophagus, in mm of the average man.

    Attributes:
        middle_z: height of its middle.
        half_length: half its length.
        wall: greatest thickness of the wall.
        side: direction of the thickest wall, radians from the left towards the back.
        eccentricity: 0 round about, 1 on one side only.
        lobes: phases and amplitudes of the uneven surface, shape (n, 4).
        texture: standard normal field, shape (z, y, x), around the tumor's middle.
        texture_hu: its amplitude.
        necrosis: field that decides where tissue is dead, same shape, 0–1 in equal shares.
        necrosis_share: share of the tumor that is dead, 0–1.
    """

    middle_z: float
    half_length: float
    wall: float
    side: float
    eccentricity: float
    lobes: DoubleArray
    texture: FloatArray
    texture_hu: float
    necrosis: FloatArray
    necrosis_share: float


@dataclass(frozen=True)
class Esophagus:
    """A patient's esophagus.

    Attributes:
        course_x: x of its middle at the heights of the course.
        course_y: likewise y.
        opening: how wide the lumen is at every 6 mm from the bottom, 0–1.
        air: whether it holds air there rather than fluid, 0–1.
        tumor: the tumor.
        nodes: lymph nodes.
    """

    course_x: DoubleArray
    course_y: DoubleArray
    opening: DoubleArray
    air: DoubleArray
    tumor: Tumor
    nodes: tuple[Ellipsoid, ...]


_LUMEN_Z = np.arange(_BOTTOM_MM - 6.0, _TOP_MM + 12.0, 6.0)


def draw_esophagus(
    tumor: TumorBiology, person: Person, scale: tuple[float, float, float], rng: np.random.Generator
) -> Esophagus:
    """The esophagus of a patient whose size relative to the average man is ``scale``."""
    smooth = ndimage.gaussian_filter1d(rng.standard_normal((2, len(_LUMEN_Z))), 1.6, axis=1)
    smooth /= smooth.std(axis=1, keepdims=True)
    wander = ndimage.gaussian_filter1d(rng.standard_normal((2, len(_COURSE_Z))), 1.0, axis=1)
    return Esophagus(
        course_x=np.array(_COURSE_X) + 2.2 * wander[0],
        course_y=np.array(_COURSE_Y) + 0.9 * wander[1],
        opening=np.clip(0.30 + 0.28 * smooth[0], 0.03, 1.0),
        air=1.0 / (1.0 + np.exp(-4.0 * (smooth[1] - 0.3))),
        tumor=_draw_tumor(tumor, person, scale, rng),
        nodes=_draw_nodes(tumor.nodes, rng),
    )


def _draw_tumor(
    tumor: TumorBiology, person: Person, scale: tuple[float, float, float], rng: np.random.Generator
) -> Tumor:
    half = 0.5 * tumor.tumor_length_mm / scale[2]
    low, high = _TUMOR_RANGE[person.location]
    middle = float(np.clip(rng.uniform(low, high), _TUMOR_LIMITS[0] + half, _TUMOR_LIMITS[1] - half))
    count = 2 * int(np.ceil((half + 10.0) / _TEXTURE_STEP_MM)) + 1
    across = 2 * int(np.ceil(_TEXTURE_HALF_MM / _TEXTURE_STEP_MM)) + 1
    shape = (count, across, across)
    coarse, fine, dead = (_field(shape, size, rng) for size in (7.0, 3.0, 5.0))
    ranks = dead.ravel().argsort().argsort().reshape(shape) / dead.size
    texture = 0.85 * coarse + 0.53 * fine
    return Tumor(
        middle_z=middle,
        half_length=half,
        wall=tumor.wall_thickness_mm / float(np.sqrt(scale[0] * scale[1])),
        side=float(rng.uniform(0.0, 2 * np.pi)),
        eccentricity=float(rng.uniform(0.25, 0.75)),
        lobes=_draw_lobes(rng),
        texture=(texture / texture.std()).astype(np.float32),
        texture_hu=tumor.heterogeneity_hu,
        necrosis=ranks.astype(np.float32),
        necrosis_share=tumor.necrosis_fraction,
    )


def _draw_lobes(rng: np.random.Generator, count: int = 5) -> DoubleArray:
    """Waves around the tumor: how many, their phase, their pitch along it, their amplitude."""
    waves, phase = rng.integers(2, 5, count), rng.uniform(0.0, 2 * np.pi, count)
    return np.stack([waves, phase, rng.uniform(0.05, 0.17, count), rng.normal(0.0, 0.06, count)], axis=1)


def _field(shape: tuple[int, ...], size_mm: float, rng: np.random.Generator) -> FloatArray:
    noise = rng.standard_normal(shape, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, 0.5 * size_mm / _TEXTURE_STEP_MM, mode="wrap")
    return np.asarray(field / field.std(), dtype=np.float32)


def _draw_nodes(enlarged: int, rng: np.random.Generator) -> tuple[Ellipsoid, ...]:
    order = rng.permutation(len(_STATIONS))
    nodes = []
    for rank, station in enumerate(order):
        short = rng.uniform(5.0, 8.5) if rank < enlarged else rng.uniform(1.5, 2.8)
        radii = short * np.array([1.0, rng.uniform(1.0, 1.5), rng.uniform(1.0, 1.6)])
        center = np.array(_STATIONS[station]) + rng.normal(0.0, 2.0, 3)
        nodes.append(Ellipsoid.of(center, radii, rng.uniform(-40.0, 40.0, 3)))
    return tuple(nodes)


@dataclass(frozen=True)
class Section:
    """The esophagus on a part of a canvas.

    Attributes:
        patch: the part.
        outer: signed distance to its outside.
        lumen: signed distance to its lumen.
        wall: thickness of the wall in the voxel's direction.
        x: position from the middle of the esophagus.
        y: likewise.
    """

    patch: Patch
    outer: FloatArray
    lumen: FloatArray
    wall: FloatArray
    x: FloatArray
    y: FloatArray


def section_on(canvas: Canvas, esophagus: Esophagus) -> Section | None:
    """Where the esophagus lies on a canvas, or None where it does not."""
    patch = canvas.patch((-55.0, -60.0, _BOTTOM_MM), (85.0, 85.0, _TOP_MM))
    if patch is None:
        return None
    z = patch.z
    x = patch.x - level(z, _COURSE_Z, esophagus.course_x)
    y = patch.y - level(z, _COURSE_Z, esophagus.course_y)
    tumor = esophagus.tumor
    opening = np.interp(z, _LUMEN_Z, esophagus.opening).astype(np.float32)
    inside = _tumor_profile(tumor, z)
    # The tumor narrows the lumen; above it, the esophagus is wide.
    above = np.exp(-0.5 * ((z - tumor.middle_z - tumor.half_length - 16.0) / 14.0) ** 2)
    opening = opening * (1 - 0.75 * inside) + 0.35 * above * min(1.0, tumor.wall / 15.0)
    rx, ry = 1.2 + 6.5 * opening, 0.4 + 4.2 * opening
    radius = np.sqrt(x * x + y * y) + np.float32(1e-3)
    cosine, sine = x / radius, y / radius
    lumen_radius = rx * ry / np.sqrt((ry * cosine) ** 2 + (rx * sine) ** 2)
    wall = _wall(tumor, cosine, sine, z, inside)
    lumen = np.asarray(radius - lumen_radius, np.float32)
    return Section(patch, lumen - wall, lumen, wall, x, y)


def drape_esophagus(canvas: Canvas, esophagus: Esophagus) -> None:
    """Let the lungs keep away from the esophagus."""
    section = section_on(canvas, esophagus)
    if section is not None:
        section.patch.drape(section.outer, 2.0)


def _tumor_profile(tumor: Tumor, z: FloatArray) -> FloatArray:
    """1 within the tumor, falling smoothly to 0 at its ends."""
    beyond = (np.abs(z - np.float32(tumor.middle_z)) - np.float32(tumor.half_length)) / np.float32(_ENDS_MM)
    return np.asarray(np.clip(-beyond, 0.0, 1.0) ** 0.7, np.float32)


def _wall(tumor: Tumor, cosine: FloatArray, sine: FloatArray, z: FloatArray, inside: FloatArray) -> FloatArray:
    angle = np.arctan2(sine, cosine)
    facing = 0.5 + 0.5 * np.cos(angle - np.float32(tumor.side) - (z - tumor.middle_z) * np.float32(0.012))
    share = (1 - tumor.eccentricity) + tumor.eccentricity * facing
    bumps = np.zeros_like(share)
    for waves, phase, pitch, amplitude in tumor.lobes.astype(np.float32):
        bumps += amplitude * np.cos(waves * angle + phase + pitch * z)
    extra = np.maximum(np.float32(tumor.wall - WALL_MM), 0.5) * inside * np.clip(share * (1 + bumps), 0.0, 1.1)
    return np.asarray(WALL_MM + extra, dtype=np.float32)


def paint_esophagus(canvas: Canvas, esophagus: Esophagus, section: Section, phase: ContrastPhase) -> None:
    """Paint nodes, wall, lumen and tumor, and note which voxels belong to which."""
    for node in esophagus.nodes:
        found = node.patch(canvas)
        if found is not None:
            free = np.maximum(node.distance(found), -canvas.solid[found.box])
            found.paint(free, phase.tumor - 6.0)
    patch, tumor = section.patch, esophagus.tumor
    outer = np.maximum(section.outer, -canvas.solid[patch.box])
    ends = np.maximum(patch.z - np.float32(_TOP_MM), np.float32(_BOTTOM_MM) - patch.z)
    outer = np.maximum(outer, ends)
    patch.paint(outer, phase.esophagus)
    lumen = np.maximum(section.lumen, outer + np.float32(1.5))
    diseased = _diseased(tumor, section, outer)
    share = patch.coverage(diseased)
    patch.blend(share, _tumor_hu(tumor, section, diseased, phase))
    air = np.interp(patch.z, _LUMEN_Z, esophagus.air).astype(np.float32)
    patch.paint(lumen, 18.0 - 920.0 * air)
    canvas.esophagus[patch.box] = patch.coverage(outer)
    canvas.tumor[patch.box] = np.minimum(share, 1 - patch.coverage(lumen))


def _diseased(tumor: Tumor, section: Section, outer: FloatArray) -> FloatArray:
    """Signed distance to the tumor: wall that is clearly thickened."""
    clear = WALL_MM + 0.3 * (tumor.wall - WALL_MM)
    z_end = np.abs(section.patch.z - np.float32(tumor.middle_z)) - np.float32(tumor.half_length)
    return np.asarray(np.maximum(np.maximum(outer, z_end), np.float32(clear) - section.wall), dtype=np.float32)


def _tumor_hu(tumor: Tumor, section: Section, diseased: FloatArray, phase: ContrastPhase) -> FloatArray:
    hu = np.full(diseased.shape, phase.tumor, np.float32)
    near = np.nonzero(diseased < 3.0)
    if not len(near[0]):
        return hu
    heights = np.broadcast_to(section.patch.z, diseased.shape)[near] - tumor.middle_z
    at = np.stack([heights, section.y[near], section.x[near]])
    middle = (np.array(tumor.texture.shape)[:, None] - 1) / 2
    index = at / _TEXTURE_STEP_MM + middle
    texture = _sample(tumor.texture, index)
    dead = _sample(tumor.necrosis, index)
    # Dead tissue lies deep, so the share within the core is larger than over the whole.
    deep = np.clip(-diseased[near] / np.float32(max(1.5, 0.22 * tumor.wall)), 0.0, 1.0)
    limit = np.float32(min(0.95, 1.2 * tumor.necrosis_share))
    necrotic = deep * np.clip((limit - dead) / 0.04 + 0.5, 0.0, 1.0)
    hu[near] = phase.tumor + tumor.texture_hu * texture + necrotic * (_NECROSIS_HU - phase.tumor)
    return hu


def _sample(field: FloatArray, index: AnyArray) -> FloatArray:
    return np.asarray(ndimage.map_coordinates(field, index, order=1, mode="nearest"), dtype=np.float32)
