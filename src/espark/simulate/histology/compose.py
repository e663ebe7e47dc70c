"""Composes the tissue classes of a scene: nests in stroma, epithelium at a surface, vessels, glands, pearls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from espark.simulate.histology.fields import GRID_UM, at_points, smooth_noise, smoothstep
from espark.simulate.histology.place import lattice
from espark.simulate.histology.scene import ABSENT, Ring, Scene, random_ring
from espark.types import BoolArray, FloatArray


def signed_distance(mask: BoolArray) -> FloatArray:
    """Distance to the border of a mask on the coarse grid, in micrometres, positive inside."""
    if not mask.any():
        return np.full(mask.shape, ABSENT, np.float32)
    if mask.all():
        return np.full(mask.shape, -ABSENT, np.float32)
    inside = ndimage.distance_transform_edt(mask)
    outside = ndimage.distance_transform_edt(~mask)
    return np.asarray((inside - outside) * GRID_UM, np.float32)


def level(noise: FloatArray, share: float, within: BoolArray, wavelength_um: float) -> FloatArray:
    """Class field that is positive on ``share`` of ``within``: the highest parts of a noise.

    Args:
        noise: unit noise.
        share: 0..1.
        within: where the share is counted; outside, the field continues.
        wavelength_um: of the noise; turns its height into a distance.
    """
    if share <= 0 or not within.any():
        return np.full(noise.shape, ABSENT, np.float32)
    if share >= 1:
        return np.full(noise.shape, -ABSENT, np.float32)
    threshold = np.quantile(noise[within], 1 - share)
    return np.asarray((noise - threshold) * (wavelength_um / 5.0), np.float32)


def nest_noise(rng: np.random.Generator, shape: tuple[int, int], size_um: float) -> FloatArray:
    """Noise whose high parts are nests of about ``size_um`` with scalloped borders."""
    return np.asarray(
        smooth_noise(rng, shape, 2.2 * size_um) + 0.45 * smooth_noise(rng, shape, 0.9 * size_um)
        + 0.18 * smooth_noise(rng, shape, 0.4 * size_um),
        np.float32,
    )  # fmt: skip


def immune_weights(scene: Scene, rng: np.random.Generator, host: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Relative densities of lymphocytes and neutrophils.

    Lymphocytes crowd in the stroma, in aggregates and along the tumor's edge; neutrophils lie in and around tumor and
    necrosis, in swarms.
    """
    shape = scene.fields["tissue"].shape
    nest = scene.fields.get("nest", np.full(shape, ABSENT, np.float32))
    necrosis = scene.fields.get("necrosis", np.full(shape, ABSENT, np.float32))
    edge = np.exp(-((np.minimum(nest, 0.0) / 45.0) ** 2))
    stroma = 1 - smoothstep(nest, -3.0, 6.0)
    crowd = np.exp(1.15 * smooth_noise(rng, shape, 260.0) + 0.75 * smooth_noise(rng, shape, 90.0))
    lymphocytes = crowd * (0.06 + stroma * (0.6 + 1.2 * edge)) * (1 - 0.95 * smoothstep(necrosis, -4.0, 4.0))
    swarm = np.exp(1.0 * smooth_noise(rng, shape, 220.0) + 0.7 * smooth_noise(rng, shape, 80.0))
    dead = np.exp(-((np.minimum(necrosis, 0.0) / 50.0) ** 2))
    neutrophils = swarm * (0.5 + 0.6 * edge * stroma + 3.0 * dead + 0.4 * smoothstep(nest, 0.0, 10.0))
    return (np.asarray(lymphocytes * host, np.float32), np.asarray(neutrophils * host, np.float32))


