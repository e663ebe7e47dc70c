"""Spine, ribs and sternum."""

from __future__ import annotations

import itertools

import numpy as np

from espark.simulate.chest.body import DISC_Z, Body, Cage, spine_x, spine_y
from espark.simulate.chest.canvas import (
    Canvas,
    Patch,
    box_distance,
    cone_distance,
    ellipse_distance,
    level,
)
from espark.simulate.chest.shoulders import CORTEX_HU, paint_shoulder_bones
from espark.types import FloatArray

CARTILAGE_HU = 125.0
_DISC_HU = 85.0
_CORD_HU = 32.0
_CANAL_HU = -60.0

_RIB_DROP = (40.0, 55.0, 68.0, 80.0, 88.0, 96.0, 102.0, 104.0, 100.0, 92.0, 66.0, 42.0)
_RIB_BONE_DEG = (125.0, 140.0, 147.0, 147.0, 145.0, 140.0, 132.0, 122.0, 112.0, 100.0, 70.0, 45.0)
_RIB_END_DEG = (168.0, 170.0, 172.0, 172.0, 172.0, 170.0, 166.0, 150.0, 138.0, 124.0, 74.0, 48.0)
_STERNUM_Z = (-112.0, -95.0, -80.0, -8.0, 0.0, 10.0, 34.0, 48.0)
_STERNUM_HALF_WIDTH = (4.0, 10.0, 17.0, 14.0, 12.0, 16.0, 29.0, 24.0)
_FIRST_RIB_DISC = DISC_Z.index(79.0)


def paint_bones(canvas: Canvas, body: Body, cage: Cage) -> None:
    """Paint the skeleton."""
    _paint_ribs(canvas, body, cage)
    _paint_sternum(canvas, body, cage)
    paint_shoulder_bones(canvas, body)
    _paint_spine(canvas, body)


def _bone(patch: Patch, distance: FloatArray, body: Body, cortex_mm: float) -> None:
    """A compact shell around cancellous bone."""
    patch.paint(distance, CORTEX_HU)
    patch.paint(distance + np.float32(cortex_mm), body.bone_hu)


def _paint_ribs(canvas: Canvas, body: Body, cage: Cage) -> None:
    shell = np.flatnonzero((cage.distance > -2.0) & (cage.distance < 11.0))
    if not len(shell):
        return
    height = np.broadcast_to(canvas.z, canvas.x.shape)
    depth, cosine, height, side, hu = (
        values.ravel()[shell] for values in (cage.distance, cage.cosine, height, canvas.x, canvas.hu)
    )
    depth, cosine, side = depth - np.float32(4.3), np.clip(cosine, -1.0, 1.0), np.abs(side)
    angle = np.degrees(np.arccos(cosine))
    edge = np.float32(1.0 / canvas.edge_mm)
    for number, (drop, bone_end, end) in enumerate(zip(_RIB_DROP, _RIB_BONE_DEG, _RIB_END_DEG, strict=True)):
        head = DISC_Z[_FIRST_RIB_DISC - number]
        fall = np.float32(drop) * (0.05 + 0.95 * (1 - cosine) / 2)
        climb = np.float32(0.9 if 4 < number < 10 else 0.15)
        rise = climb * np.maximum(angle - np.float32(bone_end), 0.0)
        level_z = height - np.float32(head) + fall - rise
        half_height = np.float32(5.2 if number else 4.0)
        here = np.flatnonzero(np.abs(level_z) < half_height * (1 + canvas.edge_mm / 3.9))
        around = np.sqrt((depth[here] / 3.9) ** 2 + (level_z[here] / half_height) ** 2)
        distance = np.maximum((around - 1) * np.float32(3.9), np.float32(17.0) - side[here])
        ends = (angle[here] - np.float32(end)) * np.float32(1.8)
        share = np.clip(0.5 - np.maximum(distance, ends) * edge, 0.0, 1.0)
        hu[here] += share * (_rib_hu(distance, angle[here], bone_end, body, edge) - hu[here])
    canvas.hu.reshape(-1)[shell] = hu


def _rib_hu(distance: FloatArray, angle: FloatArray, bone_end: float, body: Body, edge: np.float32) -> FloatArray:
    """Attenuation within a rib: bone with a compact shell, cartilage beyond ``bone_end`` degrees around the cage."""
    inner = np.clip(0.5 - (distance + 1.15) * edge, 0.0, 1.0)
    bone = np.clip((np.float32(bone_end) - angle) * 0.7 + 0.5, 0.0, 1.0)
    osseous = CORTEX_HU + inner * np.float32(0.7 * body.bone_hu - CORTEX_HU)
    return np.asarray(CARTILAGE_HU + bone * (osseous - np.float32(CARTILAGE_HU)), np.float32)


