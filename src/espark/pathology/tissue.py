"""Where a slide has tissue, and where pen, folds, bubbles or dirt must be left out.

Colors are judged as optical density against the slide's own glass. Stained tissue absorbs green most (eosin) or green
and red alike (hematoxylin), never evenly; ink and shadows do otherwise. The share of each channel in the total density
does not depend on how much dye there is, so pale tissue is kept (Van der Laak et al., Cytometry 39:275, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage import morphology

from espark.pathology.slide import Slide
from espark.types import BoolArray, ByteArray, FloatArray

TISSUE_MPP = 8.0
"""µm per pixel at which tissue is sought."""

_WHITE = np.array([245.0, 245.0, 245.0])
_TISSUE_CHROMA = 0.030
_SPECK_UM2 = 10_000.0
_HOLE_UM2 = 8_000.0
_CLOSING_UM = 16.0
_INK_UM2 = 3_000.0
_INK_MARGIN_UM = 24.0
_FOLD_UM2 = 12_000.0
_TILE_VIEW_PX = 64
_TILE_INK = 0.02
_BLUR_RATIO = 0.070
_BLUR_BLOCK_PX = 64
_BLUR_CONTRAST = 4.0


class Ground(IntEnum):
    """What lies at a place of the slide."""

    GLASS = 0
    TISSUE = 1
    PEN = 2
    FOLD = 3
    BUBBLE = 4


@dataclass(frozen=True)
class Tissue:
    """The tissue of one slide, seen at low resolution.

    Attributes:
        labels: uint8 (h, w), a `Ground` for each pixel.
        um_per_px: size of a pixel in µm.
        px_level0: size of a pixel in level-0 pixels.
        glass: color of the empty glass, RGB 0–255.
    """

    labels: ByteArray
    um_per_px: float
    px_level0: float
    glass: FloatArray

    @property
    def mask(self) -> BoolArray:
        """Usable tissue, bool (h, w)."""
        return np.asarray(self.labels == Ground.TISSUE)

    @property
    def area_mm2(self) -> float:
        """Area of usable tissue in mm²."""
        return float(self.mask.sum()) * (self.um_per_px / 1000.0) ** 2

    def fraction_in(self, coords: FloatArray, side: float, what: Ground = Ground.TISSUE) -> FloatArray:
        """Share of ``what`` in squares, weighing pixels by their overlap.

        Args:
            coords: (n, 2) x, y of the top-left corners in level-0 pixels.
            side: side of the squares in level-0 pixels.
            what: the ground that is counted.

        Returns:
            float32 (n,), 0–1.
        """
        hit = self.labels == what
        total = np.zeros((hit.shape[0] + 1, hit.shape[1] + 1))
        total[1:, 1:] = hit.cumsum(0).cumsum(1)
        x0, y0 = coords[:, 0] / self.px_level0, coords[:, 1] / self.px_level0
        x1, y1 = x0 + side / self.px_level0, y0 + side / self.px_level0

        def below(y: FloatArray, x: FloatArray) -> FloatArray:
            return np.asarray(ndimage.map_coordinates(total, [y, x], order=1, mode="nearest"))

        inside = below(y1, x1) - below(y0, x1) - below(y1, x0) + below(y0, x0)
        return np.asarray(np.clip(inside / (side / self.px_level0) ** 2, 0.0, 1.0), dtype=np.float32)


@dataclass(frozen=True)
class TileVerdict:
    """Whether a tile may be used.

    Attributes:
        keep: whether it may.
        reason: ``tissue`` when kept; else ``glass``, ``pen`` or ``blur``.
        tissue: share of the tile that is stained tissue, 0–1.
        pen: share of the tile that is ink, 0–1.
    """

    keep: bool
    reason: Literal["tissue", "glass", "pen", "blur"]
    tissue: float
    pen: float


def find_tissue(slide: Slide, *, um_per_px: float = TISSUE_MPP) -> Tissue:
    """Find the tissue of a slide and what must be left out of it.

    Args:
        slide: an open slide.
        um_per_px: resolution at which to look (coarser when the slide itself is).

    Raises:
        SlideError: when the slide cannot be read to its end.
    """
    picture, exact = slide.overview(um_per_px)
    glass = glass_color(picture)
    return Tissue(
        labels=label_ground(picture, glass, exact),
        um_per_px=exact,
        px_level0=exact / slide.mpp,
        glass=glass,
    )


def glass_color(picture: ByteArray) -> FloatArray:
    """Color of the empty glass: the most frequent bright, nearly gray tone, or off-white when there is none.

    Never-scanned parts are pure white and are left out of the count where scanned glass exists.
    """
    pixels = picture.reshape(-1, 3)
    bright = pixels[(pixels.min(axis=1) > 200) & (np.ptp(pixels, axis=1) < 14)]
    scanned = bright[bright.min(axis=1) < 254]
    if len(scanned) >= 0.005 * len(pixels):
        bright = scanned
    if len(bright) < 0.005 * len(pixels):
        return _WHITE.astype(np.float32)
    brightness = np.bincount(bright.max(axis=1), minlength=256)
    mode = int(np.argmax(ndimage.uniform_filter1d(brightness.astype(float), 5)))
    near = bright[np.abs(bright.max(axis=1).astype(int) - mode) <= 3]
    return np.asarray(np.median(near, axis=0), dtype=np.float32)


def label_ground(picture: ByteArray, glass: FloatArray, um_per_px: float) -> ByteArray:
    """Label every pixel of a low-resolution picture.

    Args:
        picture: uint8 (h, w, 3).
        glass: color of empty glass, RGB 0–255.
        um_per_px: size of a pixel.

    Returns:
        uint8 (h, w) of `Ground`.
    """
    density = optical_density(picture, glass)
    px_um2 = um_per_px**2
    ink, gray = _ink(density), _gray(density)
    tissue = _stained(density) & ~gray
    tissue = morphology.closing(tissue, _disk(round(_CLOSING_UM / um_per_px)))
    tissue = _without_small(tissue, _SPECK_UM2 / px_um2)
    tissue = ~_without_small(~tissue, _HOLE_UM2 / px_um2)
    labels = np.where(tissue, Ground.TISSUE, Ground.GLASS).astype(np.uint8)
    labels[_folds(density, tissue, px_um2)] = Ground.FOLD
    labels[_without_small(gray, _INK_UM2 / px_um2) & ~tissue] = Ground.BUBBLE
    pen = _without_small(ink, _INK_UM2 / px_um2)
    if pen.any():
        labels[morphology.dilation(pen, _disk(round(_INK_MARGIN_UM / um_per_px)))] = Ground.PEN
    return labels


def judge_tile(
    rgb: ByteArray, *, glass: FloatArray | None = None, min_tissue: float = 0.10, max_ink: float = _TILE_INK
) -> TileVerdict:
    """Judge one tile by itself.

    Args:
        rgb: uint8 (h, w, 3), some tens to some hundreds of µm wide.
        glass: color of empty glass; taken from the tile, or off-white, when not given.
        min_tissue: least share of stained tissue.
        max_ink: largest share of ink.
    """
    small = _shrunk(rgb, _TILE_VIEW_PX)
    density = optical_density(small, glass_color(rgb) if glass is None else glass)
    pen = float(_ink(density).mean())
    stained = _stained(density) & ~_gray(density)
    tissue = float(morphology.closing(stained, _disk(1)).mean())
    if pen >= max_ink:
        return TileVerdict(False, "pen", tissue, pen)
    if tissue < min_tissue:
        return TileVerdict(False, "glass", tissue, pen)
    if sharpness(rgb) < _BLUR_RATIO:
        return TileVerdict(False, "blur", tissue, pen)
    return TileVerdict(True, "tissue", tissue, pen)


def sharpness(rgb: ByteArray) -> float:
    """How much of a tile's contrast lies in its finest detail: below 0.07 out of focus, over 0.09 in focus.

    The ratio of the standard deviations of the finest and of all detail hardly depends on the dye. It is taken in
    blocks of 64 px, and the median over those that show anything counts: a tile that is half blurred is blurred.
    """
    side = min(_BLUR_BLOCK_PX, *rgb.shape[:2])
    green = rgb[..., 1].astype(np.float32) - np.float32(128.0)
    fine = green - ndimage.uniform_filter(green, 3)
    contrast = _block_spread(green, side)
    shown = contrast > _BLUR_CONTRAST
    return float(np.median(_block_spread(fine, side)[shown] / contrast[shown])) if shown.any() else 0.0


def _block_spread(values: FloatArray, side: int) -> FloatArray:
    """Standard deviation in blocks of ``side`` px."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    part = values[: rows * side, : columns * side]

    def mean(of: FloatArray) -> FloatArray:
        """Mean over blocks; adding up rows first keeps memory access in order."""
        strips = of.reshape(rows, side, columns * side).sum(axis=1)
        return np.asarray(strips.reshape(rows, columns, side).mean(axis=2) / side)

    return np.asarray(np.sqrt(np.maximum(mean(part * part) - mean(part) ** 2, 0.0)))


