"""The interface of every tile encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from espark.types import ByteArray, FloatArray, Precision


@runtime_checkable
class Encoder(Protocol):
    """Turns tiles, and with a text side also words, into vectors of one space.

    Attributes:
        name: name in files and reports.
        entry: name in `espark.pathology.encoders.catalogue.ENCODERS`.
        weights_hash: hash of its weights.
        precision: number format of the computation; its vectors are always float32.
        dim: length of a vector.
        tile_px: side of its tiles, in pixels.
        mpp: µm per pixel of its tiles.
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
            float32 (n, dim), each of length 1. The vector of a tile does not depend on other tiles of the batch.
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
