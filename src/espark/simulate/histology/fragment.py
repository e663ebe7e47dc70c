"""Lays a slide out: biopsy fragments of random outline, tissue shared out so that the slide's truth holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from espark.simulate.histology.cell_layers import RIM_SPACING, RIM_UM, Immune
from espark.simulate.histology.compose import (
    add_fat,
    add_glands,
    add_pearls,
    add_vessels,
    clear_around,
    immune_weights,
    level,
    nest_noise,
    scatter,
    signed_distance,
)
from espark.simulate.histology.fields import GRID_UM, smooth_noise
from espark.simulate.histology.scene import ABSENT, Look, Scene, grid_shape, random_look, texture_fields
from espark.types import BoolArray, FloatArray

_MPP = 0.5
_ALIGN = 16
_CELL_MM2 = (GRID_UM * 1e-3) ** 2
_FILLED = 0.88  # mean share of tissue in a tile that holds some


class Latents(Protocol):
    """What a slide shows; see ``slide.SlideLatents``."""

    @property
    def well_fraction(self) -> float: ...  # noqa: D102
    @property
    def lymphocytes_per_mm2(self) -> float: ...  # noqa: D102
    @property
    def neutrophils_per_mm2(self) -> float: ...  # noqa: D102
    @property
    def stroma_fraction(self) -> float: ...  # noqa: D102
    @property
    def vessels_per_mm2(self) -> float: ...  # noqa: D102
    @property
    def necrosis_fraction(self) -> float: ...  # noqa: D102


@dataclass
class Fragment:
    """One piece of tissue and where it lies on the slide.

    Attributes:
        top: row of its top-left corner, in pixels; a multiple of 16.
        left: column of its top-left corner, in pixels; a multiple of 16.
        scene: its tissue.
        immune: its immune cells.
        thickness: of its section, relative.
    """

    top: int
    left: int
    scene: Scene
    immune: Immune
    thickness: float


def lay_out(latents: Latents, rng: np.random.Generator, area_px: int) -> tuple[tuple[int, int], list[Fragment]]:
    """Fragments whose tissue covers about ``area_px``, not yet populated, and the slide's shape in pixels."""
    count = int(np.clip(round(area_px / 65536 / 38 + rng.normal(0, 0.7)), 1, 8))
    shares = rng.dirichlet(np.full(count, 12.0))
    look = random_look(rng)
    outlines = [_outline(rng, float(share) * area_px * _FILLED * _MPP**2) for share in shares]
    shape, corners = _arrange([outline.shape for outline in outlines], rng)
    scenes = [_scene(outline, look, latents, rng) for outline in outlines]
    _kill(scenes, latents.necrosis_fraction, rng)
    _differentiate(scenes, latents.well_fraction, rng)
    immune = _immune(scenes, latents, rng)
    fragments = []
    for scene, cells, (top, left) in zip(scenes, immune, corners, strict=True):
        _structures(scene, latents, rng)
        fragments.append(Fragment(top, left, scene, cells, float(np.exp(rng.normal(0, 0.05)))))
    return shape, fragments


def _outline(rng: np.random.Generator, area_um2: float) -> FloatArray:
    """Signed distance field of a biopsy: a longish blob with bays, of the given area."""
    aspect = rng.uniform(1.2, 2.6)
    b = np.sqrt(area_um2 / np.pi / aspect)
    a = b * aspect
    angle = rng.uniform(0, np.pi)
    half = np.array([np.hypot(a * np.sin(angle), b * np.cos(angle)), np.hypot(a * np.cos(angle), b * np.sin(angle))])
    half = half * 1.5 + 60.0
    shape = grid_shape(2 * half[0], 2 * half[1])
    y, x = ((np.arange(extent) * GRID_UM - middle) for extent, middle in zip(shape, half, strict=True))
    u = (np.cos(angle) * x[None, :] + np.sin(angle) * y[:, None]) / a
    v = (np.cos(angle) * y[:, None] - np.sin(angle) * x[None, :]) / b
    bays = 0.16 * smooth_noise(rng, shape, 650.0) + 0.09 * smooth_noise(rng, shape, 220.0)
    inside = 1 - np.hypot(u, v) + bays
    inside[_rim_of(shape)] = -9.0
    threshold = np.quantile(inside, 1 - min(area_um2 / (inside.size * GRID_UM**2), 0.9))
    tears = smooth_noise(rng, shape, 110.0) > rng.uniform(2.3, 3.2)
    mask = (inside > threshold) & ~tears
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return signed_distance(mask)[rows[0] - 4 : rows[-1] + 7, columns[0] - 4 : columns[-1] + 7]


def _rim_of(shape: tuple[int, int]) -> BoolArray:
    rim = np.ones(shape, bool)
    rim[8:-8, 8:-8] = False
    return rim


