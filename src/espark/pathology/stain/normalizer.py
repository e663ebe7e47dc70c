"""Stain normalization of tiles: uint8 in, uint8 out, to a target profile."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from espark.errors import FeatureError, SlideError, nearest
from espark.files import read_json
from espark.pathology.stain.catalogue import STAINS
from espark.pathology.stain.dyes import Macenko, Vahadane
from espark.pathology.stain.methods import StainMethod, StainProfile, UnusableStainError
from espark.pathology.stain.reinhard import Reinhard
from espark.types import ByteArray

_UNREADABLE = (
    Image.DecompressionBombWarning, Image.DecompressionBombError, OSError, SyntaxError, ValueError, TypeError,
    LookupError, EOFError, struct.error,
)  # fmt: skip
"""The errors that Pillow raises for damaged pictures, and for those with more pixels than any photograph."""

TARGET_FILE = Path(__file__).with_name("target.json")
"""The target in the package, computed by `espark.pretrain.stain_target`."""

METHODS: dict[str, StainMethod] = {"macenko": Macenko(), "reinhard": Reinhard(), "vahadane": Vahadane()}
"""The methods with the names in `espark.pathology.stain.catalogue.STAINS`."""

_CPU_PIXELS, _GPU_PIXELS = 2**16, 2**22
"""Pixels per block: as many as fit into the cache of a processor, and enough to keep a GPU busy."""


@dataclass(frozen=True)
class SourceStain:
    """The stain of a slide.

    Attributes:
        profile: its stain; None when it could not be found. Then its tiles are not changed.
        reason: why the stain could not be found; empty when it was found.
    """

    profile: StainProfile | None
    reason: str = ""


class StainNormalizer:
    """Changes tiles to the stain of a target.

    The stain of a slide is found once, from a sample of its tissue tiles, so all tiles are changed in the same way
    and a tile with only stroma does not become purple.

    Args:
        name: a name in `espark.pathology.stain.catalogue.STAINS` other than ``none``.
        target: stain of the result; the target of the package when None.
        device: device of the computation.

    Raises:
        FeatureError: when the method is unknown.

    Example:
        >>> normalizer = StainNormalizer("macenko")
        >>> source = normalizer.source(sample)        # uint8 (m, 256, 256, 3), of one slide
        >>> normalizer.apply(tiles, source).dtype     # uint8 (n, 256, 256, 3), of the same slide
        dtype('uint8')
    """

    def __init__(self, name: str, *, target: StainProfile | None = None, device: torch.device | None = None):
        if name not in METHODS:
            near = nearest(name, METHODS)
            raise FeatureError(
                f"there is no stain normalization {name!r}",
                expected=f"one of {', '.join(STAINS)}",
                action=f"Did you mean {near}?" if near else None,
            )
        self.name = name
        self.target = target or packaged_target(name)
        self.device = device or torch.device("cpu")
        self._method = METHODS[name]

    @classmethod
    def towards_image(cls, name: str, path: Path, *, device: torch.device | None = None) -> Self:
        """A normalizer with a picture of well-stained tissue as target.

        Raises:
            SlideError: when the picture cannot be read, or its stain cannot be found.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                picture = np.asarray(Image.open(path, formats=("PNG", "JPEG", "TIFF")).convert("RGB"))
        except _UNREADABLE as error:
            raise SlideError(
                f"the stain target cannot be read ({error})", where=path, expected="PNG or JPEG"
            ) from error
        normalizer = cls(name, device=device)
        found = normalizer.source(picture[None])
        if found.profile is None:
            raise SlideError(
                f"the stain target cannot be used: {found.reason}", where=path, expected="a picture of stained tissue"
            )
        normalizer.target = found.profile
        return normalizer

    def source(self, tiles: ByteArray) -> SourceStain:
        """The stain of a slide.

        Args:
            tiles: uint8 (n, height, width, 3), a sample of its tissue.
        """
        if tiles.size == 0:
            return SourceStain(None, "there is no tissue to learn the stain from")
        try:
            return SourceStain(self._method.profile(self._pixels(tiles)))
        except UnusableStainError as reason:
            return SourceStain(None, str(reason))

    def apply(self, tiles: ByteArray, source: SourceStain) -> ByteArray:
        """Tiles of a slide in the stain of the target. Tiles with an unknown stain are not changed.

        Args:
            tiles: uint8 (n, height, width, 3).
            source: the slide's stain.

        Returns:
            uint8, the same shape.
        """
        if source.profile is None or tiles.size == 0:
            return tiles
        pixels = tiles.reshape(-1, 3)
        step = _CPU_PIXELS if self.device.type == "cpu" else _GPU_PIXELS
        changed = np.empty_like(pixels)
        transfer = self._method.transfer(source.profile, self.target)
        with torch.inference_mode():
            for start in range(0, len(pixels), step):
                found = transfer(self._pixels(pixels[start : start + step])).round_().clamp_(0.0, 255.0)
                np.copyto(changed[start : start + step], found.cpu().numpy(), casting="unsafe")
        return changed.reshape(tiles.shape)

    def normalize(self, image: ByteArray) -> tuple[ByteArray, str]:
        """One picture, normalized from its own stain.

        Args:
            image: uint8 (height, width, 3).

        Returns:
            The picture in the stain of the target and an empty text; or the unchanged picture and the reason.
        """
        source = self.source(image[None])
        return self.apply(image[None], source)[0], source.reason

    def _pixels(self, tiles: ByteArray) -> Tensor:
        return torch.tensor(tiles, device=self.device).reshape(-1, 3).float()


def packaged_target(name: str) -> StainProfile:
    """The target of the package for a method."""
    return profile_from_json(read_json(TARGET_FILE)[name])


def profile_from_json(content: Mapping[str, Any]) -> StainProfile:
    """A profile from the result of `profile_to_json`."""
    return StainProfile({name: tuple(tuple(map(float, row)) for row in rows) for name, rows in content.items()})


def profile_to_json(profile: StainProfile) -> dict[str, list[list[float]]]:
    """A profile as lists by name."""
    return {name: [list(row) for row in rows] for name, rows in profile.numbers.items()}


def stain_normalizer(
    name: str, *, target: StainProfile | Path | None = None, device: torch.device | None = None
) -> StainNormalizer | None:
    """The normalizer with this name; None for ``none``.

    Args:
        name: a name in `espark.pathology.stain.catalogue.STAINS`.
        target: a profile, or a picture of well-stained tissue; the target of the package when None.
        device: device of the computation.

    Raises:
        FeatureError: when the method is unknown.
        SlideError: when the picture cannot be used.
    """
    if name == "none":
        return None
    if isinstance(target, Path):
        return StainNormalizer.towards_image(name, target, device=device)
    return StainNormalizer(name, target=target, device=device)
