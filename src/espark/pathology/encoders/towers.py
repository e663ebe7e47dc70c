"""An encoder of an external network: one class for the towers of all libraries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from espark.errors import EncoderError
from espark.files import digest
from espark.models.devices import choose_device
from espark.pathology.encoders.catalogue import EncoderRequest
from espark.pathology.encoders.pixels import Preprocessing
from espark.pathology.encoders.weights import find_folder, need_packages, weight_files, weights_hash
from espark.types import ByteArray, FloatArray, Precision

_BATCH = 32


@dataclass(frozen=True)
class Towers:
    """The result of the loader of a library.

    Attributes:
        image: prepared pixels (n, 3, h, w) → vectors (n, d), on the device.
        text: phrases → vectors (m, d); None when the model has no text side.
        preprocessing: preprocessing for ``image``.
    """

    image: Callable[[Tensor], Tensor]
    text: Callable[[list[str]], Tensor] | None
    preprocessing: Preprocessing


class TowerEncoder:
    """Tiles and words through loaded towers; see `espark.pathology.encoders.encoder.Encoder`.

    Batches always have one size, the last one filled up, so that a vector does not depend on its neighbors. Vectors of
    phrases are stored, because every slide uses the same prompts.

    Args:
        towers: the towers.
        name: name of the encoder in files and reports.
        entry: its name in the catalogue.
        weights_hash: hash of its weights.
        device: device of the towers.
    """

    tile_px = 256
    mpp = 0.5
    precision: Precision = "float32"

    def __init__(self, towers: Towers, *, name: str, entry: str, weights_hash: str, device: torch.device):
        self.name = name
        self.entry = entry
        self.weights_hash = weights_hash
        self.device = device
        self.has_text = towers.text is not None
        self._towers = towers
        self._known: dict[str, FloatArray] = {}
        self.dim = self._encode(np.zeros((1, self.tile_px, self.tile_px, 3), np.uint8)).shape[1]

    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        """Vectors of tiles, float32 (n, dim), each of length 1; tiles are uint8 (n, px, px, 3).

        Raises:
            EncoderError: when the tiles have a different shape or type.
        """
        if tiles.ndim != 4 or tiles.shape[3] != 3 or tiles.shape[1] != tiles.shape[2] or tiles.dtype != np.uint8:
            raise EncoderError(
                f"tiles of shape {tiles.shape} and type {tiles.dtype}", expected="uint8 (n, px, px, 3), square"
            )
        vectors = np.empty((len(tiles), self.dim), dtype=np.float32)
        for start in range(0, len(tiles), _BATCH):
            part = tiles[start : start + _BATCH]
            vectors[start : start + len(part)] = self._encode(part)
        return vectors

    def encode_text(self, phrases: Sequence[str]) -> FloatArray:
        """Vectors of phrases, float32 (m, dim), each of length 1.

        Raises:
            EncoderError: when the encoder has no text side.
        """
        if self._towers.text is None:
            raise EncoderError("the encoder has no text side", where=self.name)
        new = [phrase for phrase in dict.fromkeys(phrases) if phrase not in self._known]
        with torch.inference_mode():
            for start in range(0, len(new), _BATCH):
                part = new[start : start + _BATCH]
                self._known |= dict(zip(part, _unit(self._towers.text(part)), strict=True))
        return np.array([self._known[phrase] for phrase in phrases], np.float32).reshape(len(phrases), self.dim)

    def expected_counts(self, features: FloatArray) -> None:
        """None: such encoders come without a count calibration."""

    def _encode(self, part: ByteArray) -> FloatArray:
        pixels = self._towers.preprocessing(part)
        filled = pixels.new_zeros((_BATCH, *pixels.shape[1:]))
        filled[: len(part)] = pixels
        with torch.inference_mode():
            return _unit(self._towers.image(filled.to(self.device)))[: len(part)]


def load_towers(request: EncoderRequest, load: Callable[[Path, torch.device], Towers]) -> TowerEncoder:
    """The encoder of a folder with weights, identified by the hash of the weights and of the preprocessing.

    Args:
        request: the folder, and the name of the encoder.
        load: loads the towers of a library from the folder.

    Raises:
        EncoderError: when the library or the weights are missing.
        DeviceError: when the machine does not have the device.
    """
    entry = request.entry
    folder = find_folder(entry, request.weights, request.root)
    files = weight_files(folder, entry)
    need_packages(entry)
    device = choose_device(request.device)
    towers = load(folder, device)
    identity = digest([weights_hash(files), towers.preprocessing.to_json()])
    return TowerEncoder(
        towers, name=request.label or entry.name, entry=entry.name, weights_hash=identity, device=device
    )


def _unit(vectors: Tensor) -> FloatArray:
    return np.asarray(torch.nn.functional.normalize(vectors.float(), dim=1).cpu().numpy())
