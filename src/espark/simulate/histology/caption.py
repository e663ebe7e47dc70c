"""Words for a simulated tile: true sentences in the field's vocabulary."""

from __future__ import annotations

import numpy as np

from espark.cells import CELL_TYPES, PROMPT_TEMPLATES
from espark.simulate.histology.tile_truth import TileTruth

_NAMES = {cell_type.key: cell_type.name for cell_type in CELL_TYPES}

# Density per mm² of tile area below which a type is not worth a word, and from which it is "many" or "dense".
_LEVELS: dict[str, tuple[float, float, float]] = {
    "lymphocyte": (180.0, 900.0, 2500.0),
    "neutrophil": (150.0, 600.0, 1500.0),
    "well_differentiated_tumor_cell": (250.0, 1200.0, 3000.0),
    "poorly_differentiated_tumor_cell": (300.0, 2000.0, 5000.0),
    "stromal_cell": (250.0, 900.0, 2000.0),
    "endothelial_cell": (120.0, 400.0, 900.0),
    "squamous_cell": (300.0, 1500.0, 4000.0),
}

_AREAS: dict[str, tuple[float, tuple[str, ...]]] = {
    "keratin": (0.01, ("keratin pearls", "keratinization", "keratin pearl")),
    "necrosis": (0.12, ("necrosis", "necrotic debris", "tumor necrosis with karyorrhexis")),
    "muscle": (0.25, ("smooth muscle", "muscle fibres", "muscularis")),
    "fat": (0.15, ("fat", "adipose tissue", "adipocytes")),
    "blood": (0.15, ("hemorrhage", "extravasated red blood cells", "red blood cells in stroma")),
    "crushed": (0.12, ("crush artefact", "crushed nuclei")),
    "gland": (0.05, ("glands", "glandular epithelium", "crypts with columnar epithelium")),
    "vessel": (0.01, ("blood vessel", "vessels", "capillaries")),
}

_MANY = ("dense", "many", "abundant", "numerous", "sheets of")
_SOME = ("", "some", "groups of", "scattered")
_FEW = ("few", "sparse", "occasional", "rare")


def phrases(truth: TileTruth, rng: np.random.Generator) -> list[str]:
    """Everything worth saying about a tile, most conspicuous first."""
    said: list[tuple[float, str]] = []
    for cell, (least, many, dense) in _LEVELS.items():
        density = truth.per_mm2(cell)
        if density < least:
            continue
        words = _MANY if density >= dense else _SOME if density >= many else _FEW
        amount = str(rng.choice(words))
        said.append((density / many, f"{amount} {_plural(_word(cell, rng))}".strip()))
    for area, (least, names) in _AREAS.items():
        share = truth.descriptors.get(area, 0.0)
        if share >= least:
            said.append((0.5 + 3.0 * share, str(rng.choice(names))))
    said += _compound(truth, rng)
    if truth.tissue_fraction < 0.15:
        said.append((9.0, str(rng.choice(["empty glass", "background", "mostly glass"]))))
    said.sort(key=lambda item: -item[0])
    return [words for _, words in said] or ["tissue with few cells"]


def caption(truth: TileTruth, rng: np.random.Generator) -> str:
    """A sentence that says what a tile shows.

    Args:
        truth: truth of the tile.
        rng: chooses the words and how much is said.

    Example:
        >>> from espark.simulate.histology.tile import simulate_tile
        >>> _, truth = simulate_tile(np.random.default_rng(1))
        >>> isinstance(caption(truth, np.random.default_rng(0)), str)
        True
    """
    parts = phrases(truth, rng)[: int(rng.integers(1, 5))]
    joined = parts[0]
    for part in parts[1:]:
        joined += str(rng.choice([", ", " and ", " with "])) + part
    return str(rng.choice(PROMPT_TEMPLATES)).format(joined)


def _word(cell: str, rng: np.random.Generator) -> str:
    broader = {
        "lymphocyte": ("immune_cell", 0.2),
        "neutrophil": ("immune_cell", 0.2),
        "well_differentiated_tumor_cell": ("tumor_cell", 0.2),
        "poorly_differentiated_tumor_cell": ("tumor_cell", 0.2),
    }
    if cell in broader and rng.random() < broader[cell][1]:
        return _NAMES[broader[cell][0]]
    other = {"stromal_cell": ("fibroblast", "spindle cell"), "squamous_cell": ("benign squamous cell",)}
    if cell in other and rng.random() < 0.3:
        return str(rng.choice(other[cell]))
    return _NAMES[cell]


def _plural(name: str) -> str:
    return f"{name}s"


def _compound(truth: TileTruth, rng: np.random.Generator) -> list[tuple[float, str]]:
    """Phrases about the tissue as a whole."""
    area, said = truth.descriptors, []
    tumor = area.get("tumor", 0.0)
    immune = truth.per_mm2("lymphocyte") + truth.per_mm2("neutrophil")
    if tumor > 0.25:
        said.append((2.0 * tumor, str(rng.choice(["squamous cell carcinoma", "tumor cells", "carcinoma"]))))
        if area.get("well", 0.0) > 0.8 * tumor:
            said.append((1.2, "well-differentiated squamous cell carcinoma"))
        elif area.get("poor", 0.0) > 0.8 * tumor:
            said.append((1.2, "poorly differentiated squamous cell carcinoma"))
    if area.get("stroma", 0.0) > 0.4:
        said.append((1.5 * area["stroma"], str(rng.choice(["stroma", "fibrous stroma", "connective tissue"]))))
    if area.get("squamous", 0.0) > 0.25:
        said.append(
            (2.0 * area["squamous"], str(rng.choice(["normal squamous epithelium", "stratified squamous epithelium"])))
        )
    if immune > 1200:
        said.append((1.0, str(rng.choice(["immune cells", "inflammation", "inflammatory infiltrate"]))))
    if truth.n_mitoses >= 2:
        said.append((1.0, str(rng.choice(["mitotic figures", "mitoses"]))))
    return said
