"""An encoder of a plug-in, with checks of its results. Errors in its code name the plug-in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from espark.catalogue import Plugin, running
from espark.errors import EncoderError
from espark.pathology.encoders.encoder import Encoder
from espark.types import AnyArray, ByteArray, FloatArray, Precision

_UNIT = 1e-3


class OutsideEncoder:
    """See `espark.pathology.encoders.encoder.Encoder`.

    Args:
        encoder: the object made by the plug-in.
        plugin: the plug-in.
        label: name of the encoder in files and reports; its own name when empty.

    Raises:
        EncoderError: when it lacks a required attribute or method.
    """

    def __init__(self, encoder: object, plugin: Plugin, *, label: str = ""):
        if not isinstance(encoder, Encoder):
            missing = [name for name in _PARTS if not hasattr(encoder, name)]
            raise EncoderError(f"it has no {', '.join(missing)}", expected="the attributes of every encoder")
        self._encoder = encoder
        self._plugin = plugin
        self.name = label or encoder.name
        self.entry = plugin.name
        self.weights_hash = encoder.weights_hash
        self.precision: Precision = encoder.precision
        self.dim = encoder.dim
        self.tile_px = encoder.tile_px
        self.mpp = encoder.mpp
        self.has_text = encoder.has_text

    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        """Vectors of tiles, float32 (n, dim), each of length 1.

        Raises:
            PluginError: when the plug-in fails, or gives a wrong result.
        """
        with running(self._plugin):
            return self._checked(self._encoder.encode_tiles(tiles), len(tiles))

    def encode_text(self, phrases: Sequence[str]) -> FloatArray:
        """Vectors of phrases, float32 (m, dim), each of length 1.

        Raises:
            PluginError: when the plug-in fails, or gives a wrong result.
        """
        with running(self._plugin):
            return self._checked(self._encoder.encode_text(phrases), len(phrases))

    def expected_counts(self, features: FloatArray) -> FloatArray | None:
        """Expected number of each counted cell in a tile; None when the encoder does not count.

        Raises:
            PluginError: when the plug-in fails.
        """
        with running(self._plugin):
            return self._encoder.expected_counts(features)

    def _checked(self, vectors: AnyArray, count: int) -> FloatArray:
        found = np.asarray(vectors, dtype=np.float32)
        if found.shape != (count, self.dim):
            raise EncoderError(f"it gives vectors of shape {found.shape}", expected=f"({count}, {self.dim})")
        lengths = np.linalg.norm(found, axis=1)
        if not np.all(np.abs(lengths - 1) < _UNIT):
            raise EncoderError(
                f"it gives a vector of length {lengths[np.abs(lengths - 1).argmax()]:g}", expected="length 1"
            )
        return found


_PARTS = (
    "name", "entry", "weights_hash", "precision", "dim", "tile_px", "mpp", "has_text", "encode_tiles", "encode_text",
    "expected_counts",
)  # fmt: skip
