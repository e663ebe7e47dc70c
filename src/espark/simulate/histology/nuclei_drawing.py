"""Draws nuclei: outline, chromatin, membrane, nucleoli, and what else the kinds call for."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.simulate.histology.nuclei_kinds import Kind
from espark.types import FloatArray

ANGLES = 16
"""Orientations of every shape, over half a turn."""

SHAPES = 10
"""Shapes of every kind at each orientation."""

MASTER_UM = 0.25
"""Micrometres per pixel of the drawings."""


def draw_variants(kind: Kind, rng: np.random.Generator, shapes: int = SHAPES) -> tuple[FloatArray, ...]:
    """All variants of a kind, variant ``angle + ANGLES * shape`` lying at ``angle / ANGLES`` of half a turn.

    Args:
        kind: how they look.
        rng: source of everything that varies.
        shapes: number of shapes at each orientation.

    Returns:
        Hematoxylin added, eosin (or hemoglobin) added, and share of the ground that stays: (variants, side, side) each.
    """
    count = ANGLES * shapes
    reach = kind.length / 2 * (1 + 2.2 * kind.spread) + kind.cytoplasm * 1.7 + kind.halo + 1.0
    side = 2 * int(np.ceil(reach / MASTER_UM))
    axis = ((np.arange(side) + 0.5 - side / 2) * MASTER_UM).astype(np.float32)
    angle = (np.arange(count) % ANGLES) * np.pi / ANGLES
    cos, sin = (part(angle).astype(np.float32)[:, None, None] for part in (np.cos, np.sin))
    along = cos * axis[None, None, :] + sin * axis[None, :, None]
    across = -sin * axis[None, None, :] + cos * axis[None, :, None]
    drawing = {"lobed": _lobed, "dust": _dust, "red": _red, "goblet": _goblet, "mitosis": _mitosis}.get(
        kind.form, _oval
    )
    return drawing(kind, along, across, rng)


def _sizes(kind: Kind, count: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    common = np.exp(np.clip(rng.normal(0, kind.spread, count), -2.0 * kind.spread, 2.0 * kind.spread))
    shape = np.exp(np.clip(rng.normal(0, kind.spread * 0.6, count), -kind.spread, kind.spread))
    half_length = kind.length / 2 * common * np.sqrt(shape)
    half_width = kind.width / 2 * common / np.sqrt(shape)
    return half_length.astype(np.float32)[:, None, None], half_width.astype(np.float32)[:, None, None]


def _chromatin(kind: Kind, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    fields = []
    for size in (kind.grain, kind.grain * 2.2):
        sigma = size * 0.5 / MASTER_UM
        field = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), (0, sigma, sigma), truncate=2.5)
        fields.append(field / field.std())
    return np.asarray(0.8 * fields[0] + 0.6 * fields[1], np.float32)


def _outline(kind: Kind, along: FloatArray, across: FloatArray, a: FloatArray, b: FloatArray,
             rng: np.random.Generator) -> FloatArray:  # fmt: skip
    """Distance to the outline in micrometres, positive inside (nearly; exact for a disc)."""
    count = len(along)
    side = rng.choice([-1.0, 1.0], (count, 1, 1))
    bend = (rng.normal(0, kind.bend, (count, 1, 1)) + kind.bend * side).astype(np.float32)
    across = np.asarray(across + bend * (along**2 / a - a / 2), np.float32)
    ratio = (np.abs(along / a) ** kind.pointed + np.abs(across / b) ** kind.pointed) ** (1.0 / kind.pointed)
    theta = np.arctan2(across / b, along / a)
    wave = np.zeros_like(theta)
    for order, weight in ((2, 0.7), (3, 1.0), (4, 0.7), (5, 0.5), (7, 0.3)):
        size, phase = rng.normal(0, weight * kind.irregular, count), rng.uniform(0, 2 * np.pi, count)
        wave += size.astype(np.float32)[:, None, None] * np.cos(order * theta + phase.astype(np.float32)[:, None, None])
    return np.asarray((1 + wave - ratio) * np.sqrt(b * np.minimum(a, 2 * b)), np.float32)


def _inside(distance: FloatArray, softness: float = 0.22) -> FloatArray:
    return np.asarray(1.0 / (1.0 + np.exp(np.clip(-distance / softness, -30, 30))), np.float32)


def _spots(kind: Kind, along: FloatArray, across: FloatArray, a: FloatArray, b: FloatArray,
           rng: np.random.Generator) -> FloatArray:  # fmt: skip
    """Nucleoli: a few round dark bodies somewhere within."""
    spots = np.zeros_like(along)
    number = rng.poisson(kind.nucleolus, len(along))
    for index in range(3):
        u, v = (rng.uniform(-0.5, 0.5, (len(along), 1, 1)).astype(np.float32) * half for half in (a, b))
        radius = (np.sqrt(b) * rng.uniform(0.28, 0.48, (len(along), 1, 1))).astype(np.float32)
        spot = _inside(radius - np.hypot(along - u, across - v), 0.18)
        spots = np.maximum(spots, spot * (number > index)[:, None, None])
    return spots


def _oval(kind: Kind, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    count = len(along)
    a, b = _sizes(kind, count, rng)
    distance = _outline(kind, along, across, a, b, rng)
    inside = _inside(distance)
    chromatin = _chromatin(kind, along.shape, rng)
    strength = np.exp(rng.normal(0, 0.14, (count, 1, 1))).astype(np.float32)
    density = 1 + kind.texture * chromatin * 1.1
    rim = np.exp(-(((distance - 0.35) / 0.42) ** 2))
    # Membrane and clumps vary: some nuclei look vesicular, others smudged.
    vesicular = rng.uniform(0.5, 1.5, (count, 1, 1)).astype(np.float32)
    hematoxylin = kind.density * density * (1 - 0.12 * vesicular) + kind.membrane * vesicular * rim * (
        1 + 0.5 * chromatin
    )
    eosin = np.full_like(hematoxylin, kind.eosin) * (1 + 0.15 * chromatin)
    if kind.nucleolus > 0:
        spots = _spots(kind, along, across, a, b, rng)
        hematoxylin = hematoxylin + 0.34 * spots
        eosin = eosin + 0.08 * spots
    hematoxylin = np.clip(hematoxylin, 0.04, 1.4) * inside * strength
    eosin = eosin * inside
    keep = 1 - inside * 0.92
    if kind.halo > 0:
        width = kind.halo * rng.uniform(0.1, 1.6, (count, 1, 1)).astype(np.float32)
        keep = np.minimum(keep, 1 - 0.85 * _inside(distance + width, 0.3))
    if kind.cytoplasm > 0:
        shift = np.float32(1.0 if kind.form == "eccentric" else 0.25)
        moved = np.hypot((along - shift * b * 0.55) / (a + kind.cytoplasm), across / (b + kind.cytoplasm * 0.85))
        body = _inside((1 - moved) * (b + kind.cytoplasm), 0.3)
        outside = body * (1 - inside)
        h_stain, e_stain = kind.cytoplasm_stain
        grain = 1 + 0.25 * chromatin
        hematoxylin += h_stain * outside * grain
        eosin += e_stain * outside * grain
        keep = np.minimum(keep, 1 - kind.cover * body)
    return tuple(np.asarray(part, np.float32) for part in (hematoxylin, eosin, keep))


def _lobed(kind: Kind, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """Granulocyte: dark lobes on an arc (three or four in neutrophils, two in eosinophils) in granular cytoplasm."""
    count = len(along)
    a, b = _sizes(kind, count, rng)
    body = _inside(_outline(kind, along, across, a, b, rng), 0.3)
    lobes = np.full_like(along, -9.0)
    number = rng.choice([2, 2, 2, 3] if kind.cell is None else [2, 3, 3, 3, 4, 4, 5], count)
    ring = a * rng.uniform(0.36, 0.52, (count, 1, 1)).astype(np.float32)
    span = rng.uniform(3.2, 5.2, count)
    start = rng.uniform(0, 2 * np.pi, count)
    for index in range(5):
        theta = start + span * index / np.maximum(number - 1, 1) + rng.normal(0, 0.12, count)
        reach = ring * rng.uniform(0.75, 1.2, (count, 1, 1)).astype(np.float32)
        u, v = (reach * part(theta).astype(np.float32)[:, None, None] for part in (np.cos, np.sin))
        radius = a * rng.uniform(0.24, 0.36, (count, 1, 1)).astype(np.float32)
        lobe = radius - np.hypot(along - u, across - v)
        lobes = np.where((number > index)[:, None, None], np.maximum(lobes, lobe), lobes)
    nucleus = _inside(lobes, 0.2)
    chromatin = _chromatin(kind, along.shape, rng)
    strength = np.exp(rng.normal(0, 0.08, (count, 1, 1))).astype(np.float32)
    grain = 1 + 0.30 * chromatin
    h_stain, e_stain = kind.cytoplasm_stain
    hematoxylin = (kind.density * (1 + kind.texture * chromatin) * nucleus + h_stain * body) * strength
    pink = e_stain * rng.uniform(0.7, 1.5, (count, 1, 1)).astype(np.float32)
    eosin = pink * body * (1 - nucleus) * grain + kind.eosin * nucleus
    keep = 1 - np.maximum(kind.cover * body, 0.95 * nucleus)
    return tuple(np.asarray(part, np.float32) for part in (hematoxylin, eosin, keep))


def _mitosis(kind: Kind, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """Metaphase plates and anaphases: dark ragged bars in a cleared cell, no membrane."""
    count = len(along)
    a, b = _sizes(kind, count, rng)
    two = rng.random((count, 1, 1)) < 0.35
    gap = rng.uniform(1.6, 2.6, (count, 1, 1)).astype(np.float32)
    ragged = _chromatin(kind, along.shape, rng) * 0.3
    first = (1 - np.hypot(along / a, (across - np.where(two, gap, 0)) / b)) * b + ragged
    second = (1 - np.hypot(along / a, (across + gap) / b)) * b + ragged
    plates = _inside(np.where(two, np.maximum(first, second), first), 0.2)
    cleared = _inside(a * 1.15 - np.hypot(along, across), 0.7)
    hematoxylin = kind.density * plates
    eosin = 0.05 * cleared * (1 - plates) + kind.eosin * plates
    keep = 1 - np.maximum(0.6 * cleared, 0.95 * plates)
    return tuple(np.asarray(part, np.float32) for part in (hematoxylin, eosin, keep))


def _dust(kind: Kind, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """Karyorrhexis: fragments of a broken nucleus; now and then one round pyknotic ball."""
    count = len(along)
    number = rng.integers(1, 7, count)
    best = np.full_like(along, -9.0)
    for index in range(6):
        reach = rng.uniform(0, 2.3, (count, 1, 1)) * (number > 1)[:, None, None]
        theta = rng.uniform(0, 2 * np.pi, (count, 1, 1))
        radius = np.where(number == 1, rng.uniform(1.2, 2.0, count), rng.uniform(0.25, 0.95, count))[:, None, None]
        dot = radius - np.hypot(along - reach * np.cos(theta), across - reach * np.sin(theta))
        best = np.where((number > index)[:, None, None], np.maximum(best, dot), best)
    dots = _inside(np.asarray(best, np.float32), 0.2)
    strength = rng.uniform(0.55, 1.2, (count, 1, 1))
    return tuple(
        np.asarray(part, np.float32) for part in (kind.density * strength * dots, kind.eosin * dots, 1 - 0.9 * dots)
    )


def _red(kind: Kind, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """Red cell: a disc, often with a paler centre, deformed by its neighbours."""
    count = len(along)
    a, b = _sizes(kind, count, rng)
    b = b * rng.uniform(0.65, 1.0, (count, 1, 1)).astype(np.float32)
    distance = (1 - np.hypot(along / a, across / b)) * b
    disc = _inside(distance, 0.25)
    pale = rng.uniform(0, 0.45, (count, 1, 1)).astype(np.float32) * np.exp(
        -((np.hypot(along, across) / (0.5 * b)) ** 2)
    )
    strength = np.exp(rng.normal(0, 0.15, (count, 1, 1))).astype(np.float32)
    rim = 1 + 0.25 * np.exp(-(((distance - 0.4) / 0.4) ** 2))
    red = kind.density * strength * disc * rim * (1 - pale)
    return tuple(np.asarray(part, np.float32) for part in (np.zeros_like(red), red, 1 - 0.95 * disc))


def _goblet(kind: Kind, along: FloatArray, across: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, ...]:
    """Goblet cell's mucin: a pale bluish drop."""
    a, b = _sizes(kind, len(along), rng)
    drop = _inside(_outline(kind, along, across, a, b, rng), 0.4)
    strength = rng.uniform(0.4, 1.8, (len(along), 1, 1)).astype(np.float32)
    veil = np.clip(kind.density * strength + kind.texture * _chromatin(kind, along.shape, rng), 0, None)
    return tuple(np.asarray(part, np.float32) for part in (veil * drop, 0.01 * drop, 1 - kind.cover * drop))
