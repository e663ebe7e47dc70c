"""Tissue beyond that of the virtual trial, for fitting the encoder: what real blocks of the gut wall show.

Dense lymphoid tissue with nuclei that touch and overlap, glandular and spindle-shaped tumors, benign glands,
papillae, granulation tissue, muscle, nerve, and tissue without any nucleus. The scenes of the virtual trial are
composed elsewhere and do not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from espark.pretrain.varied_nuclei import VariedNuclei
from espark.simulate.histology.nuclei_kinds import KIND_INDEX, KINDS, RED, Kind
from espark.simulate.histology.paint import paint
from espark.simulate.histology.place import field_at
from espark.simulate.histology.scene import ABSENT, Look, Scene, random_look
from espark.simulate.histology.tile import Recipe, compose_scene
from espark.types import FloatArray

_NERVE_LOOK = {
    "fibroblast": replace(KINDS[KIND_INDEX["fibroblast"]], length=8.6, width=1.9, density=0.46, bend=0.22),
    "muscle": replace(KINDS[KIND_INDEX["muscle"]], length=8.6, width=1.9, density=0.46, bend=0.22),
}
_BLASTS_LOOK = {
    "lymphocyte": replace(KINDS[KIND_INDEX["lymphocyte"]], length=5.6, width=5.1, density=0.52, membrane=0.22,
                          nucleolus=0.8, spread=0.16),
}  # fmt: skip


def _glandular(kind: Kind) -> Kind:
    """The long crowded nuclei of a glandular tumor."""
    return replace(kind, length=9.2, width=4.4, density=0.50, texture=0.24, spread=0.16)


def _spindle(kind: Kind) -> Kind:
    """The nuclei of a tumor that has turned into spindle cells."""
    return replace(kind, length=12.0, width=4.0, pointed=1.8, bend=0.06)


@dataclass(frozen=True)
class Block:
    """One sort of tissue.

    Attributes:
        weight: how often it is drawn, relative to the others.
        recipe: how the scene is composed.
        looks: kinds that look different from the usual.
        malignant_glands: whether the glands are a tumor's.
        spindles: whether tumor cells are spindles.
        bare: share of pieces that lose their nuclei.
        bled: whether blood has displaced all other cells.
        look: ranges of the ground that differ from the usual.
    """

    weight: float
    recipe: Recipe
    looks: dict[str, Kind] = field(default_factory=dict)
    malignant_glands: bool = False
    spindles: bool = False
    bare: float = 0.0
    bled: bool = False
    look: dict[str, tuple[float, float]] = field(default_factory=dict)


_FEW = Recipe(0.0, lymphocytes=(5.0, 150.0), neutrophils=(1.0, 30.0))
BLOCKS: dict[str, Block] = {
    "infiltrate": Block(2.0, Recipe(0.0, lymphocytes=(2500.0, 14000.0), neutrophils=(2.0, 300.0))),
    "follicle": Block(1.6, Recipe(0.0, lymphocytes=(14000.0, 42000.0), neutrophils=(1.0, 60.0))),
    "germinal_center": Block(0.8, Recipe(0.0, lymphocytes=(12000.0, 30000.0), neutrophils=(1.0, 60.0)), _BLASTS_LOOK),
    "plasma": Block(1.0, Recipe(0.0, lymphocytes=(3000.0, 14000.0), neutrophils=(2.0, 200.0), plasma=(0.5, 1.0))),
    "swarm": Block(0.9, Recipe(0.0, nest=(-0.5, 0.5), neutrophils=(1500.0, 9000.0))),
    "granulation": Block(
        0.9, Recipe(0.0, vessels=(250.0, 700.0), lymphocytes=(500.0, 5000.0), neutrophils=(300.0, 3000.0)),
        look={"plump": (0.7, 1.0), "loose": (0.2, 0.9), "stroma_spacing": (9.0, 14.0)},
    ),
    "stroma": Block(1.2, replace(_FEW, vessels=(0.0, 150.0))),
    "cellular_stroma": Block(1.0, Recipe(0.0, lymphocytes=(50.0, 1500.0)), look={"stroma_spacing": (8.0, 12.0)}),
    "bare": Block(1.2, replace(_FEW, vessels=(0.0, 60.0)), bare=0.8),
    "necrosis": Block(0.7, Recipe(0.0, nest=(0.5, 1.0), necrosis=(0.5, 1.0), neutrophils=(2.0, 1500.0)), bare=0.3),
    "muscle": Block(0.8, replace(_FEW, other=("muscle",), share=(0.7, 1.0)), bare=0.2),
    "nerve": Block(0.3, replace(_FEW, other=("muscle",), share=(0.5, 1.0)), _NERVE_LOOK),
    "fat": Block(0.6, replace(_FEW, other=("fat",), share=(0.5, 1.0)), bare=0.2),
    "blood": Block(1.0, replace(_FEW, other=("blood",), share=(0.4, 1.0)), bled=True),
    "crush": Block(0.4, Recipe(0.0, nest=(0.0, 0.4), other=("crushed",), share=(0.2, 0.8))),
    "solid": Block(2.4, Recipe(0.0, nest=(0.75, 1.0), lymphocytes=(20.0, 500.0))),
    "front": Block(1.8, Recipe(0.0, nest=(0.2, 0.75), lymphocytes=(200.0, 8000.0))),
    "spindle": Block(0.6, Recipe(0.0, nest=(0.6, 1.0), poor=(1.0, 1.0), lymphocytes=(20.0, 500.0)), spindles=True),
    "glandular_tumor": Block(2.4, Recipe(0.0, glands=(4, 12), lymphocytes=(50.0, 3000.0), makes=("tall", "plain")),
                             malignant_glands=True),
    "glands": Block(1.0, Recipe(0.0, glands=(3, 9), lymphocytes=(300.0, 7000.0), makes=("plain", "goblet", "mucous"))),
    "mucosa": Block(1.3, Recipe(0.0, squamous=True, lymphocytes=(10.0, 1500.0), papillae=60.0)),
}  # fmt: skip
"""What is drawn beside the tissue of the virtual trial. Densities of cells are per mm² of the simulator."""


def draw_block(
    rng: np.random.Generator, extent_um: float, margin_um: float, side_px: int, mpp: float
) -> tuple[Scene, FloatArray]:
    """A square piece of varied tissue, and its densities.

    Args:
        rng: source of everything that varies.
        extent_um: side of the scene.
        margin_um: what is cut off on every side.
        side_px: side of the picture.
        mpp: micrometres per pixel.

    Returns:
        The scene and float32 (3, side, side) hematoxylin, eosin and hemoglobin.
    """
    names = list(BLOCKS)
    weights = np.array([BLOCKS[name].weight for name in names])
    block = BLOCKS[names[int(rng.choice(len(names), p=weights / weights.sum()))]]
    scene = compose_scene(rng, extent_um, block.recipe, _varied_look(block, rng))
    looks = dict(block.looks)
    if block.malignant_glands:
        looks |= _turn_malignant(scene, rng)
    if block.spindles:
        looks |= {name: _spindle(KINDS[KIND_INDEX[name]]) for name in ("poor", "poor_dark", "poor_pale")}
    _shake(scene, block, rng)
    densities, tissue = paint(scene, (margin_um, margin_um), (side_px, side_px), mpp, nuclei=VariedNuclei(rng, looks))
    return scene, _clouded(densities, tissue, mpp, rng)


def _varied_look(block: Block, rng: np.random.Generator) -> Look:
    look = replace(
        random_look(rng),
        open=float(rng.uniform(0.0, 1.0)),
        haze=float(rng.uniform(0.01, 0.12)),
        well_spacing=float(rng.uniform(7.5, 13.0)),
        poor_spacing=float(rng.uniform(6.4, 10.0)),
        stroma_spacing=float(rng.uniform(8.0, 22.0)),
        collagen=float(rng.uniform(0.12, 0.42)),
    )
    return replace(look, **{name: float(rng.uniform(*ends)) for name, ends in block.look.items()})


def _turn_malignant(scene: Scene, rng: np.random.Generator) -> dict[str, Kind]:
    """Make the glands of a scene those of a tumor, well or poorly differentiated; and how its nuclei look."""
    name = str(rng.choice(["well", "poor"], p=[0.6, 0.4]))
    scene.fields["malignant"] = np.ones_like(scene.fields["tissue"])
    scene.fields["poor"] = np.full_like(scene.fields["tissue"], 1.0 if name == "poor" else ABSENT)
    cells = scene.cells
    assert cells is not None
    glandular = np.isin(cells.kind, [KIND_INDEX["gland"], KIND_INDEX["gland_tall"]])
    scene.cells = replace(cells, kind=np.where(glandular, KIND_INDEX[name], cells.kind))
    return {name: _glandular(KINDS[KIND_INDEX[name]])}


def _shake(scene: Scene, block: Block, rng: np.random.Generator) -> None:
    """Move cells off their lattice; pale where the section only grazes them; take them out of bare tissue."""
    cells = scene.cells
    assert cells is not None
    count, distance = len(cells), float(rng.uniform(0.2, 1.3))
    y, x = (axis + rng.normal(0.0, distance, count) for axis in (cells.y, cells.x))
    grazed = rng.random(count) < rng.uniform(0.0, 0.4)
    gain = np.where(grazed, rng.uniform(0.45, 0.9, count), 1.0)
    scene.cells = replace(cells, y=y, x=x, gain=(cells.gain * gain).astype(np.float32))
    if block.bled:
        kept = (field_at(scene, "blood", y, x) < 0) | (cells.kind == RED) | (rng.random(count) < 0.03)
        scene.cells = scene.cells.take(kept)
    elif rng.random() < block.bare:
        scene.cells = scene.cells.take(rng.random(count) < float(rng.choice([0.0, 0.04], p=[0.7, 0.3])))


def _clouded(densities: FloatArray, tissue: FloatArray, mpp: float, rng: np.random.Generator) -> FloatArray:
    """Uneven ground, but clear glass: clouds of both dyes, from fine grain to broad haze."""
    shape, ground = tissue.shape, tissue * np.minimum(densities[1] / np.float32(0.1), 1)
    for dye, strength in ((0, rng.uniform(0.0, 0.10)), (1, rng.uniform(0.0, 0.10))):
        size_um = float(np.exp(rng.uniform(np.log(1.2), np.log(25.0))))
        cloud = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), size_um / mpp / 2, mode="wrap")
        densities[dye] += np.float32(strength) * np.maximum(cloud / cloud.std() + np.float32(0.5), 0) * ground
    return np.asarray(densities, np.float32)