def _paint_sternum(canvas: Canvas, body: Body, cage: Cage) -> None:
    patch = canvas.patch((-45.0, -130.0, -112.0), (45.0, -20.0, 48.0))
    if patch is None:
        return
    z = patch.z
    middle = cage.front[patch.box[0]] - np.float32(7.0)
    half_width = level(z, _STERNUM_Z, _STERNUM_HALF_WIDTH)
    plate = box_distance(patch.x, patch.y - middle, half_width - 4.0, 1.5) - np.float32(4.0)
    plate = np.maximum(plate, np.maximum(z - 44.0, -110.0 - z))
    _bone(patch, plate, body, 1.4)
    joint = np.maximum(plate + 0.5, np.abs(z + 1.0) - 1.8)
    patch.paint(joint, CARTILAGE_HU)


def _paint_spine(canvas: Canvas, body: Body) -> None:
    patch = canvas.patch((-60.0, -40.0, -260.0), (60.0, 140.0, 260.0))
    if patch is None:
        return
    z = patch.z
    x, y = patch.x - spine_x(body, z), patch.y - spine_y(body, z)
    size = level(z, (-200.0, -100.0, 0.0, 80.0, 95.0, 150.0), (1.28, 1.14, 1.02, 0.98, 0.86, 0.80))
    phase, to_disc = _vertebral_phase(z)
    _paint_processes(patch, body, x, y, z, size, phase)
    waist = 1.0 - 0.07 * np.sin(np.pi * phase)
    body_distance = ellipse_distance(x, y, 17.5 * size * waist, 15.0 * size * waist)
    body_distance = np.maximum(body_distance, y - 12.5 * size)
    patch.paint(body_distance, CORTEX_HU - 100.0)
    patch.paint(body_distance + np.float32(1.2), body.bone_hu + _trabeculae(patch))
    endplate = np.maximum(body_distance, to_disc - 3.3)
    patch.paint(endplate, 330.0)
    patch.paint(np.maximum(body_distance + 0.3, to_disc - 2.3), _DISC_HU)
    canal = ellipse_distance(x, y - 20.0 * size, 10.0, 8.5)
    patch.paint(canal, _CANAL_HU)
    patch.paint(canal + np.float32(2.0), 15.0)
    patch.paint(ellipse_distance(x, y - 20.0 * size, 5.0, 4.0), _CORD_HU + 8.0)


def _trabeculae(patch: Patch) -> FloatArray:
    """Uneven cancellous bone, HU around zero."""
    bent = np.sin(patch.x * 0.55 + 1.3 * np.sin(patch.y * 0.31 + patch.z * 0.2))
    return np.asarray(
        38.0 * bent * np.sin(patch.y * 0.49 - patch.z * 0.33) + 20.0 * np.sin(patch.x * 0.23 - patch.z * 0.41),
        np.float32,
    )


def _vertebral_phase(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Position within the vertebra (0 lower, 1 upper disc) and distance to the nearest disc, shape of ``z``."""
    discs = np.asarray(DISC_Z)
    flat = z.ravel()
    below = np.clip(np.searchsorted(discs, flat) - 1, 0, len(discs) - 2)
    phase = (flat - discs[below]) / (discs[below + 1] - discs[below])
    to_disc = np.abs(flat[:, None] - discs).min(axis=1)
    return phase.astype(np.float32).reshape(z.shape), to_disc.astype(np.float32).reshape(z.shape)


def _paint_processes(
    patch: Patch, body: Body, x: FloatArray, y: FloatArray, z: FloatArray, size: FloatArray, phase: FloatArray
) -> None:
    """Pedicles, laminae, spinous and transverse processes."""
    pedicle = box_distance(np.abs(x) - 11.0 * size, y - 14.0 * size, 2.2, 7.0) - np.float32(1.5)
    pedicle = np.maximum(pedicle, 12.0 * np.abs(phase - 0.68) - 3.0)
    ring = np.abs(ellipse_distance(x, y - 21.0 * size, 13.5, 11.5)) - np.float32(2.6)
    lamina = np.maximum(np.maximum(ring, 21.0 * size - y), 16.0 * np.abs(phase - 0.45) - 6.0)
    sloped = _vertebral_phase(z)[0]
    tip = np.abs(sloped - 0.25) * 18.0 - 6.5
    spinous = np.maximum(box_distance(x, y - 40.0 * size, 0.9, 8.0) - np.float32(1.5), tip)
    for distance in (pedicle, lamina, spinous):
        _bone(patch, distance, body, 1.3)
    for disc_low, disc_high in itertools.pairwise(DISC_Z):
        middle = 0.45 * disc_low + 0.55 * disc_high
        if patch.z.min() - 8.0 < middle < patch.z.max() + 8.0:
            at = np.array([middle], np.float32)
            origin = np.array([spine_x(body, at)[0], spine_y(body, at)[0], middle])
            for side in (-1.0, 1.0):
                start, end = origin + np.array([[13.0 * side, 23.0, 0.0], [33.0 * side, 31.0, 3.0]])
                _bone(patch, cone_distance(patch, start, end, 5.0, 5.5), body, 1.4)
