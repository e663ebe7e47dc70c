"""Single tiles with their truth, for fitting and testing the encoder; many thousands are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from espark.cells import COUNTED_CELLS
from espark.simulate.histology.caption import caption
from espark.simulate.histology.cell_layers import Immune, populate
from espark.simulate.histology.compose import (
    GLAND_MAKES,
    add_fat,
    add_glands,
    add_pearls,
    add_vessels,
    clear_around,
    immune_weights,
    level,
    nest_noise,
    scatter,
)
from espark.simulate.histology.fields import GRID_UM, smooth_noise, smoothstep
from espark.simulate.histology.nuclei_kinds import KINDS
from espark.simulate.histology.paint import paint
from espark.simulate.histology.scene import Look, Scene, grid_shape, random_look, texture_fields
from espark.simulate.histology.stain_style import SlideStyle, develop, random_style
from espark.simulate.histology.tile_truth import TileTruth
from espark.types import ByteArray, FloatArray

__all__ = ["TileTruth", "caption", "simulate_tile"]

_MARGIN_UM = 24.0


@dataclass(frozen=True)
class Recipe:
    """What a tile is made of; shares of its area, counts per mm².

    ``makes`` are the makes of its glands; ``papillae`` is how far the base of the squamous epithelium waves, in µm.
    """

    weight: float
    nest: tuple[float, float] = (0.0, 0.0)
    poor: tuple[float, ...] = (0.0, 1.0)
    necrosis: tuple[float, float] = (0.0, 0.0)
    squamous: bool = False
    other: tuple[str, ...] = ()
    share: tuple[float, float] = (0.0, 0.0)
    vessels: tuple[float, float] = (0.0, 80.0)
    lymphocytes: tuple[float, float] = (20.0, 900.0)
    neutrophils: tuple[float, float] = (2.0, 350.0)
    glands: tuple[int, int] = (0, 0)
    plasma: tuple[float, float] | None = None
    """Share of plasma cells among lymphocytes; None: mostly few, now and then half."""
    makes: tuple[str, ...] = GLAND_MAKES
    papillae: float = 26.0


_RECIPES: dict[str, Recipe] = {
    "tumor": Recipe(3.0, nest=(0.75, 1.0)),
    "front": Recipe(3.0, nest=(0.25, 0.75)),
    "stroma": Recipe(2.5, vessels=(0.0, 150.0)),
    "inflamed": Recipe(1.8, nest=(-0.5, 0.5), lymphocytes=(1500.0, 14000.0)),
    "lymphoid": Recipe(0.9, nest=(-1.0, 0.2), lymphocytes=(7000.0, 32000.0), neutrophils=(5.0, 200.0)),
    "swarm": Recipe(1.6, nest=(0.0, 0.9), necrosis=(0.0, 0.2), neutrophils=(400.0, 5000.0)),
    "mixed_inflammation": Recipe(0.8, nest=(-0.3, 0.5), lymphocytes=(600.0, 5000.0), neutrophils=(300.0, 2500.0)),
    "necrotic": Recipe(1.4, nest=(0.5, 1.0), necrosis=(0.1, 0.9), neutrophils=(2.0, 1500.0)),
    "mucosa": Recipe(2.4, squamous=True, lymphocytes=(10.0, 500.0), neutrophils=(2.0, 100.0)),
    "vascular": Recipe(1.4, vessels=(150.0, 500.0)),
    "glands": Recipe(1.4, glands=(2, 7), lymphocytes=(100.0, 6000.0)),
    "lamina_propria": Recipe(0.6, glands=(1, 5), lymphocytes=(1500.0, 10000.0), plasma=(0.2, 1.0)),
    "plasmacytic": Recipe(
        1.0, nest=(-1.0, 0.4), lymphocytes=(2000.0, 14000.0), neutrophils=(2.0, 150.0), plasma=(0.5, 1.0)
    ),
    "muscle": Recipe(0.7, other=("muscle",), share=(0.6, 1.0), lymphocytes=(5.0, 100.0), neutrophils=(1.0, 50.0)),
    "fat": Recipe(0.4, other=("fat",), share=(0.3, 1.0), lymphocytes=(5.0, 300.0), neutrophils=(1.0, 50.0)),
    "bleeding": Recipe(0.7, nest=(0.0, 0.4), other=("blood",), share=(0.2, 0.9)),
    "crushed": Recipe(0.5, nest=(0.0, 0.4), other=("crushed",), share=(0.2, 0.8)),
}


def simulate_tile(
    rng: np.random.Generator, *, size: int = 256, mpp: float = 0.5, style: SlideStyle | None = None
) -> tuple[ByteArray, TileTruth]:
    """Draw a tile of tissue and say what is in it.

    Args:
        rng: source of everything that varies.
        size: side, in pixels.
        mpp: micrometres per pixel, 0.2 to 1.2.
        style: stain and scanner; a random one of a wide range when None.

    Returns:
        (size, size, 3) picture and its truth.

    Raises:
        ValueError: when ``mpp`` is out of range.

    Example:
        >>> picture, truth = simulate_tile(np.random.default_rng(0))
        >>> picture.shape
        (256, 256, 3)
    """
    if not 0.2 <= mpp <= 1.2:
        raise ValueError(f"mpp must lie in 0.2..1.2, not {mpp}")
    if style is None:
        style = random_style(rng)
    scene = random_scene(rng, size * mpp + 2 * _MARGIN_UM)
    rim = 4
    origin = (_MARGIN_UM - rim * mpp, _MARGIN_UM - rim * mpp)
    densities, tissue = paint(scene, origin, (size + 2 * rim, size + 2 * rim), mpp)
    thickness = 1 + style.thickness_variation * rng.normal()
    densities *= np.float32(max(thickness, 0.6))
    noise_origin = (int(rng.integers(1024)), int(rng.integers(1024)))
    inner = np.s_[rim : rim + size, rim : rim + size]
    picture = np.ascontiguousarray(develop(densities, style, mpp, noise_origin)[inner])
    return picture, _truth(scene, float(tissue[inner].mean()), size, mpp)


def random_scene(rng: np.random.Generator, extent_um: float) -> Scene:
    """A square piece of tissue of a random kind, its cells placed."""
    names = list(_RECIPES)
    weights = np.array([_RECIPES[name].weight for name in names])
    recipe = _RECIPES[names[int(rng.choice(len(names), p=weights / weights.sum()))]]
    return compose_scene(rng, extent_um, recipe, random_look(rng))


def compose_scene(rng: np.random.Generator, extent_um: float, recipe: Recipe, look: Look) -> Scene:
    """A square piece of tissue by a recipe, its cells placed."""
    shape = grid_shape(extent_um, extent_um)
    shift = (float(rng.uniform(0, 512)), float(rng.uniform(0, 512)))
    scene = Scene(extent_um, extent_um, look, texture_fields(rng, shape), shift=shift)
    everywhere = np.ones(shape, bool)
    scene.fields["tissue"] = _tissue(rng, shape)
    _add_classes(scene, recipe, rng)
    area = (extent_um * 1e-3) ** 2
    if recipe.glands[1]:
        free = np.asarray(scene.fields["tissue"] > 10, np.float32)
        add_glands(scene, scatter(free, int(rng.integers(*recipe.glands)), float(rng.uniform(44, 75)), rng), rng,
                   recipe.makes)  # fmt: skip
        clear_around(scene, scene.rings, ("nest", "poor"), 4.0)
    add_pearls(scene, float(rng.choice([0.0, 40.0, 120.0])), rng)
    add_vessels(scene, int(rng.poisson(rng.uniform(*recipe.vessels) * area)), rng)
    lymphocyte_weight, neutrophil_weight = immune_weights(scene, rng, everywhere)
    if "muscle" in scene.fields:
        lymphocyte_weight *= 1 - 0.8 * smoothstep(scene.fields["muscle"], 0, 5)
    numbers = [_log_uniform(rng, *recipe.lymphocytes) * area, _log_uniform(rng, *recipe.neutrophils) * area]
    plasma = float(rng.uniform(*recipe.plasma) if recipe.plasma else rng.choice([0.0, 0.1, 0.5], p=[0.4, 0.45, 0.15]))
    lymphocytes, neutrophils = (int(rng.poisson(number)) for number in numbers)
    eosinophils = int(rng.poisson(float(rng.choice([0.0, 0.0, 0.2])) * (neutrophils + 2)))
    immune = Immune(lymphocytes, neutrophils, lymphocyte_weight, neutrophil_weight, plasma, eosinophils)
    populate(scene, immune, rng)
    return scene


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _tissue(rng: np.random.Generator, shape: tuple[int, int]) -> FloatArray:
    """Mostly tissue all over; now and then the edge of a fragment or a tear."""
    draw = rng.random()
    if draw < 0.72:
        return np.full(shape, 1e3, np.float32)
    if draw < 0.90:
        return _half_plane(rng, shape, float(rng.uniform(-0.25, 0.6))) + np.float32(10) * smooth_noise(rng, shape, 70.0)
    return level(smooth_noise(rng, shape, 90.0), float(rng.uniform(0.7, 0.97)), np.ones(shape, bool), 90.0)


def _half_plane(rng: np.random.Generator, shape: tuple[int, int], shift: float) -> FloatArray:
    """Signed distance from a straight line; ``shift`` moves it off the middle, in half sides."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = ((np.arange(extent) - (extent - 1) / 2) * GRID_UM for extent in shape)
    return np.asarray(np.cos(angle) * y[:, None] + np.sin(angle) * x[None, :] + shift * y[-1], np.float32)


