"""espark-mini: the encoder inside the package. Small, open, fitted on simulated tiles with captions."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch

from espark.errors import EncoderError
from espark.files import digest, fingerprint, load_tensors, read_safetensors_notes, save_tensors, write_bytes
from espark.models.precision import TORCH_TYPES, computes_bfloat16
from espark.models.vision_language import DualEncoder, DualEncoderShape
from espark.pathology.encoders.vocabulary import Vocabulary, read_vocabulary
from espark.types import ByteArray, FloatArray, Precision

WEIGHTS_FILE = "espark-mini.safetensors"
VOCABULARY_FILE = "vocabulary.json"
SHIPPED = Path(__file__).with_name("weights")

_BATCH = 16
_LEAST_PX = 32
_AGREEMENT = 0.999
"""Least cosine between vectors of the two precisions for which ``auto`` uses the faster one."""
_DYES = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11))
"""Hematoxylin and eosin of Ruifrok and Johnston (Anal Quant Cytol Histol 23:291, 2001)."""


class MiniEncoder:
    """The embedded dual encoder, ready for use; see `espark.pathology.encoders.encoder.Encoder`.

    Tiles always pass the network in batches of one fixed size, the last one filled up, so the vector of a tile
    does not depend on the other tiles.

    Args:
        network: trained towers. Batch norms are folded in place.
        vocabulary: words of the text tower.
        device: device of the computation.
        weights_hash: hash of the weights and the words; empty for a network that was never saved.
        precision: number format of the convolutions. ``auto``: bfloat16 if the device has it in hardware and the
            vectors of test patterns agree with those of float32; otherwise float32.
    """

    name = "espark-mini"
    entry = "espark-mini"
    tile_px = 256
    mpp = 0.5
    has_text = True

    def __init__(
        self,
        network: DualEncoder,
        vocabulary: Vocabulary,
        *,
        device: torch.device | None = None,
        weights_hash: str = "",
        precision: Precision | Literal["auto"] = "float32",
    ):
        self.weights_hash = weights_hash
        self.device = device or torch.device("cpu")
        self.vocabulary = vocabulary
        self.dim = network.shape.dim
        self._network = network.eval().requires_grad_(False)
        self._network.image.fuse()
        self._network.to(self.device)
        self._network.image.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.precision: Precision = self._agreed_precision() if precision == "auto" else precision
        self._network.image.convolve_in(TORCH_TYPES[self.precision])

    @classmethod
    def from_folder(
        cls, folder: Path, *, device: torch.device | None = None, precision: Precision | Literal["auto"] = "float32"
    ) -> Self:
        """Load weights and vocabulary from a folder.

        Raises:
            InputError: when a file is missing or damaged.
            EncoderError: when the weights do not belong to this network.
        """
        network, vocabulary = load_network(folder)
        identity = digest([fingerprint(folder / WEIGHTS_FILE), fingerprint(folder / VOCABULARY_FILE)])
        return cls(network, vocabulary, device=device, weights_hash=identity, precision=precision)

    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        """Vectors of tiles; any square size from 32 px; the encoder is made for 256 px.

        Args:
            tiles: uint8 (n, px, px, 3), RGB at 0.5 µm per pixel.

        Returns:
            float32 (n, dim), each of length 1.

        Raises:
            EncoderError: when the tiles have a different shape or type.
        """
        if tiles.ndim != 4 or tiles.shape[3] != 3 or tiles.dtype != np.uint8 or min(tiles.shape[1:3]) < _LEAST_PX:
            raise EncoderError(
                f"tiles of shape {tiles.shape} and type {tiles.dtype}", expected="uint8 (n, px, px, 3) with px ≥ 32"
            )
        vectors = np.empty((len(tiles), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(tiles), _BATCH):
                part = tiles[start : start + _BATCH]
                filled = np.zeros((_BATCH, *tiles.shape[1:]), dtype=np.uint8)
                filled[: len(part)] = part
                batch = torch.from_numpy(filled).to(self.device).permute(0, 3, 1, 2).float().div_(255.0)
                found = self._network.image(batch.contiguous(memory_format=torch.channels_last)).vector
                vectors[start : start + len(part)] = found[: len(part)].cpu().numpy()
        return vectors

    def _agreed_precision(self) -> Precision:
        """The faster precision, if the device has it and the vectors agree."""
        if not computes_bfloat16(self.device):
            return "float32"
        patterns = _test_patterns()
        exact = self.encode_tiles(patterns)
        rounded = copy.deepcopy(self._network.image)
        rounded.convolve_in(torch.bfloat16)
        kept, self._network.image = self._network.image, rounded
        try:
            cosine = (exact * self.encode_tiles(patterns)).sum(axis=1)
        finally:
            self._network.image = kept
        return "bfloat16" if float(cosine.min()) >= _AGREEMENT else "float32"

    def encode_text(self, phrases: Sequence[str]) -> FloatArray:
        """Vectors of phrases, float32 (m, dim), each of length 1.

        Raises:
            EncoderError: when a word is unknown.
        """
        vectors = np.empty((len(phrases), self.dim), dtype=np.float32)
        rows = [self.vocabulary.tokens(phrase) for phrase in phrases]
        with torch.inference_mode():
            for length in sorted({len(row) for row in rows}):  # phrases of equal length do not need padding
                chosen = [index for index, row in enumerate(rows) if len(row) == length]
                tokens = torch.tensor([rows[index] for index in chosen], dtype=torch.int64, device=self.device)
                vectors[chosen] = self._network.text(tokens).cpu().numpy()
        return vectors

    def expected_counts(self, features: FloatArray) -> FloatArray:
        """Expected number of each counted cell in a 256-px tile, from its vector.

        Args:
            features: float32 (n, dim) from `encode_tiles`.

        Returns:
            float32 (n, len(COUNTED_CELLS)), ≥ 0.
        """
        with torch.inference_mode():
            vectors = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32)).to(self.device)
            return np.asarray(self._network.expected_counts(vectors).cpu().numpy(), dtype=np.float32)


def load_network(folder: Path) -> tuple[DualEncoder, Vocabulary]:
    """Network and words from a folder, before the batch norms are folded.

    Raises:
        InputError: when a file is missing or damaged.
        EncoderError: when the weights do not belong to this network.
    """
    path = folder / WEIGHTS_FILE
    tensors = load_tensors(path)
    try:
        shape = DualEncoderShape.from_json(json.loads(read_safetensors_notes(path)["shape"]))
        network = DualEncoder(shape)
        network.load_state_dict({key: value.float() for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise EncoderError(f"these are not weights of {MiniEncoder.name} ({error})", where=path) from error
    return network, read_vocabulary(folder / VOCABULARY_FILE)


def _test_patterns() -> ByteArray:
    """Grains of every size in random amounts of hematoxylin and eosin, uint8 (16, 256, 256, 3)."""
    generator = np.random.default_rng(0)
    tiles = []
    for side in (4, 16, 64, 256) * 4:
        amounts = generator.gamma(1.0, 0.5, (side, side, 2))
        colors = (245.0 * np.exp(-amounts @ np.array(_DYES))).astype(np.uint8)
        tiles.append(colors.repeat(256 // side, axis=0).repeat(256 // side, axis=1))
    return np.stack(tiles)


def save_encoder(folder: Path, network: DualEncoder, vocabulary: Vocabulary, notes: dict[str, str]) -> None:
    """Write weights (half precision) and vocabulary.

    Args:
        folder: folder to write to.
        network: the trained network.
        vocabulary: its words.
        notes: text for the metadata of the weights.
    """
    tensors = {key: value.half() if value.is_floating_point() else value for key, value in network.state_dict().items()}
    save_tensors(folder / WEIGHTS_FILE, tensors, {"shape": json.dumps(network.shape.to_json()), **notes})
    content = {
        "words": list(vocabulary.words),
        "synonyms": dict(vocabulary.synonyms),
        "max_words": vocabulary.max_words,
    }
    write_bytes(folder / VOCABULARY_FILE, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