def optical_density(rgb: ByteArray, glass: FloatArray) -> FloatArray:
    """Optical density of each channel against the glass, float32 (..., 3), ≥ 0."""
    table = -np.log10(np.maximum(np.arange(256, dtype=np.float32), 1.0)[:, None] / glass.astype(np.float32))
    table = np.maximum(table, 0.0).astype(np.float32)
    return np.stack([table[rgb[..., channel], channel] for channel in range(3)], axis=-1)


def _stained(density: FloatArray) -> BoolArray:
    """Eosin or hematoxylin: the channels absorb unevenly, and green is not the one that absorbs least."""
    red, green, blue = _channels(density)
    other = np.maximum(red, blue)
    most = np.maximum(green, other)
    least = np.minimum(green, np.minimum(red, blue))
    return np.asarray((most - least > _TISSUE_CHROMA) & (green >= other - 0.25 * most))


def _ink(density: FloatArray) -> BoolArray:
    """Green and blue ink absorb red most; red ink absorbs blue nearly as much as green, and far more than eosin."""
    red, green, blue = _channels(density)
    total = red + green + blue
    green_or_blue = (red - green > 0.06 * total) & (total > 0.3)
    strong_red = (blue > 0.40) & (blue > 0.350 * total) & (red < 0.22 * total)
    pale_red = (blue > 0.25) & (blue > 0.40 * total) & (red < 0.30 * total)
    return np.asarray(green_or_blue | strong_red | pale_red | _even(density, 1.5))


