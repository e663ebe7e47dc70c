"""Skin, fat and muscles of chest and neck."""

from __future__ import annotations

import numpy as np

from espark.simulate.chest.body import Body, Cage, spine_x, spine_y
from espark.simulate.chest.canvas import FAR, Canvas, Ellipsoid, Patch, Tube, ellipse_distance, smooth_min
from espark.simulate.chest.shoulders import armpit_fat, shoulder_muscles
from espark.simulate.people.centers import ContrastPhase
from espark.types import FloatArray

FAT_HU = -103.0
SKIN_HU = 20.0
RIB_MM = 8.5
"""From the pleura to the outside of the ribs."""

_SKIN_MM = 2.0
_BACK_MM = 119.0
_NECK_FROM_MM = 58.0
_SHOULDERS_FROM_MM = -130.0
_NECK_MUSCLES = (
    (((24, -52, 46), (40, -36, 80), (50, -4, 125), (54, 14, 160)), (6.0, 8.0, 10.0, 11.0)),
    (((9, -46, 46), (9, -38, 80), (10, -40, 140)), (3.5, 4.0, 4.5)),
)
"""Courses and radii on the left: sternomastoid and strap muscles."""


def paint_wall(canvas: Canvas, body: Body, cage: Cage, coarse_cage: Cage, phase: ContrastPhase) -> None:
    """Paint the body from the skin to the ribs; what the cage holds is filled with fat for now.

    Surfaces are found on the canvas of every second row and column, on which ``coarse_cage`` lies.
    """
    coarse, whole = canvas.every_second(), canvas.whole()
    thickness, neck = _muscle_mm(coarse, body, coarse_cage), _neck(coarse, body)
    shoulders = shoulder_muscles(coarse, body)
    skin = canvas.enlarged(_skin(coarse, body, coarse_cage, thickness, shoulders, neck))
    whole.paint(skin, SKIN_HU)
    whole.paint(skin + np.float32(_SKIN_MM), FAT_HU)
    shell = canvas.enlarged(_muscles(coarse, coarse_cage, thickness, shoulders))
    shell = np.maximum(shell, skin + np.float32(_SKIN_MM + 1.0))
    _paint_muscles(canvas, body, cage, shell, canvas.enlarged(thickness), phase)
    patch = canvas.patch((-50.0, -90.0, 20.0), (50.0, 60.0, 300.0))
    if patch is not None:
        inlet = ellipse_distance(patch.x, patch.y - spine_y(body, patch.z) + 46.0, 36.0, 38.0)
        patch.paint(np.maximum(inlet, inlet_height(patch) - patch.z), FAT_HU)
    _paint_neck(canvas, body, neck, phase)


def _skin(
    canvas: Canvas, body: Body, cage: Cage, thickness: FloatArray, shoulders: FloatArray, neck: FloatArray
) -> FloatArray:
    """Signed distance to the outside of the body."""
    skin = cage.distance - (RIB_MM + thickness + _fat_mm(canvas, body, cage) + _SKIN_MM)
    if float(canvas.z.max()) > _SHOULDERS_FROM_MM:
        skin = smooth_min(skin, armpit_fat(canvas) - np.float32(0.4 * body.fat_mm), 35.0)
        skin = smooth_min(skin, shoulders - np.float32(4.0 + 0.45 * body.fat_mm), 60.0)
    if float(canvas.z.max()) > 0.0:
        skin = smooth_min(skin, neck - np.float32(4.0 + 0.35 * body.fat_mm), 35.0)
    # The back lies flat on the table.
    skin = -smooth_min(-skin, np.float32(_BACK_MM + 0.5 * body.fat_mm) - canvas.y, 14.0)
    return smooth_min(skin, _breasts(canvas, body), 12.0) if body.female else skin


def _muscles(canvas: Canvas, cage: Cage, thickness: FloatArray, shoulders: FloatArray) -> FloatArray:
    """Signed distance to the muscles on the ribs and around the shoulders."""
    depth = cage.distance - np.float32(RIB_MM)
    chest = np.maximum(np.maximum(depth - thickness, -cage.distance), canvas.z - inlet_height(canvas))
    return smooth_min(chest, np.maximum(shoulders, -depth), 4.0)


