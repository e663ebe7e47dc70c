"""What every tile encoder offers, whatever is behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from espark.types import ByteArray, FloatArray, Precision


@runtime_checkable
class Encoder(Protocol):
    """Turns tiles, and perhaps words, into vectors of one space.

    Attributes:
        name: how files and reports call it.
        entry: name in `espark.pathology.encoders.catalogue.ENCODERS`.
        weights_hash: what identifies its weights.
        precision: numbers in which it computes; its vectors are float32 either way.
        dim: length of a vector.
        tile_px: side of the tiles it wants, in pixels.
        mpp: µm per pixel it wants.
        has_text: whether `encode_text` works.
    """

    name: str
    entry: str
    weights_hash: str
    precision: Precision
    dim: int
    tile_px: int
    mpp: float
    has_text: bool

    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        """Vectors of tiles.

        Args:
            tiles: uint8 (n, tile_px, tile_px, 3), RGB.

        Returns:
            float32 (n, dim), each of length 1. A tile's vector does not depend on its neighbours in the batch.
        """
        ...

    def encode_text(self, phrases: Sequence[str]) -> FloatArray:
        """Vectors of phrases.

        Returns:
            float32 (m, dim), each of length 1.

        Raises:
            EncoderError: when a phrase cannot be understood, or the encoder has no text side.
        """
        ...

    def expected_counts(self, features: FloatArray) -> FloatArray | None:
        """Expected number of each of `espark.cells.COUNTED_CELLS` in a tile.

        Args:
            features: float32 (n, dim) from `encode_tiles`.

        Returns:
            float32 (n, len(COUNTED_CELLS)), ≥ 0; None when the encoder has no count calibration.
        """
        ...