def _add_classes(scene: Scene, recipe: Recipe, rng: np.random.Generator) -> None:
    shape = scene.fields["tissue"].shape
    everywhere = np.ones(shape, bool)
    share = float(rng.uniform(*recipe.nest))
    if share > 0:
        size = float(rng.uniform(40.0, 110.0))
        scene.fields["nest"] = level(nest_noise(rng, shape, size), share, everywhere, 2.2 * size)
        mixed = rng.random() < 0.2
        poor = float(rng.uniform(0.2, 0.8)) if mixed else float(rng.random() < 0.5)
        scene.fields["poor"] = level(smooth_noise(rng, shape, 150.0), poor, everywhere, 150.0)
    dead = float(rng.uniform(*recipe.necrosis))
    if dead > 0.02:
        scene.fields["necrosis"] = level(smooth_noise(rng, shape, 120.0), dead, everywhere, 120.0)
    if recipe.squamous:
        _add_mucosa(scene, recipe.papillae, rng)
    for name in recipe.other:
        spot = level(smooth_noise(rng, shape, 150.0), float(rng.uniform(*recipe.share)), everywhere, 150.0)
        scene.fields[name] = np.minimum(spot, -scene.fields["nest"] - 3.0) if "nest" in scene.fields else spot
    if "fat" in scene.fields:
        add_fat(scene, rng)