def _paint_muscles(
    canvas: Canvas, body: Body, cage: Cage, shell: FloatArray, thickness: FloatArray, phase: ContrastPhase
) -> None:
    """Paint the muscles of the wall, marbled and parted by planes of fat, at the few voxels that hold them."""
    here = np.flatnonzero(shell < np.float32(0.5 * canvas.edge_mm))
    z = np.broadcast_to(canvas.z, canvas.x.shape)
    x, y, z, shell, thickness, depth, side, hu = (
        values.ravel()[here] for values in (canvas.x, canvas.y, z, shell, thickness, cage.distance, cage.uy, canvas.hu)
    )
    whole, depth = canvas.whole(), depth - np.float32(RIB_MM)
    hu += whole.coverage(shell) * (np.float32(phase.muscle) + _streaks(x, y, z, body) - hu)
    clefts = np.maximum(_clefts(x, side, depth, thickness), shell + np.float32(1.0))
    hu += np.float32(0.6) * whole.coverage(clefts) * (np.float32(FAT_HU) - hu)
    canvas.hu.reshape(-1)[here] = hu


def inlet_height(canvas: Canvas | Patch) -> FloatArray:
    """Height of the upper opening of the chest: a plane that rises from the sternum to the spine."""
    return np.asarray(np.float32(66.0) + np.float32(0.35) * canvas.y, np.float32)


def _lobe(cage: Cage, side: float, back: float, sharpness: float) -> FloatArray:
    """1 in the direction (±side, back) on either side, falling off around it."""
    norm = float(np.hypot(side, back))
    along = np.abs(cage.ux) * np.float32(side / norm) + cage.uy * np.float32(back / norm)
    return np.asarray(np.exp(np.float32(sharpness) * (along - 1)), np.float32)


def _around(z: FloatArray, middle: float, width: float) -> FloatArray:
    return np.asarray(np.exp(-0.5 * ((z - np.float32(middle)) / np.float32(width)) ** 2), np.float32)


def _muscle_mm(canvas: Canvas, body: Body, cage: Cage) -> FloatArray:
    """Thickness of the muscles outside the ribs."""
    z = canvas.z
    pectoral = 15.0 * _around(z, 18.0, 38.0) * _lobe(cage, 0.62, -0.78, 9.0)
    lateral = 9.0 * _around(z, -45.0, 55.0) * _lobe(cage, 0.97, 0.25, 6.0)
    spinal = 27.0 * _lobe(cage, 0.28, 0.96, 12.0)
    return np.asarray(np.float32(3.0) + np.float32(body.muscle) * (pectoral + lateral + spinal), np.float32)


def _fat_mm(canvas: Canvas, body: Body, cage: Cage) -> FloatArray:
    """Thickness of the fat under the skin; more in the armpits."""
    lower = 1.0 / (1.0 + np.exp((canvas.z + 90.0) / 30.0))
    shape = 0.75 + 0.55 * lower * _lobe(cage, 0.5, -0.85, 1.5) + 0.35 * _lobe(cage, 0.9, 0.4, 3.0)
    armpit = 14.0 * _around(canvas.z, 30.0, 30.0) * _lobe(cage, 0.98, -0.18, 6.0)
    return np.asarray(armpit + np.float32(body.fat_mm) * shape, np.float32)


def _clefts(x: FloatArray, side: FloatArray, depth: FloatArray, thickness: FloatArray) -> FloatArray:
    """Signed distance to the thin planes of fat between thick muscles; ``side`` is 1 at the back."""
    inner = np.abs(depth - np.float32(0.45) * thickness) - np.float32(0.8)
    outer = np.abs(depth - np.float32(0.78) * thickness) - np.float32(0.6)
    planes = np.where(thickness > 12.0, np.minimum(inner, outer), FAR)
    # The long muscles of the back are parted from the others and from each other.
    beside = np.abs(np.abs(x) - np.float32(42.0) - 0.12 * depth) - np.float32(0.8)
    beside = np.where((side > 0.6) & (depth > 2.0) & (depth < thickness), beside, FAR)
    return np.minimum(planes, beside)


