"""Heart, great vessels, trachea and bronchi."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espark.simulate.chest.body import Body, spine_x, spine_y
from espark.simulate.chest.canvas import AIR_HU, Canvas, Ellipsoid, Tube, ellipse_distance, level, smooth_min
from espark.simulate.people.centers import ContrastPhase
from espark.types import AnyArray, FloatArray

_WALL_HU = 45.0


@dataclass(frozen=True)
class Vessel:
    """A vessel and the blood it carries.

    Attributes:
        tube: its course.
        blood: name of the blood's attenuation in ``ContrastPhase``.
    """

    tube: Tube
    blood: str


@dataclass(frozen=True)
class Mediastinum:
    """What lies between the lungs, except the esophagus.

    Attributes:
        heart: chambers as (shape, blood), each painted within its muscle.
        pericardium: the heart as a whole.
        vessels: large vessels.
        aorta: the aorta from root to abdomen.
        airways: trachea and bronchi.
        plaques: calcified plaques of the aorta, as short tubes.
    """

    heart: tuple[tuple[Ellipsoid, str, float], ...]
    pericardium: Ellipsoid
    vessels: tuple[Vessel, ...]
    aorta: Tube
    airways: tuple[Tube, ...]
    plaques: tuple[Tube, ...]


_Course = Sequence[Sequence[float]]

_AORTA = (
    (8, -32, -66, 15), (-7, -34, -40, 16.5), (-15, -28, -12, 16), (-10, -18, 12, 15.5), (4, -2, 26, 14.5),
    (18, 18, 24, 13.5), (26, 37, 6, 13), (26, 46, -20, 12.5), (24, 48, -55, 12), (18, 42, -92, 11.5),
    (11, 34, -122, 11), (6, 26, -150, 10.5), (4, 20, -185, 10), (3, 16, -215, 9.5),
)  # fmt: skip

_VESSELS: tuple[tuple[str, tuple[tuple[float, float, float, float], ...]], ...] = (
    ("pulmonary", ((16, -54, -70, 14), (20, -44, -44, 14), (22, -24, -22, 13))),
    ("pulmonary", ((22, -26, -24, 11), (2, -10, -21, 11), (-24, -2, -22, 10), (-44, 6, -27, 8), (-54, 16, -42, 6))),
    ("pulmonary", ((22, -26, -22, 12), (36, 0, -12, 11), (50, 22, -16, 9), (56, 34, -34, 7), (58, 40, -52, 5))),
    ("pulmonary", ((-20, 4, -40, 8), (-36, 0, -34, 7), (-54, -12, -22, 4.5))),
    ("pulmonary", ((-26, 12, -60, 8), (-42, 22, -66, 7), (-60, 32, -76, 4.5))),
    ("pulmonary", ((30, 0, -40, 8), (46, -8, -30, 7), (62, -14, -18, 4.5))),
    ("pulmonary", ((32, 14, -60, 8), (46, 24, -64, 7), (62, 34, -76, 4.5))),
    ("veins", ((-22, -24, 40, 8), (-27, -20, 15, 9), (-30, -17, -15, 9.5), (-31, -19, -58, 10))),
    ("veins", ((-36, -30, 68, 6.5), (-32, -28, 56, 7.5), (-22, -24, 40, 8))),
    ("veins", ((48, -34, 66, 6.5), (30, -36, 54, 7), (2, -38, 44, 7), (-22, -24, 40, 7.5))),
    ("veins", ((-36, -30, 68, 5.5), (-34, -22, 100, 5.5), (-34, -14, 140, 6))),
    ("veins", ((48, -34, 66, 5.5), (38, -22, 100, 5), (35, -14, 140, 5))),
    ("veins", ((-36, -30, 68, 5.5), (-70, -34, 70, 5.5), (-112, -18, 58, 5))),
    ("veins", ((48, -34, 66, 5.5), (74, -34, 70, 5.5), (112, -18, 58, 5))),
    ("aorta", ((-7, -20, 22, 6.5), (-13, -19, 42, 6), (-20, -14, 60, 5.5), (-26, -12, 75, 4), (-27, -10, 140, 3.5))),
    ("aorta", ((-20, -14, 60, 4.5), (-44, -12, 74, 4.5), (-80, -20, 72, 4), (-112, -10, 56, 3.5))),
    ("aorta", ((5, -6, 30, 4.5), (13, -8, 55, 4), (22, -10, 80, 3.5), (27, -10, 140, 3.5))),
    ("aorta", ((17, 10, 30, 5), (25, 8, 55, 4.8), (42, -4, 74, 4.5), (80, -18, 72, 4), (112, -10, 56, 3.5))),
    ("veins", ((-32, -22, -102, 12), (-24, -8, -118, 11.5), (-21, 0, -145, 11), (-17, 11, -200, 11))),
    ("veins", ((-8, 32, -180, 2.5), (-9, 37, -90, 3.2), (-11, 37, -15, 4), (-17, 28, 1, 4), (-26, 4, 6, 4))),
)  # fmt: skip
"""Large vessels: blood, then (x, y, z, radius) along each."""

_AIRWAYS: tuple[tuple[tuple[float, float, float, float], ...], ...] = (
    ((0, 13, -2, 7.5), (-15, 17, -12, 7), (-30, 20, -24, 6.3), (-38, 23, -34, 5.8), (-42, 25, -50, 5.3)),
    ((0, 13, -2, 6.8), (16, 18, -14, 6.2), (34, 22, -26, 5.8), (44, 23, -34, 5.4)),
    ((-26, 19, -20, 4.8), (-40, 16, -15, 4.2), (-54, 10, -2, 3)),
    ((-42, 25, -50, 4.6), (-48, 34, -66, 3.8), (-56, 44, -88, 2.4)),
    ((-42, 23, -48, 3.8), (-52, 6, -60, 3), (-62, -14, -76, 2)),
    ((44, 23, -34, 4.6), (54, 14, -28, 3.8), (62, 2, -12, 2.6)),
    ((44, 23, -34, 4.6), (50, 34, -48, 4), (56, 42, -70, 2.6)),
    ((54, 14, -28, 3.2), (62, -4, -40, 2.6), (72, -26, -54, 1.8)),
    ((-48, 34, -66, 2.4), (-60, 28, -80, 2), (-74, 24, -96, 1.5)),
    ((54, 40, -62, 2.4), (66, 32, -78, 2), (78, 26, -94, 1.5)),
    ((-54, 10, -2, 2.4), (-62, 18, 14, 1.8), (-66, 24, 28, 1.4)),
    ((62, 2, -12, 2.2), (66, 14, 8, 1.7), (68, 22, 24, 1.3)),
)

_TRACHEA_Z = (-6.0, 0.0, 25.0, 50.0, 85.0, 105.0, 112.0, 145.0)
_TRACHEA_Y = (14.0, 13.0, 7.0, -2.0, -14.0, -20.0, -22.0, -26.0)
_TRACHEA_X = (0.0, 0.0, -3.0, -2.0, 0.0, 0.0, 0.0, 0.0)
_TRACHEA_RX = (10.0, 9.5, 8.8, 8.6, 8.6, 8.4, 7.6, 7.0)
_TRACHEA_RY = (6.0, 7.0, 8.0, 8.4, 8.4, 8.6, 9.0, 9.5)


def draw_mediastinum(rng: np.random.Generator, age: int) -> Mediastinum:
    """Heart and vessels of a patient."""
    heart = np.array([26.0, -37.0, -91.0]) + rng.normal(0.0, (3.0, 2.0, 4.0))
    size = float(np.clip(rng.normal(1.1, 0.07), 0.95, 1.3))
    tilt = float(rng.normal(-38.0, 6.0))
    aorta = _jittered(_AORTA, rng, width=float(np.clip(rng.normal(1.0 + 0.004 * (age - 62), 0.07), 0.85, 1.3)))
    return Mediastinum(
        heart=_chambers(heart, size, tilt),
        pericardium=Ellipsoid.of(heart, np.array([60.0, 41.0, 45.0]) * size, (tilt, 22.0, 0.0)),
        vessels=tuple(Vessel(_jittered(course, rng), blood) for blood, course in _VESSELS),
        aorta=aorta,
        airways=tuple(_jittered(course, rng, spread=0.8) for course in _AIRWAYS),
        plaques=_plaques(aorta, rng, age),
    )


def _chambers(heart: AnyArray, size: float, tilt: float) -> tuple[tuple[Ellipsoid, str, float], ...]:
    """Chambers as (shape of the blood pool, blood, thickness of the muscle in mm)."""
    turn = (tilt, 22.0, 0.0)
    table = (
        ((-56.0, 10.0, 8.0), (23.0, 27.0, 32.0), (0.0, 0.0, 0.0), "veins", 2.5),
        ((-14.0, -19.0, -3.0), (42.0, 19.0, 33.0), turn, "veins", 3.0),
        ((20.0, 4.0, -8.0), (38.0, 20.0, 24.0), turn, "aorta", 9.0),
        ((14.0, 8.0, 40.0), (9.0, 14.0, 8.0), (-30.0, 0.0, 0.0), "aorta", 2.0),
        ((-21.0, 31.0, 26.0), (34.0, 20.0, 23.0), (0.0, 0.0, 0.0), "aorta", 2.0),
    )
    return tuple(
        (Ellipsoid.of(heart + np.array(offset) * size, np.array(radii) * size, angle), blood, wall)
        for offset, radii, angle, blood, wall in table
    )


def _jittered(course: _Course, rng: np.random.Generator, spread: float = 1.0, width: float = 1.0) -> Tube:
    table = np.asarray(course, float)
    points = table[:, :3] + rng.normal(0.0, spread, (len(table), 3))
    return Tube.through(points, table[:, 3] * width * rng.normal(1.0, 0.04))


def _plaques(aorta: Tube, rng: np.random.Generator, age: int) -> tuple[Tube, ...]:
    count = int(rng.poisson(max(0.0, (age - 50) * 0.25)))
    plaques = []
    for index in rng.integers(2, len(aorta.points) - 1, count):
        direction = rng.normal(size=3)
        direction -= direction[2] * np.array([0.0, 0.0, 0.8])
        at = aorta.points[index] + direction / np.linalg.norm(direction) * aorta.radii[index]
        plaques.append(Tube(np.stack([at, at + rng.normal(0.0, 2.5, 3)]), np.full(2, rng.uniform(0.6, 1.8))))
    return tuple(plaques)


def drape_mediastinum(canvas: Canvas, organs: Mediastinum, body: Body) -> None:
    """Tell the lungs what they lie against."""
    z = canvas.z
    half = level(z, (-200.0, -60.0, -20.0, 10.0, 45.0, 60.0, 80.0), (14.0, 12.0, 11.0, 14.0, 18.0, 23.0, 30.0))
    depth = spine_y(body, z)
    # In front of the great vessels the lungs nearly touch; behind them the mediastinum is as wide as the trachea.
    front = np.clip((canvas.y - (depth - 62.0)) / 30.0, 0.0, 1.0)
    wide = np.float32(5.0) + (half - 5.0) * front
    canvas.mediastinum[...] = np.abs(canvas.x - 2.0) - wide
    patch = canvas.patch((-70.0, 0.0, -300.0), (70.0, 130.0, 300.0))
    if patch is not None:
        x, y = patch.x - spine_x(body, z), patch.y - depth
        patch.drape(ellipse_distance(x, y, 17.0, 15.0), 3.0)
        patch.drape(ellipse_distance(x, y - 30.0, 32.0, 22.0), 0.0)
    for shape, margin in [(organs.pericardium, -4.0)] + [(shape, wall + 4.0) for shape, _, wall in organs.heart]:
        patch = shape.patch(canvas, margin + 8.0)
        if patch is not None:
            patch.drape(shape.distance(patch), margin)
    organs.aorta.drape(canvas, 2.0)
    for vessel in organs.vessels:
        if vessel.blood != "pulmonary":
            vessel.tube.drape(canvas, 2.0)
    for vessel in organs.vessels[:3]:
        Tube(vessel.tube.points[:4], vessel.tube.radii[:4]).drape(canvas, 2.0)
    for airway in organs.airways[:2]:
        Tube(airway.points[:5], airway.radii[:5]).drape(canvas, 3.0)


def paint_mediastinum(canvas: Canvas, organs: Mediastinum, phase: ContrastPhase) -> None:
    """Paint heart, vessels and airways."""
    _paint_heart(canvas, organs, phase)
    for vessel in organs.vessels:
        vessel.tube.paint(canvas, getattr(phase, vessel.blood))
    organs.aorta.paint(canvas, 45.0, grow_mm=1.2)
    organs.aorta.paint(canvas, phase.aorta)
    for plaque in organs.plaques:
        plaque.paint(canvas, 650.0)
    paint_airways(canvas, organs)


def resist_mediastinum(canvas: Canvas, organs: Mediastinum, body: Body) -> None:
    """Tell the tumor what it cannot fill."""
    organs.aorta.resist(canvas, 1.5)
    for airway in organs.airways[:2]:
        airway.resist(canvas, 1.8)
    for shape, _, wall in organs.heart:
        patch = shape.patch(canvas, wall + 10.0)
        if patch is not None:
            patch.resist(shape.distance(patch) - np.float32(wall))
    patch = canvas.patch((-60.0, -60.0, -260.0), (60.0, 110.0, 260.0))
    if patch is None:
        return
    patch.resist(trachea_distance(patch.x, patch.y, patch.z) - np.float32(2.0))
    spine = ellipse_distance(patch.x - spine_x(body, patch.z), patch.y - spine_y(body, patch.z), 18.5, 16.5)
    patch.resist(spine)


def _paint_heart(canvas: Canvas, organs: Mediastinum, phase: ContrastPhase) -> None:
    patch = organs.pericardium.patch(canvas, 25.0)
    if patch is None:
        return
    pools = [(shape.distance(patch), getattr(phase, blood), np.float32(wall)) for shape, blood, wall in organs.heart]
    muscle = np.full(patch.x.shape, 1e3, np.float32)
    for distance, _, wall in pools:
        muscle = smooth_min(muscle, distance - wall, 9.0)
    patch.paint(muscle, phase.myocardium)
    for distance, blood, _ in pools:
        patch.paint(distance, blood)


def trachea_distance(canvas_x: FloatArray, canvas_y: FloatArray, z: FloatArray) -> FloatArray:
    """Signed distance to the lumen of the trachea, far below its bifurcation."""
    x = canvas_x - level(z, _TRACHEA_Z, _TRACHEA_X)
    y = canvas_y - level(z, _TRACHEA_Z, _TRACHEA_Y)
    rx, ry = level(z, _TRACHEA_Z, _TRACHEA_RX), level(z, _TRACHEA_Z, _TRACHEA_RY)
    lumen = ellipse_distance(x, y, rx, ry)
    # The back wall is a flat membrane.
    lumen = np.maximum(lumen, y - 0.75 * ry)
    return np.asarray(np.maximum(lumen, -6.0 - z), dtype=np.float32)


def paint_airways(canvas: Canvas, organs: Mediastinum) -> None:
    """Paint trachea and bronchi, walls first."""
    patch = canvas.patch((-30.0, -60.0, -10.0), (30.0, 50.0, 260.0))
    trachea = None if patch is None else trachea_distance(patch.x, patch.y, patch.z)
    pieces = [(found, distance, tube) for tube in organs.airways for found, distance in tube.patches(canvas, 2.0)]
    for found, distance, tube in pieces:
        found.paint(distance - np.float32(min(1.6, 0.45 + 0.18 * float(tube.radii[0]))), _WALL_HU)
    if patch is not None and trachea is not None:
        patch.paint(trachea - np.float32(1.8), 70.0)
    for found, distance, _ in pieces:
        found.paint(distance, AIR_HU)
    if patch is not None and trachea is not None:
        patch.paint(trachea, AIR_HU)
