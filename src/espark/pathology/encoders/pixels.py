"""From tiles to the input pixels of a network: size, crop, mean and spread from the files of the model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from espark.errors import EncoderError
from espark.files import read_json
from espark.types import ByteArray

Rgb = tuple[float, float, float]

CLIP_MEAN: Rgb = (0.48145466, 0.4578275, 0.40821073)
CLIP_SD: Rgb = (0.26862954, 0.26130258, 0.27577711)
"""Values of the CLIP of OpenAI, which most similar models use."""

_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocessing:
    """How a network needs its tiles.

    Attributes:
        side: the tile is resampled to this side, in pixels; None does not change it.
        crop: side of the square cut from its middle; None keeps all.
        mean: mean of red, green and blue (0–1), which is subtracted.
        sd: their standard deviation, by which the result is divided.
        interpolation: ``nearest``, ``bilinear``, ``bicubic`` or ``lanczos``, with antialiasing as in Pillow.
        edge: pixels left out above and left of the crop; None for half of all pixels left out, rounded down.
    """

    side: int | None
    crop: int | None
    mean: Rgb
    sd: Rgb
    interpolation: str = "bicubic"
    edge: int | None = None

    def __call__(self, tiles: ByteArray) -> Tensor:
        """Pixels for the network.

        Args:
            tiles: uint8 (n, px, px, 3).

        Returns:
            float32 (n, 3, h, w).
        """
        sized = np.stack([self._sized(tile) for tile in tiles])
        pixels = torch.from_numpy(sized).permute(0, 3, 1, 2).float() / 255.0
        mean, sd = (torch.tensor(values)[:, None, None] for values in (self.mean, self.sd))
        return (pixels - mean) / sd

    def to_json(self) -> dict[str, Any]:
        """All settings, for the record."""
        return asdict(self)

    def _sized(self, tile: ByteArray) -> ByteArray:
        if self.side is not None and tile.shape[0] != self.side:
            picture = Image.fromarray(tile).resize((self.side, self.side), _RESAMPLING[self.interpolation])
            tile = np.asarray(picture)
        if self.crop is None:
            return tile
        edge = (tile.shape[0] - self.crop) // 2 if self.edge is None else self.edge
        return tile[edge : edge + self.crop, edge : edge + self.crop]


def from_hugging_face(folder: Path) -> Preprocessing:
    """Read ``preprocessor_config.json`` of the transformers library.

    Raises:
        EncoderError: when it is missing or its settings do not work with square tiles.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        raise EncoderError(
            "the model does not describe how its pictures are prepared", where=path, action="Download the file as well."
        )
    content = read_json(path)
    side = _square(content.get("size"), path) if content.get("do_resize", True) else None
    crop = _square(content.get("crop_size"), path) if content.get("do_center_crop", "crop_size" in content) else None
    names = {int(code): name for name, code in _RESAMPLING.items()}
    normal = bool(content.get("do_normalize", True))
    return _checked(
        Preprocessing(
            side,
            crop,
            _rgb(content["image_mean"]) if normal else (0.0, 0.0, 0.0),
            _rgb(content["image_std"]) if normal else (1.0, 1.0, 1.0),
            names.get(int(content.get("resample", Image.Resampling.BICUBIC)), "bicubic"),
        ),
        path,
    )


def from_open_clip(content: Mapping[str, Any], path: Path) -> Preprocessing:
    """From the content of ``open_clip_config.json``."""
    wanted = content.get("preprocess_cfg", {})
    size = wanted.get("size", content["model_cfg"]["vision_cfg"].get("image_size", 224))
    side = _square(size, path)
    mean, sd = _rgb(wanted.get("mean", CLIP_MEAN)), _rgb(wanted.get("std", CLIP_SD))
    return _checked(Preprocessing(side, side, mean, sd, wanted.get("interpolation", "bicubic")), path)


def from_timm(config: Mapping[str, Any], path: Path) -> Preprocessing:
    """From the ``pretrained_cfg`` of a timm model, read like the evaluation transform of timm."""
    crop = _square(config["input_size"][1:], path)
    share = float(config.get("crop_pct", 0.875))
    side = math.floor((crop or 224) / share)
    mean, sd = _rgb(config["mean"]), _rgb(config["std"])
    # timm crops with torchvision, which rounds halves to the even neighbor.
    edge = round((side - crop) / 2) if crop else None
    return _checked(Preprocessing(side, crop, mean, sd, config.get("interpolation", "bicubic"), edge), path)


def _square(size: Any, path: Path) -> int | None:
    """Side of a square, in any of the common notations."""
    if size is None or isinstance(size, int):
        return size
    if isinstance(size, Mapping):
        sides = [int(size[key]) for key in ("shortest_edge", "height", "width") if size.get(key)]
    else:
        sides = [int(side) for side in size]
    if len(set(sides)) != 1:
        raise EncoderError(f"the model needs pictures of {sides}", where=path, expected="a square")
    return sides[0]


def _rgb(values: Any) -> Rgb:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _checked(found: Preprocessing, path: Path) -> Preprocessing:
    if found.interpolation not in _RESAMPLING:
        raise EncoderError(
            f"unknown interpolation {found.interpolation!r}", where=path, expected=f"one of {', '.join(_RESAMPLING)}"
        )
    if found.side is not None and found.crop is not None and found.crop > found.side:
        raise EncoderError(f"a crop of {found.crop} px from a picture of {found.side} px", where=path)
    return found
