"""An encoder from outside: its contract is checked, and what goes wrong names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from espark import catalogue
from espark.errors import EncoderError, PluginError
from espark.pathology.encoders.catalogue import ENCODERS, EncoderEntry, EncoderRequest
from espark.pathology.encoders.encoder import Encoder
from espark.pathology.encoders.load import load_encoder
from espark.types import ByteArray, FloatArray, Precision

TILES = np.random.default_rng(0).integers(0, 255, (3, 256, 256, 3)).astype(np.uint8)


class Colors:
    """The mean color of a tile, as a vector of length 1."""

    name = "colors"
    entry = "colors"
    weights_hash = "colors-1"
    precision: Precision = "float32"
    dim = 3
    tile_px = 256
    mpp = 0.5
    has_text = False

    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        colors = tiles.mean(axis=(1, 2)) + 1
        return (colors / np.linalg.norm(colors, axis=1, keepdims=True)).astype(np.float32)

    def encode_text(self, phrases: Sequence[str]) -> FloatArray:
        raise NotImplementedError

    def expected_counts(self, features: FloatArray) -> None:
        return None


class Unscaled(Colors):
    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        return 2 * super().encode_tiles(tiles)


class Short(Colors):
    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        return super().encode_tiles(tiles)[:, :2]


class Broken(Colors):
    def encode_tiles(self, tiles: ByteArray) -> FloatArray:
        raise RuntimeError("out of memory")


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_registered", {})


def register(build: Callable[[EncoderRequest], Any]) -> None:
    ENCODERS.register(EncoderEntry("colors", build, dim=3, text=False))


def test_an_encoder_from_outside_is_used_as_espark_s_own() -> None:
    asked: list[EncoderRequest] = []

    def build(request: EncoderRequest) -> Encoder:
        asked.append(request)
        return Colors()

    register(build)
    encoder = load_encoder("colors", weights="models/mine", label="my colors", device="cpu")
    assert isinstance(encoder, Encoder) and (encoder.name, encoder.entry) == ("my colors", "colors")
    assert (asked[0].weights, asked[0].device, asked[0].entry.name) == ("models/mine", "cpu", "colors")
    vectors = encoder.encode_tiles(TILES)
    np.testing.assert_array_equal(vectors, Colors().encode_tiles(TILES))
    assert vectors.dtype == np.float32 and encoder.expected_counts(vectors) is None
    with pytest.raises(PluginError, match=r"the encoder 'colors' of test_outside_encoder: it failed \(NotImpl"):
        encoder.encode_text(["stroma"])
    with pytest.raises(EncoderError, match=r"colors: it does not compute in bfloat16\. Expected: auto, float32"):
        load_encoder("colors", precision="bfloat16")


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Unscaled, "it gives a vector of length 2. Expected: length 1"),
        (Short, r"it gives vectors of shape \(3, 2\)\. Expected: \(3, 3\)"),
        (Broken, r"it failed \(RuntimeError: out of memory\)"),
    ],
)
def test_what_goes_wrong_in_an_encoder_names_it(kind: type[Colors], reason: str) -> None:
    register(lambda request: kind())
    encoder = load_encoder("colors")
    with pytest.raises(PluginError, match=f"the encoder 'colors' of test_outside_encoder: {reason}"):
        encoder.encode_tiles(TILES)


def test_an_encoder_that_lacks_a_part_is_named() -> None:
    register(lambda request: object())  # type: ignore[arg-type,return-value]
    with pytest.raises(PluginError, match="'colors' of test_outside_encoder: it has no name, entry, weights_hash"):
        load_encoder("colors")
