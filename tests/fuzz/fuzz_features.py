"""Tile features in HDF5: of other programs, and of espark."""

from __future__ import annotations

import random
from pathlib import Path

import h5py
import numpy as np
from fuzz_harness import Family
from mutate import damage_file

from espark.cells import CELL_TYPES
from espark.pathology.features import SlideFeatures, read_slide_features, write_slide_features
from espark.pathology.foreign.foreign_features import read_foreign_features

_TILES, _WIDTH = 50, 16


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    coords = 256 * np.arange(2 * _TILES, dtype=np.int32).reshape(-1, 2)
    return chance.normal(size=(_TILES, _WIDTH)).astype(np.float32), coords


def _make_foreign(folder: Path) -> None:
    features, coords = _arrays()
    for name, options in (("a.h5", {}), ("b.h5", {"compression": "gzip", "chunks": (10, _WIDTH)})):
        with h5py.File(folder / name, "w") as file:
            file.create_dataset("features", data=features, **options)
            file["coords"] = coords
            file["coords"].attrs.update(patch_size=256, patch_size_level0=512, level0_magnification=40)


def _make_own(folder: Path) -> None:
    features, coords = _arrays()
    keys = tuple(cell.key for cell in CELL_TYPES)
    made = SlideFeatures(
        features=features, coords=coords, similarity=features[:, :1] * np.ones((1, len(keys)), np.float32),
        expected_counts=None, tissue_fraction=np.ones(_TILES, np.float32), rejected_coords=coords[:3],
        rejected_reasons=("pen", "fold", "blur"), encoder="espark-mini", tile_px=256, mpp=0.5, tile_px_level0=256.0,
        slide_mpp=0.5, cell_types=keys, stain="none", espark_version="1", source="slide-1",
    )  # fmt: skip
    write_slide_features(folder / "a.h5", made)


def _damage(folder: Path, chance: random.Random) -> str:
    files = sorted(folder.iterdir())
    kept = chance.choice(files)
    for file in files:
        if file != kept:
            file.unlink()
    return damage_file(kept, chance, header=chance.choice((100, 800, 3000, 0)))


def _one(folder: Path) -> Path:
    return min(folder.iterdir())


def _wrong(read: SlideFeatures, folder: Path) -> str:
    del folder
    if read.features.ndim != 2 or read.coords.shape != (len(read.features), 2):
        return f"features {read.features.shape} with coords {read.coords.shape}"
    if read.features.dtype != np.float32 or not np.isfinite(read.features).all():
        return f"{read.features.dtype} features, or not finite"
    parts = (read.similarity, read.expected_counts, read.tissue_fraction)
    if any(part is not None and len(part) != len(read.features) for part in parts):
        return "parts of different lengths"
    return "" if len(read.rejected_coords) == len(read.rejected_reasons) else "rejected tiles without a reason"


FAMILIES = {
    "HDF5 from elsewhere": Family(
        _make_foreign, _damage, lambda folder: read_foreign_features(_one(folder), encoder="uni"), _wrong
    ),
    "HDF5 of espark": Family(_make_own, _damage, lambda folder: read_slide_features(_one(folder)), _wrong),
}