def _gray(density: FloatArray) -> BoolArray:
    """Shadows, bubble rims and dirt: all channels absorb alike."""
    return _even(density, 0.12)


def _even(density: FloatArray, least: float) -> BoolArray:
    """All channels absorb alike, and together at least ``least``."""
    red, green, blue = _channels(density)
    total = red + green + blue
    spread = np.maximum(red, np.maximum(green, blue)) - np.minimum(red, np.minimum(green, blue))
    return np.asarray((total > least) & (spread < 0.25 * total / 3))


def _channels(density: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    return density[..., 0], density[..., 1], density[..., 2]


def _folds(density: FloatArray, tissue: BoolArray, px_um2: float) -> BoolArray:
    """Tissue that lies double: in every channel about twice as dense as the rest of the slide's tissue."""
    if not tissue.any():
        return np.zeros_like(tissue)
    mean = density.mean(axis=-1)
    doubled = tissue & (mean > max(0.55, 2.0 * float(np.median(mean[tissue])))) & (density.min(axis=-1) > 0.3)
    return _without_small(doubled, _FOLD_UM2 / px_um2)


def _without_small(mask: BoolArray, min_px: float) -> BoolArray:
    """The mask without its pieces below ``min_px`` pixels."""
    pieces, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    size = np.bincount(pieces.ravel())
    size[0] = 0
    return np.asarray((size >= max(1.0, min_px))[pieces])


def _disk(radius: int) -> BoolArray:
    """A disc of at least 1 px radius, as a neighborhood for morphology."""
    reach = max(1, radius)
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(y**2 + x**2 <= reach**2)


def _shrunk(rgb: ByteArray, side: int) -> ByteArray:
    """The tile at about ``side`` px, by averaging blocks."""
    factor = max(rgb.shape[:2]) // side
    return np.asarray(Image.fromarray(rgb).reduce(factor)) if factor > 1 else rgb
