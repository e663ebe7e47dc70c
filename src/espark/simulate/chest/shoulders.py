"""The shoulder girdle with raised arms: scapulae, clavicles, humeri, and the muscles around them."""

from __future__ import annotations

import numpy as np

from espark.simulate.chest.body import Body
from espark.simulate.chest.canvas import FAR, Canvas, Patch, Tube, level, smooth_min
from espark.types import DoubleArray, FloatArray

CORTEX_HU = 620.0
_MARROW_FAT_HU = 10.0

_BLADE_Z = (-78.0, -60.0, -40.0, 0.0, 30.0, 60.0, 85.0, 105.0)
_LATERAL_X = (146.0, 150.0, 156.0, 151.0, 144.0, 137.0, 128.0, 122.0)
_LATERAL_Y = (52.0, 45.0, 32.0, 27.0, 28.0, 17.0, 14.0, 16.0)
_MEDIAL_X = (144.0, 142.0, 132.0, 95.0, 79.0, 66.0, 76.0, 90.0)
_MEDIAL_Y = (54.0, 57.0, 67.0, 90.0, 93.0, 86.0, 70.0, 58.0)
_MUSCLE_MM = (3.0, 7.0, 11.0, 14.0, 16.0, 18.0, 23.0, 19.0)
"""The blade of the left scapula: its lateral and medial border, and the muscle on it, by height."""

_MUSCLES: tuple[tuple[tuple[tuple[float, float, float], ...], tuple[float, ...]], ...] = (
    (((58, -66, 26), (100, -62, 50), (134, -30, 84)), (9.0, 13.0, 12.0)),
    (((84, -62, 14), (110, -50, 44), (132, -20, 80)), (8.0, 11.0, 12.0)),
    (((140, 52, -70), (152, 28, -20), (152, 12, 30), (142, 6, 84)), (8.0, 15.0, 16.0, 13.0)),
    (((140, 12, 92), (162, -24, 200)), (42.0, 40.0)),
    (((8, 62, 130), (40, 60, 100), (92, 48, 98), (128, 28, 104)), (14.0, 20.0, 19.0, 16.0)),
    (((50, 78, 60), (70, 92, 40), (66, 96, -10), (30, 92, -60)), (8.0, 8.0, 6.0, 4.0)),
)
"""Courses and radii on the left: pectoralis, its lower part, latissimus, deltoid and arm, trapezius, rhomboids."""


_ARMPIT = (((112, -42, 62), (126, -24, 20), (132, 2, -30), (128, 22, -75)), (20.0, 23.0, 19.0, 8.0))
"""Course and radii of the fat that fills the armpit, on the left."""


def armpit_fat(canvas: Canvas) -> FloatArray:
    """Signed distance to the fat of both armpits."""
    distance = np.full(canvas.x.shape, FAR, np.float32)
    for side in (-1.0, 1.0):
        tube = Tube.through(_mirrored(_ARMPIT[0], side), _ARMPIT[1], step_mm=25.0)
        for found, reach in tube.patches(canvas, 40.0):
            view = distance[found.box]
            view[...] = smooth_min(view, reach, 8.0)
    return distance


def blade_distance(patch: Patch, side: float) -> tuple[FloatArray, FloatArray]:
    """Distance to the middle of a scapula's blade, and the place along it (0 medial, 1 lateral)."""
    z = patch.z
    start_x, start_y = level(z, _BLADE_Z, _MEDIAL_X), level(z, _BLADE_Z, _MEDIAL_Y)
    along_x = level(z, _BLADE_Z, _LATERAL_X) - start_x
    along_y = level(z, _BLADE_Z, _LATERAL_Y) - start_y
    length = np.sqrt(along_x**2 + along_y**2)
    x, y = patch.x * np.float32(side) - start_x, patch.y - start_y
    t = np.clip((x * along_x + y * along_y) / length**2, 0.0, 1.0)
    # The blade is hollow towards the ribs.
    hollow = np.float32(7.0) * np.sin(np.pi * t)
    nx, ny = -along_y / length, along_x / length
    dx, dy = x - t * along_x + hollow * nx, y - t * along_y + hollow * ny
    beyond = np.maximum(np.maximum(z - _BLADE_Z[-1], _BLADE_Z[0] - z), 0.0)
    return np.asarray(np.sqrt(dx * dx + dy * dy + beyond * beyond), np.float32), np.asarray(t, np.float32)