def _add_mucosa(scene: Scene, papillae: float, rng: np.random.Generator) -> None:
    shape = scene.fields["tissue"].shape
    surface = float(rng.uniform(-0.2, 1.6))
    depth = _half_plane(rng, shape, surface) + np.float32(5) * smooth_noise(rng, shape, 90.0)
    thickness = np.float32(rng.uniform(90.0, 230.0)) + np.float32(papillae) * smooth_noise(rng, shape, 75.0)
    scene.fields["depth"], scene.fields["thickness"] = depth, np.maximum(thickness, 40.0).astype(np.float32)
    scene.fields["squamous"] = scene.fields["thickness"] - depth
    scene.fields["tissue"] = np.minimum(scene.fields["tissue"], depth)


def _truth(scene: Scene, tissue_fraction: float, size: int, mpp: float) -> TileTruth:
    cells = scene.cells
    assert cells is not None
    low, high = _MARGIN_UM, _MARGIN_UM + size * mpp
    inside = (cells.y >= low) & (cells.x >= low) & (cells.y < high) & (cells.x < high)
    number = np.bincount(cells.kind[inside], minlength=len(KINDS))
    by_name = {kind.name: int(number[index]) for index, kind in enumerate(KINDS)}
    counts = {key: sum(by_name[k.name] for k in KINDS if k.cell == key) for key in COUNTED_CELLS}
    return TileTruth(
        counts=counts,
        n_red_cells=by_name["red"],
        n_mitoses=by_name["mitosis"],
        n_gland_cells=by_name["gland"],
        n_plasma_cells=by_name["plasma"],
        tissue_fraction=tissue_fraction,
        descriptors=_descriptors(scene, size, mpp),
        mpp=mpp,
        size=size,
    )


def _descriptors(scene: Scene, size: int, mpp: float) -> dict[str, float]:
    """Area shares over the tile, on the coarse grid."""
    first, last = round(_MARGIN_UM / GRID_UM), round((_MARGIN_UM + size * mpp) / GRID_UM)
    window = np.s_[first:last, first:last]

    def inside(name: str) -> np.ndarray:
        if name not in scene.fields:
            return np.zeros((last - first, last - first), bool)
        return np.asarray(scene.fields[name][window] > 0)

    y = ((np.arange(first, last)) * GRID_UM).astype(np.float32)
    rings = {kind: np.zeros((last - first, last - first), bool) for kind in ("pearl", "gland", "vessel", "fat")}
    for ring in scene.rings:
        rings[ring.kind] |= ring.distance(y[:, None], y[None, :])[0] < ring.wall
    tissue = inside("tissue")
    fat, muscle, necrosis = inside("fat") & tissue, inside("muscle") & tissue, inside("necrosis") & tissue
    squamous = inside("squamous") & tissue
    tumor = inside("nest") & tissue & ~squamous & ~necrosis & ~rings["gland"] & ~rings["vessel"]
    stroma = tissue & ~tumor & ~squamous & ~fat & ~muscle & ~necrosis & ~rings["gland"] & ~rings["vessel"]
    poor = tumor & inside("poor")
    shares = {
        "stroma": stroma, "tumor": tumor, "well": tumor & ~poor, "poor": poor, "squamous": squamous,
        "necrosis": necrosis, "muscle": muscle, "fat": fat, "blood": inside("blood") & tissue,
        "crushed": inside("crushed") & tissue, "keratin": rings["pearl"] & tissue, "gland": rings["gland"] & tissue,
        "vessel": rings["vessel"] & tissue,
    }  # fmt: skip
    return {name: float(mask.mean()) for name, mask in shares.items()}