def _neck(canvas: Canvas, body: Body) -> FloatArray:
    distance = np.full_like(canvas.x, FAR)
    patch = canvas.patch((-120.0, -120.0, 20.0), (120.0, 160.0, 400.0))
    if patch is None:
        return distance
    below = np.maximum(np.float32(74.0) - patch.z, 0.0)
    middle = spine_y(body, patch.z) + np.float32(9.0)
    wide = 46.0 + 6.0 * body.muscle
    distance[patch.box] = ellipse_distance(patch.x, patch.y - middle, wide, 48.0) + below
    return distance


def _breasts(canvas: Canvas, body: Body) -> FloatArray:
    size = 0.75 + 0.02 * body.fat_mm
    distance = np.full_like(canvas.x, FAR)
    for side in (-1.0, 1.0):
        breast = Ellipsoid.of((86.0 * side, -86.0, -42.0), (56.0 * size, 30.0 * size, 52.0 * size))
        patch = breast.patch(canvas, 20.0)
        if patch is not None:
            view = distance[patch.box]
            np.minimum(view, breast.distance(patch), out=view)
    return distance


def _paint_neck(canvas: Canvas, body: Body, coarse_neck: FloatArray, phase: ContrastPhase) -> None:
    patch = canvas.patch((-120.0, -120.0, _NECK_FROM_MM), (120.0, 160.0, 400.0))
    if patch is None:
        return
    z, neck = patch.z, canvas.enlarged(coarse_neck)[patch.box]
    marbled = np.float32(phase.muscle) + _streaks(patch.x, patch.y, z, body)
    base = np.float32(_NECK_FROM_MM + 4.0) + np.float32(0.45) * np.abs(patch.x) + 4.0 * np.sin(patch.y * 0.12)
    within = np.maximum(neck + np.float32(3.0), np.float32(9.0) - (patch.y - spine_y(body, z)))
    patch.paint(np.maximum(within, base - z), marbled)
    deep = ellipse_distance(
        patch.x - spine_x(body, z), patch.y - spine_y(body, z) - 16.0, 38.0 + 0.1 * (z - 60.0), 40.0
    )
    back = np.maximum(neck, np.float32(18.0) - (patch.y - spine_y(body, z)))
    around = np.minimum(deep, back + 1.5)
    patch.paint(np.maximum(around, base - z), marbled)
    # Larynx, trachea and gullet share a sleeve with the strap muscles in front of them.
    sleeve = ellipse_distance(patch.x, patch.y - spine_y(body, z) + 26.0, 21.0, 21.0)
    patch.paint(np.maximum(sleeve, base - z), phase.muscle - 8.0)
    for side in (-1.0, 1.0):
        for course, radii in _NECK_MUSCLES:
            Tube.through(np.array(course) * (side, 1.0, 1.0), radii).paint(canvas, phase.muscle)
        thyroid = Ellipsoid.of((15.0 * side, -16.0, 82.0), (7.5, 10.0, 20.0))
        found = thyroid.patch(canvas)
        if found is not None:
            found.paint(thyroid.distance(found), 0.5 * phase.aorta + 85.0)


def _streaks(x: FloatArray, y: FloatArray, z: FloatArray, body: Body) -> FloatArray:
    """Fat between muscles, as HU to add: sheets where a slow wave crosses zero."""
    wave = np.sin(x * np.float32(0.11) + 1.7 * np.sin(y * np.float32(0.06)) + z * np.float32(0.02))
    other = np.sin(y * np.float32(0.13) - x * np.float32(0.05) + z * np.float32(0.05))
    width = np.float32(0.7 * body.marbling + 0.02)
    sheet = np.exp(-((wave * other) ** 2) / (width * width))
    return np.asarray(np.float32(-95.0 * (0.35 + 2 * body.marbling)) * sheet, np.float32)