def shoulder_muscles(canvas: Canvas, body: Body) -> FloatArray:
    """Signed distance to the muscles of both shoulders and arms."""
    distance = np.full(canvas.x.shape, FAR, np.float32)
    bulk = 0.8 + 0.2 * body.muscle
    for side in (-1.0, 1.0):
        corners = np.sort([side * 50.0, side * 200.0])
        patch = canvas.patch((corners[0], -30.0, -100.0), (corners[1], 140.0, 130.0))
        if patch is not None:
            blade, _ = blade_distance(patch, side)
            view = distance[patch.box]
            view[...] = np.minimum(view, blade - level(patch.z, _BLADE_Z, _MUSCLE_MM) * np.float32(bulk))
        for course, radii in _MUSCLES:
            tube = Tube.through(_mirrored(course, side), np.array(radii) * bulk, step_mm=25.0)
            for found, reach in tube.patches(canvas, 30.0):
                view = distance[found.box]
                view[...] = smooth_min(view, reach, 5.0)
    return distance


def paint_shoulder_bones(canvas: Canvas, body: Body) -> None:
    """Paint scapulae, clavicles and humeri."""
    for side in (-1.0, 1.0):
        _paint_blade(canvas, body, side)
        ridge = Tube.through(_mirrored(((72, 84, 36), (108, 58, 56), (136, 40, 82)), side), (2.5, 3.5, 4.5))
        acromion = Tube.through(_mirrored(((136, 40, 82), (146, 24, 102), (140, 14, 116)), side), (5.5, 6.0, 5.0))
        clavicle = Tube.through(
            _mirrored(((25, -54, 45), (48, -48, 60), (74, -6, 92), (104, 14, 108), (136, 16, 116)), side),
            (9.5, 6.5, 5.8, 6.0, 6.0),
        )
        glenoid = Tube.through(_mirrored(((118, 18, 72), (126, 16, 92)), side), (9.0, 11.0))
        shaft = Tube.through(_mirrored(((142, 10, 104), (146, 4, 122), (163, -25, 205)), side), (19.0, 14.0, 11.0))
        head = Tube(_mirrored(((143, 13, 96), (143, 12, 98)), side), np.array([23.0, 23.0]))
        marrow = max(body.bone_hu, 60.0)
        parts = (
            (ridge, 1.2, marrow), (glenoid, 1.5, marrow), (acromion, 1.5, marrow), (shaft, 3.4, _MARROW_FAT_HU),
            (head, 1.4, 0.8 * marrow), (clavicle, 1.7, marrow),
        )  # fmt: skip
        for tube, cortex, filling in parts:
            pieces = tube.patches(canvas)
            for patch, distance in pieces:
                patch.paint(distance, CORTEX_HU)
            for patch, distance in pieces:
                patch.paint(distance + np.float32(cortex), filling)


def _paint_blade(canvas: Canvas, body: Body, side: float) -> None:
    corners = np.sort([side * 55.0, side * 175.0])
    patch = canvas.patch((corners[0], -10.0, -82.0), (corners[1], 115.0, 100.0))
    if patch is None:
        return
    distance, t = blade_distance(patch, side)
    border = level(patch.z, (-70.0, -40.0, 0.0), (0.3, 0.7, 1.0))
    half = np.float32(1.2) + border * (1.4 * np.exp(-((t / 0.12) ** 2)) + 3.8 * np.exp(-(((t - 1.0) / 0.13) ** 2)))
    ends = np.maximum(np.abs(patch.z - 10.0) - 76.0, 0.0)
    blade = distance - half + ends
    patch.paint(blade, 520.0)
    patch.paint(blade + np.float32(1.7), body.bone_hu)


def _mirrored(points: object, side: float) -> DoubleArray:
    mirrored = np.array(points, dtype=np.float64)
    mirrored[:, 0] *= side
    return mirrored
