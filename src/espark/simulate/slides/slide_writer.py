"""Writes a picture as a pyramidal tiled JPEG TIFF that OpenSlide opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from espark.files import atomic_path
from espark.types import ByteArray

LEVELS = 4
TILE = 256
_PIXEL = np.dtype("V3")
DESCRIPTION = "ESPARK SIMULATED - virtual tissue, no patient"


def write_pyramid(path: Path, picture: ByteArray, *, mpp: float, quality: int, objective: int = 20) -> None:
    """Write a slide: 4 levels, each half the size of the one before, tiles of 256 px.

    Args:
        path: where to write; ``.tif`` or ``.tiff``.
        picture: (height, width, 3) level 0.
        mpp: micrometres per pixel of level 0; stored as resolution per centimetre.
        quality: JPEG quality, 1..100.
        objective: nominal magnification, for the description.
    """
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=False) as writer:
        level = picture
        for index in range(LEVELS):
            writer.write(
                _tiles(level),
                shape=level.shape,
                dtype=np.uint8,
                photometric="rgb",
                tile=(TILE, TILE),
                compression="jpeg",
                compressionargs={"level": quality, "subsampling": "422" if quality < 90 else "444"},
                resolution=(1e4 / (mpp * 2**index), 1e4 / (mpp * 2**index)),
                resolutionunit="CENTIMETER",
                description=f"{DESCRIPTION} | {objective}x" if index == 0 else None,
                subfiletype=0 if index == 0 else 1,
                metadata=None,
                software="espark",
            )
            if index + 1 < LEVELS:
                level = halve(level)


def _tiles(level: ByteArray) -> Iterator[ByteArray]:
    for top in range(0, level.shape[0], TILE):
        for left in range(0, level.shape[1], TILE):
            part = level[top : top + TILE, left : left + TILE]
            if part.shape[:2] == (TILE, TILE):
                yield np.ascontiguousarray(part)
            else:
                rows, columns = TILE - part.shape[0], TILE - part.shape[1]
                yield np.pad(part, ((0, rows), (0, columns), (0, 0)), mode="edge")


def halve(level: ByteArray) -> ByteArray:
    """A picture at half the size, every pixel the mean of four (the last row or column is dropped when odd)."""
    height, width = level.shape[0] // 2 * 2, level.shape[1] // 2 * 2
    half = np.empty((height // 2, width // 2), _PIXEL)
    for top in range(0, height, 2 * TILE):
        part = level[top : min(top + 2 * TILE, height), :width].reshape(-1, 3 * width).astype(np.uint16)
        pairs = part[0::2] + part[1::2]
        # Every pixel and its right neighbour, of which each second sum is kept: much faster than strided sums.
        pairs[:, :-3] += pairs[:, 3:]
        pairs += 2
        pairs >>= 2
        half[top // 2 : top // 2 + len(pairs)] = pairs.astype(np.uint8).view(_PIXEL)[:, ::2]
    return half.view(np.uint8).reshape(height // 2, width // 2, 3)
