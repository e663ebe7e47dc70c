"""Who is scanned: size, habitus, and the frame (rib cage, spine) that everything else is placed by.

All tables give an average man in mm from the bifurcation of the trachea; see ``chest_canvas`` for the axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from espark.simulate.chest.canvas import Canvas, level
from espark.simulate.people.clinical_columns import Person
from espark.types import DoubleArray, FloatArray

TOP_MM, BOTTOM_MM = 128.0, -186.0
"""Scanned range in the average man: lower neck to upper abdomen."""

SPINE_Z = (-230.0, -200.0, -150.0, -100.0, -50.0, 0.0, 50.0, 85.0, 110.0, 140.0)
SPINE_Y = (34.0, 40.0, 50.0, 57.0, 58.0, 54.0, 39.0, 23.0, 13.0, 8.0)
"""Height and depth of the middle of the vertebral bodies."""

DISC_Z = (
    -220.0, -192.0, -165.5, -140.0, -115.0, -91.0, -67.5, -44.5, -22.0, 0.0, 20.5, 40.5, 60.0, 79.0, 95.0, 111.0,
    126.0, 141.0, 156.0,
)  # fmt: skip
"""Heights of the discs; 0 is T4/T5."""

_CAGE_Z = (-230.0, -190.0, -140.0, -100.0, -60.0, -30.0, 0.0, 20.0, 40.0, 60.0, 80.0, 95.0)
_CAGE_HALF_WIDTH = (126.0, 131.0, 136.0, 136.0, 132.0, 125.0, 116.0, 106.0, 92.0, 73.0, 50.0, 32.0)
_CAGE_FRONT = (-94.0, -99.0, -104.0, -103.0, -97.0, -90.0, -81.0, -72.0, -60.0, -45.0, -26.0, -8.0)
_CAGE_BACK = (72.0, 76.0, 82.0, 86.0, 88.0, 87.0, 84.0, 79.0, 72.0, 62.0, 50.0, 40.0)


@dataclass(frozen=True)
class Body:
    """A patient's size and habitus.

    Attributes:
        scale: size relative to the average man along x, y, z.
        fat_mm: thickness of the fat under the skin of the chest.
        muscle: bulk of the muscles relative to the average.
        female: whether there are breasts.
        bone_hu: attenuation of cancellous bone.
        marbling: share of fat within the muscles.
        warp: amplitudes, frequencies and phases of the irregular displacement, shape (2, waves, 7).
        sway: side of the spine's slight bend and its size in mm.
        posture: how round the back is, relative to the average.
    """

    scale: tuple[float, float, float]
    fat_mm: float
    muscle: float
    female: bool
    bone_hu: float
    marbling: float
    warp: DoubleArray
    sway: float
    posture: float

    @cached_property
    def slack_mm(self) -> float:
        """Greatest displacement."""
        return float(np.abs(self.warp[:, :, 0]).sum(axis=1).max())


def draw_body(person: Person, rng: np.random.Generator) -> Body:
    """The body of a person."""
    stature = rng.normal(0.0, 0.035)
    girth = 0.011 * (person.body_mass_index - 22.3)
    smaller = 0.93 if person.female else 1.0
    fat = 9.0 if person.female else 6.5
    warp = np.empty((2, 5, 7))
    warp[:, :, 0] = rng.normal(0.0, 1.5, (2, 5))
    warp[:, :, 1:4] = 2 * np.pi / rng.uniform(70.0, 220.0, (2, 5, 3))
    warp[:, :, 4:7] = rng.uniform(0.0, 2 * np.pi, (2, 5, 3))
    return Body(
        scale=(
            smaller * float(np.exp(stature + girth + rng.normal(0.0, 0.03))),
            smaller * float(np.exp(stature + 1.3 * girth + rng.normal(0.0, 0.045))),
            (0.95 if person.female else 1.0) * float(np.exp(stature + rng.normal(0.0, 0.025))),
        ),
        fat_mm=float(np.clip(fat * np.exp(0.13 * (person.body_mass_index - 22)), 3.0, 35.0)),
        muscle=float(np.clip((0.75 if person.female else 1.0) * rng.normal(1.0, 0.13), 0.55, 1.4)),
        female=person.female,
        bone_hu=float(np.clip(rng.normal(145.0 - 1.5 * (person.age - 62), 25.0), 75.0, 240.0)),
        marbling=float(np.clip(rng.normal(0.10 + 0.003 * (person.age - 62), 0.04), 0.02, 0.25)),
        warp=warp,
        sway=float(rng.normal(0.0, 3.0)),
        posture=float(rng.normal(1.0, 0.18)),
    )


def make_canvas(body: Body, x: FloatArray, y: FloatArray, z: FloatArray, edge_mm: float) -> Canvas:
    """An empty canvas over scanner positions.

    Args:
        body: the patient, whose coordinates the canvas gets.
        x: scanner positions in mm, shape (x,).
        y: likewise, shape (y,).
        z: likewise, shape (z,).
        edge_mm: width of blended boundaries.
    """
    cx, cy, cz = (
        (values / scale).astype(np.float32).reshape(shape)
        for values, scale, shape in zip((x, y, z), body.scale, ((1, 1, -1), (1, -1, 1), (-1, 1, 1)), strict=True)
    )
    moved = []
    for base, waves in zip((cx, cy), body.warp.astype(np.float32), strict=True):
        field = np.broadcast_to(base, (len(z), len(y), len(x))).copy()
        for amplitude, *rest in waves:
            kx, ky, kz, px, py, pz = rest
            field += (amplitude * np.cos(kz * cz + pz) * np.cos(ky * cy + py)) * np.cos(kx * cx + px)
        moved.append(field)
    return Canvas(moved[0], moved[1], cz, body.slack_mm, edge_mm / body.scale[0])


@dataclass(frozen=True)
class Cage:
    """The inner surface of the rib cage on a canvas; all arrays broadcast to (z, y, x).

    Attributes:
        distance: along the ray from the middle, in mm; negative inside, 0 at the pleura.
        ux: direction from the middle, x part (left positive).
        uy: direction from the middle, y part (back positive).
        cosine: cosine of the angle around the cage, 1 at the back, −1 at the sternum.
        front: y of the inner surface behind the sternum, shape (z, 1, 1).
    """

    distance: FloatArray
    ux: FloatArray
    uy: FloatArray
    cosine: FloatArray
    front: FloatArray

    def on(self, canvas: Canvas) -> Cage:
        """The cage of ``canvas.every_second()`` on the canvas itself."""
        distance, ux, uy, cosine = (canvas.enlarged(part) for part in (self.distance, self.ux, self.uy, self.cosine))
        return Cage(distance, ux, uy, cosine, self.front)


def cage_on(canvas: Canvas) -> Cage:
    """Where the rib cage lies on a canvas."""
    half_width = level(canvas.z, _CAGE_Z, _CAGE_HALF_WIDTH)
    front, back = level(canvas.z, _CAGE_Z, _CAGE_FRONT), level(canvas.z, _CAGE_Z, _CAGE_BACK)
    depth, middle = (back - front) / 2, (back + front) / 2
    y = canvas.y - middle
    radius = np.sqrt(canvas.x**2 + y**2) + np.float32(1e-3)
    u, v = np.abs(canvas.x) / half_width, np.abs(y) / depth
    # A superellipse of exponent 2.5: fuller than an ellipse, as chests are.
    value = (u * u * np.sqrt(u) + v * v * np.sqrt(v)) ** np.float32(0.4) + np.float32(1e-4)
    angle = np.sqrt(u * u + v * v + np.float32(1e-6))
    return Cage(
        distance=np.asarray((1 - 1 / value) * radius, np.float32),
        ux=np.asarray(canvas.x / radius, np.float32),
        uy=np.asarray(y / radius, np.float32),
        cosine=np.asarray((y / depth) / angle, np.float32),
        front=front,
    )


def spine_x(body: Body, z: FloatArray) -> FloatArray:
    """Sideways position of the vertebral bodies."""
    return np.asarray(body.sway * np.sin(z / 70.0), dtype=np.float32)


def spine_y(body: Body, z: FloatArray) -> FloatArray:
    """Depth of the middle of the vertebral bodies."""
    depth = level(z, SPINE_Z, SPINE_Y)
    upper = np.clip((z - 20.0) / 100.0, 0.0, 1.2)
    return np.asarray(depth - (body.posture - 1.0) * 20.0 * upper**2, dtype=np.float32)
