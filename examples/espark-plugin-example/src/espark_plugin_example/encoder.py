"""A tile encoder without weights: the colors of a tile. Words get fixed vectors, so that prompts can be tried."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from espark.plugins import Precision

Floats = npt.NDArray[np.float32]

_SQUARES = 4  # along each side of a tile


class ColorEncoder:
    """Mean optical density of red, green and blue in 4 × 4 squares; see `espark.plugins.Encoder`."""

    name = "example-colors"
    entry = "example-colors"
    weights_hash = "example-colors-1"  # change it with what is computed
    precision: Precision = "float32"
    dim = 3 * _SQUARES**2
    tile_px = 256
    mpp = 0.5
    has_text = True

    def encode_tiles(self, tiles: npt.NDArray[np.uint8]) -> Floats:
        """Vectors (n, 48) of length 1 from tiles (n, 256, 256, 3)."""
        side = self.tile_px // _SQUARES
        squares = tiles.reshape(len(tiles), _SQUARES, side, _SQUARES, side, 3).mean(axis=(2, 4))
        density = -np.log((squares + 1) / 256)  # 0 for white
        return _unit(density.reshape(len(tiles), self.dim) - 0.3)

    def encode_text(self, phrases: Sequence[str]) -> Floats:
        """Vectors (m, 48) of length 1: the sum of a vector for each word, always the same."""
        return _unit(np.stack([sum(map(_word_vector, phrase.lower().split())) for phrase in phrases]))

    def expected_counts(self, features: Floats) -> None:
        """None: it does not count cells."""


def _word_vector(word: str) -> npt.NDArray[np.float64]:
    seed = int(hashlib.sha256(word.encode()).hexdigest()[:16], 16)
    return np.random.default_rng(seed).standard_normal(ColorEncoder.dim)


def _unit(vectors: npt.NDArray[np.float64]) -> Floats:
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
