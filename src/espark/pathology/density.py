"""Colors of a slide as optical density against its own glass, to find stain, ink and shadows.

Stained tissue absorbs green most (eosin) or green and red alike (hematoxylin), never evenly. Ink and shadows
do not follow this. The share of each channel in the total density does not depend on the amount of dye, so pale tissue
is kept (Van der Laak et al., Cytometry 39:275, 2000).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from espark.types import BoolArray, ByteArray, FloatArray

_WHITE = np.array([245.0, 245.0, 245.0])
_TISSUE_CHROMA = 0.030


def glass_color(picture: ByteArray) -> FloatArray:
    """Color of the empty glass: the most frequent bright, nearly gray tone, or off-white when there is none.

    Parts that were never scanned are pure white. They are not counted if there is scanned glass.
    """
    pixels = picture.reshape(-1, 3)
    red, green, blue = pixels.T
    least, most = np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
    bright = pixels[(least > 200) & (most - least < 14)]
    scanned = bright[bright.min(axis=1) < 254]
    if len(scanned) >= 0.005 * len(pixels):
        bright = scanned
    if len(bright) < 0.005 * len(pixels):
        return _WHITE.astype(np.float32)
    brightness = np.bincount(bright.max(axis=1), minlength=256)
    mode = int(np.argmax(ndimage.uniform_filter1d(brightness.astype(float), 5)))
    near = bright[np.abs(bright.max(axis=1).astype(int) - mode) <= 3]
    return np.asarray(np.median(near, axis=0), dtype=np.float32)


def optical_density(rgb: ByteArray, glass: FloatArray) -> FloatArray:
    """Optical density of each channel against the glass, float32 (..., 3), ≥ 0."""
    table = -np.log10(np.maximum(np.arange(256, dtype=np.float32), 1.0)[:, None] / glass.astype(np.float32))
    table = np.maximum(table, 0.0).astype(np.float32)
    planes = np.empty((3, *rgb.shape[:-1]), dtype=np.float32)
    for channel, plane in enumerate(planes):
        np.take(table[:, channel], rgb[..., channel], out=plane, mode="clip")
    return np.moveaxis(planes, 0, -1)  # each channel is contiguous: all further steps use single channels


def is_stained(density: FloatArray) -> BoolArray:
    """Eosin or hematoxylin: the channels absorb unevenly, and green is not the one that absorbs least."""
    red, green, blue = _channels(density)
    other = np.maximum(red, blue)
    most = np.maximum(green, other)
    least = np.minimum(green, np.minimum(red, blue))
    unevenly = (most - least > _TISSUE_CHROMA) & (green >= other - 0.25 * most)
    return np.asarray(unevenly & ~is_gray(density))


def is_ink(density: FloatArray) -> BoolArray:
    """Green and blue ink absorb red most; red ink absorbs blue nearly as much as green, and far more than eosin."""
    red, green, blue = _channels(density)
    total = red + green + blue
    green_or_blue = (red - green > 0.06 * total) & (total > 0.3)
    strong_red = (blue > 0.40) & (blue > 0.350 * total) & (red < 0.22 * total)
    pale_red = (blue > 0.25) & (blue > 0.40 * total) & (red < 0.30 * total)
    return np.asarray(green_or_blue | strong_red | pale_red | _even(density, 1.5))


def is_ink_on_tissue(density: FloatArray) -> BoolArray:
    """Blue and black ink on stained tissue, at several µm per pixel.

    Averaged over several micrometres, no tissue absorbs as much red as green (single nuclei do), and no tissue
    absorbs as much of all colors.
    """
    red, green, blue = _channels(density)
    least = np.minimum(green, np.minimum(red, blue))
    most = np.maximum(green, np.maximum(red, blue))
    on_blue = (red > 0.6) & (red > 0.92 * green) & (blue < 0.3 * red)
    on_black = (least > 0.65) & (most - least < 0.15 * (red + green + blue))
    return np.asarray(on_blue | on_black)


def is_gray(density: FloatArray) -> BoolArray:
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