def scatter(weight: FloatArray, count: int, gap_um: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Up to ``count`` places (y, x) in micrometres, drawn in proportion to ``weight``, at least ``gap_um`` apart."""
    flat = weight.ravel().astype(np.float64)
    if count <= 0 or flat.sum() <= 0:
        return []
    tries = rng.choice(flat.size, size=min(8 * count, int((flat > 0).sum())), replace=False, p=flat / flat.sum())
    places: list[tuple[float, float]] = []
    for index in tries:
        row, column = divmod(int(index), weight.shape[1])
        y, x = (row + rng.uniform(-0.5, 0.5)) * GRID_UM, (column + rng.uniform(-0.5, 0.5)) * GRID_UM
        if all((y - py) ** 2 + (x - px) ** 2 > gap_um**2 for py, px in places):
            places.append((y, x))
            if len(places) == count:
                break
    return places


def add_vessels(scene: Scene, count: int, rng: np.random.Generator) -> None:
    """Capillaries to venules in the stroma; some packed with red cells."""
    free = np.asarray(scene.fields["tissue"] > 18.0, np.float32)
    for name, margin in (("nest", -7.0), ("squamous", -8.0), ("necrosis", -4.0), ("fat", 0.0), ("crushed", -8.0)):
        if name in scene.fields:
            free *= scene.fields[name] < margin
    for ring in scene.rings:
        free *= _away(scene, ring) > 8.0
    for y, x in scatter(free, count, 26.0, rng):
        room = min(_room(scene, name, y, x) for name in ("nest", "squamous", "necrosis"))
        size = float(np.clip(np.exp(rng.normal(np.log(10.0), 0.55)), 4.5, max(room * 0.8, 5.0)))
        filled = float(rng.choice([0.0, rng.uniform(0.1, 0.6), 0.95], p=[0.35, 0.3, 0.35]))
        scene.rings.append(random_ring(rng, "vessel", y, x, min(size, 45.0), wall=1.3 + 0.09 * size, filled=filled))


def _away(scene: Scene, ring: Ring) -> FloatArray:
    """Distance from a ring on the coarse grid, in micrometres."""
    rows, columns = scene.fields["tissue"].shape
    y, x = (np.arange(rows) * GRID_UM - ring.y)[:, None], (np.arange(columns) * GRID_UM - ring.x)[None, :]
    return np.asarray(np.hypot(y, x) - ring.reach, np.float32)


def _room(scene: Scene, name: str, y: float, x: float) -> float:
    if name not in scene.fields:
        return 60.0
    return float(-at_points(scene.fields[name], np.array([y]), np.array([x]))[0])


def add_pearls(scene: Scene, per_mm2: float, rng: np.random.Generator) -> None:
    """Keratin pearls within well-differentiated nests."""
    if not scene.has("nest"):
        return
    nest = scene.fields["nest"]
    well = (nest > 6.0) & (scene.fields.get("poor", np.full(nest.shape, ABSENT)) < -5.0)
    for name in ("necrosis", "squamous"):
        if name in scene.fields:
            well &= scene.fields[name] < -8.0
    well &= scene.fields["tissue"] > 25.0
    count = int(rng.poisson(per_mm2 * well.sum() * (GRID_UM * 1e-3) ** 2))
    weight = np.asarray(well * np.maximum(nest, 0.0) ** 1.5, np.float32)
    depth = signed_distance(well)
    for y, x in scatter(weight, count, 45.0, rng):
        room = float(at_points(depth, np.array([y]), np.array([x]))[0])
        size = float(np.clip(rng.uniform(12.0, 55.0), 10.0, max(1.2 * room, 11.0)))
        scene.rings.append(random_ring(rng, "pearl", y, x, size, wall=0.0))


GLAND_MAKES = ("plain", "goblet", "tall", "mucous")


def add_glands(
    scene: Scene,
    places: list[tuple[float, float]],
    rng: np.random.Generator,
    makes: tuple[str, ...] = GLAND_MAKES,
) -> None:
    """Crypts of columnar epithelium, all of one make: plain, with goblet cells, tall and crowded, or mucous."""
    make = str(rng.choice(makes))
    for y, x in places:
        size = float(np.exp(rng.uniform(np.log(4.0), np.log(24.0))))
        wall, goblet = float(rng.uniform(12.0, 20.0)), 0.0
        if make == "goblet":
            goblet = float(rng.uniform(0.2, 0.8))
        elif make == "tall":
            wall, size = float(rng.uniform(20.0, 36.0)), size * float(rng.choice([1.0, 2.5]))
        elif make == "mucous":
            wall, size, goblet = float(rng.uniform(22.0, 30.0)), min(size, 9.0), 1.0
        scene.rings.append(random_ring(rng, "gland", y, x, size, wall=wall, filled=goblet))


def add_fat(scene: Scene, rng: np.random.Generator) -> None:
    """Fat cells, round and empty, side by side where the class ``fat`` lies."""
    spacing = float(rng.uniform(34.0, 62.0))
    y, x = lattice(scene.height_um, scene.width_um, spacing, 0.10, rng)
    here = at_points(scene.fields["fat"], y, x) > 0
    for row, column in zip(y[here].tolist(), x[here].tolist(), strict=True):
        ring = random_ring(rng, "fat", row, column, spacing * float(rng.uniform(0.42, 0.54)), wall=0.7)
        scene.rings.append(replace(ring, b=ring.a * float(rng.uniform(0.8, 1.0))))


def clear_around(scene: Scene, rings: list[Ring], names: tuple[str, ...], margin_um: float) -> None:
    """Take classes away around rings, so that a gland lies in stroma."""
    for ring in rings:
        away = _away(scene, ring) - margin_um
        for name in names:
            if name in scene.fields:
                scene.fields[name] = np.minimum(scene.fields[name], away)