def _arrange(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    """Put fragments side by side on rows of glass; corners are multiples of 16 px, the slide's sides of 256 px."""
    sizes = [tuple(int((extent - 2) * GRID_UM / _MPP) for extent in shape) for shape in shapes]
    rows = 1 if len(sizes) < 3 else 2 if len(sizes) < 7 else 3
    corners: list[tuple[int, int]] = []
    top, width, margin = 96, 0, 96
    for row in range(rows):
        left, tallest = margin, 0
        for height_px, width_px in sizes[len(sizes) * row // rows : len(sizes) * (row + 1) // rows]:
            drop, gap = int(rng.integers(0, 120)), int(rng.integers(0, 120))
            corners.append(((top + drop) // _ALIGN * _ALIGN, (left + gap) // _ALIGN * _ALIGN))
            left += gap + width_px
            tallest = max(tallest, drop + height_px)
        top += tallest
        width = max(width, left)
    height, width = top + margin, max(width + margin, 2048)
    return (-(-height // 256) * 256, -(-width // 256) * 256), corners


def _scene(outline: FloatArray, look: Look, latents: Latents, rng: np.random.Generator) -> Scene:
    shape = (int(outline.shape[0]), int(outline.shape[1]))
    own = replace(
        look,
        angle=float(rng.uniform(0, np.pi)),
        loose=float(np.clip(look.loose + rng.normal(0, 0.25), -1.1, 0.8)),
        collagen=look.collagen * float(np.exp(rng.normal(0, 0.08))),
    )
    shift = (float(rng.uniform(0, 512)), float(rng.uniform(0, 512)))
    extent = ((shape[0] - 2) * GRID_UM, (shape[1] - 2) * GRID_UM)
    scene = Scene(*extent, own, {"tissue": outline, **texture_fields(rng, shape)}, shift=shift)
    _mucosa(scene, rng)
    if rng.random() < 0.2:
        scene.fields["muscle"] = level(
            smooth_noise(rng, shape, 420.0), float(rng.uniform(0.05, 0.2)), outline > 0, 420.0
        )
    size = float(rng.uniform(55.0, 130.0))
    scene.fields["nest"] = level(nest_noise(rng, shape, size), 1 - latents.stroma_fraction, _host(scene), 2.2 * size)
    for name in ("squamous", "muscle"):
        if name in scene.fields:
            scene.fields["nest"] = np.minimum(scene.fields["nest"], -scene.fields[name] - 25.0)
    _glands(scene, rng)
    _minor(scene, rng)
    return scene


def _host(scene: Scene) -> BoolArray:
    """Tumor and its stroma: tissue other than normal epithelium and muscle."""
    host = scene.fields["tissue"] > 0
    for name in ("squamous", "muscle"):
        if name in scene.fields:
            host &= scene.fields[name] < 0
    return np.asarray(host)


def _mucosa(scene: Scene, rng: np.random.Generator) -> None:
    """On some fragments, normal squamous epithelium along one side."""
    if rng.random() > 0.4:
        return
    tissue = scene.fields["tissue"]
    shape = _shape(scene)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = ((np.arange(extent) / extent - 0.5) for extent in shape)
    side = np.cos(angle) * y[:, None] + np.sin(angle) * x[None, :] + 0.05 * smooth_noise(rng, shape, 400.0)
    here = side > np.quantile(side[tissue > 0], rng.uniform(0.6, 0.85))
    thickness = rng.uniform(80, 170) + 24 * smooth_noise(rng, shape, 80.0)
    fade = np.clip(signed_distance(np.asarray(here)) / 1.5, -400.0, 0.0)
    scene.fields["depth"] = tissue
    scene.fields["thickness"] = np.asarray(np.maximum(thickness, 40.0), np.float32)
    scene.fields["squamous"] = np.asarray(
        np.minimum(scene.fields["thickness"] + fade - tissue, tissue + 2.0), np.float32
    )


def _glands(scene: Scene, rng: np.random.Generator) -> None:
    if rng.random() > 0.12:
        return
    tissue = scene.fields["tissue"]
    spot = smooth_noise(rng, _shape(scene), 350.0)
    free = np.asarray((tissue > 30) & (spot > 1.0) & (scene.fields["nest"] < 40), np.float32)
    if "squamous" in scene.fields:
        free *= scene.fields["squamous"] < -30
    before = len(scene.rings)
    add_glands(scene, scatter(free, int(rng.integers(2, 12)), 60.0, rng), rng)
    clear_around(scene, scene.rings[before:], ("nest",), 6.0)


def _minor(scene: Scene, rng: np.random.Generator) -> None:
    """Bleeding, crushed rims and fat, here and there."""
    tissue = scene.fields["tissue"]
    shape = _shape(scene)
    inside = tissue > 0
    for name, chance, most, wavelength in (
        ("blood", 0.3, 0.03, 130.0),
        ("crushed", 0.2, 0.03, 120.0),
        ("fat", 0.08, 0.05, 260.0),
    ):
        if rng.random() > chance:
            continue
        spot = level(smooth_noise(rng, shape, wavelength), float(rng.uniform(0.2, 1.0)) * most, inside, wavelength)
        for other in ("nest", "squamous"):
            if other in scene.fields:
                spot = np.minimum(spot, -scene.fields[other] - 4.0)
        scene.fields[name] = spot
    if "fat" in scene.fields:
        add_fat(scene, rng)


def _differentiate(scenes: list[Scene], well_fraction: float, rng: np.random.Generator) -> None:
    """Share the nests out so that the share of well-differentiated *cells* over the slide is right."""
    look = scenes[0].look
    drift = 0.5 * rng.normal(size=len(scenes))
    noises = [
        smooth_noise(rng, _shape(scene), 380.0) + np.float32(shift) for scene, shift in zip(scenes, drift, strict=True)
    ]
    values, well = [], []
    for scene, noise in zip(scenes, noises, strict=True):
        nest = scene.fields["nest"]
        inside = (nest > 0) & (scene.fields["tissue"] > 0)
        if "necrosis" in scene.fields:
            inside &= scene.fields["necrosis"] < 0
        values.append(noise[inside])
        well.append(np.where(nest[inside] < RIM_UM, (RIM_SPACING * look.well_spacing) ** -2.0, look.well_spacing**-2.0))
    threshold = _threshold(np.concatenate(values), np.concatenate(well), look.poor_spacing**-2.0, well_fraction)
    for scene, noise in zip(scenes, noises, strict=True):
        scene.fields["poor"] = np.asarray(np.clip((noise - threshold) * 75.0, -1e3, 1e3), np.float32)


def _threshold(values: FloatArray, well: FloatArray, poor: float, well_fraction: float) -> float:
    """Above which value of the noise tumor is poorly differentiated, given the density of cells on either side."""
    if not len(values) or well_fraction >= 1:
        return float(ABSENT * -1)
    order = np.argsort(values)
    below = np.cumsum(well[order])
    above = poor * np.arange(len(order) - 1, -1, -1)
    share = below / (below + above)
    index = int(np.searchsorted(share, well_fraction))
    return float(values[order[min(index, len(order) - 1)]]) if well_fraction > 0 else float(ABSENT)


def _shape(scene: Scene) -> tuple[int, int]:
    rows, columns = scene.fields["tissue"].shape
    return int(rows), int(columns)


def _kill(scenes: list[Scene], necrosis_fraction: float, rng: np.random.Generator) -> None:
    """Necrosis deep within the nests."""
    if necrosis_fraction <= 0:
        return
    noises, hosts = [], []
    for scene in scenes:
        shape = _shape(scene)
        depth = np.clip(scene.fields["nest"] / 30.0, -2.0, 2.0)
        noises.append(np.asarray(smooth_noise(rng, shape, 170.0) + 0.9 * depth, np.float32))
        hosts.append(_host(scene))
    values = np.concatenate([noise[host] for noise, host in zip(noises, hosts, strict=True)])
    threshold = np.quantile(values, 1 - min(necrosis_fraction, 0.95))
    for scene, noise in zip(scenes, noises, strict=True):
        dead = (noise - threshold) * 34.0
        for name in ("squamous", "muscle"):
            if name in scene.fields:
                dead = np.minimum(dead, -scene.fields[name])
        scene.fields["necrosis"] = np.asarray(dead, np.float32)


def _immune(scenes: list[Scene], latents: Latents, rng: np.random.Generator) -> list[Immune]:
    """Share the slide's immune cells out over its fragments, unevenly, their total fixed."""
    hosts = [_host(scene) for scene in scenes]
    areas = np.array([host.sum() * _CELL_MM2 for host in hosts])
    numbers = []
    for density in (latents.lymphocytes_per_mm2, latents.neutrophils_per_mm2):
        weights = areas * np.exp(rng.normal(0, 0.25, len(scenes)))
        total = int(rng.poisson(density * areas.sum() * 400) / 400 + 0.5)
        numbers.append(rng.multinomial(total, weights / weights.sum()))
    plasma = float(rng.uniform(0.02, 0.2))
    return [
        Immune(
            int(lymphocytes),
            int(neutrophils),
            *immune_weights(scene, rng, host),
            plasma,
            int(rng.poisson(0.05 * neutrophils)),
        )
        for scene, host, lymphocytes, neutrophils in zip(scenes, hosts, *numbers, strict=True)
    ]


def _structures(scene: Scene, latents: Latents, rng: np.random.Generator) -> None:
    stroma = _host(scene) & (scene.fields["nest"] < 0)
    add_pearls(scene, 30.0, rng)
    add_vessels(scene, int(rng.poisson(latents.vessels_per_mm2 * stroma.sum() * _CELL_MM2)), rng)
