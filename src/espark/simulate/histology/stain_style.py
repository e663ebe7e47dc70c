"""How a center's laboratory and scanner render tissue: stain vectors, section thickness, glass, optics, JPEG.

Tissue is described by three densities (hematoxylin, eosin, hemoglobin). A style turns them into a picture by light
absorption (Beer-Lambert): ``intensity = background * 10 ** -(density @ stain vectors)``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from espark.simulate.histology.fields import sensor_noise
from espark.types import ByteArray, DoubleArray, FloatArray

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class SlideStyle:
    """Look of the slides of one center, or of one slide.

    Attributes:
        hematoxylin: optical density of hematoxylin in red, green and blue; unit length.
        eosin: the same for eosin.
        blood: the same for hemoglobin.
        hematoxylin_gain: strength of the nuclear stain; 1 is average.
        eosin_gain: strength of the counterstain; 1 is average.
        thickness: section thickness relative to the usual 4 µm.
        thickness_variation: standard deviation of the thickness within a slide, relative.
        background: color of the empty glass, 0..255.
        blur_um: standard deviation of the optics' point spread, in micrometres.
        sharpen: strength of the scanner's unsharp mask; 0 is none.
        noise: standard deviation of the sensor noise, in grey levels.
        jpeg_quality: quality of the JPEG tiles, 1..100.
        artefact_rate: expected number of artefacts per slide.
    """

    hematoxylin: Rgb
    eosin: Rgb
    blood: Rgb = (0.09, 0.84, 0.53)
    hematoxylin_gain: float = 1.0
    eosin_gain: float = 1.0
    thickness: float = 1.0
    thickness_variation: float = 0.08
    background: Rgb = (243.0, 241.0, 243.0)
    blur_um: float = 0.3
    sharpen: float = 0.0
    noise: float = 1.5
    jpeg_quality: int = 85
    artefact_rate: float = 1.0


# Corners of the plane in which real laboratories lie: from blue to magenta hematoxylin, from pink to orange eosin.
_HEMATOXYLIN_BLUE = np.array([0.73, 0.64, 0.20])
_HEMATOXYLIN_MAGENTA = np.array([0.46, 0.82, 0.36])
_EOSIN_PINK = np.array([0.06, 0.99, 0.14])
_EOSIN_ORANGE = np.array([0.12, 0.88, 0.46])
_EOSIN_VIOLET = np.array([0.22, 0.96, 0.18])
_BLOOD_ORANGE = np.array([0.10, 0.76, 0.64])
_BLOOD_PINK = np.array([0.07, 0.96, 0.28])

_CENTERS: tuple[SlideStyle, ...] = (
    SlideStyle(
        hematoxylin=(0.655, 0.700, 0.285),
        eosin=(0.090, 0.985, 0.145),
        hematoxylin_gain=1.0,
        eosin_gain=1.0,
        background=(243.0, 241.0, 243.0),
        blur_um=0.16,
        jpeg_quality=88,
    ),
    SlideStyle(
        hematoxylin=(0.560, 0.765, 0.318),
        eosin=(0.080, 0.968, 0.238),
        hematoxylin_gain=0.88,
        eosin_gain=1.30,
        thickness=1.12,
        background=(238.0, 234.0, 240.0),
        blur_um=0.24,
        sharpen=0.8,
        jpeg_quality=80,
    ),
    SlideStyle(
        hematoxylin=(0.712, 0.665, 0.225),
        eosin=(0.160, 0.975, 0.155),
        hematoxylin_gain=1.18,
        eosin_gain=0.85,
        thickness=0.90,
        background=(232.0, 233.0, 232.0),
        blur_um=0.28,
        jpeg_quality=75,
    ),
)


def slide_style(center_index: int) -> SlideStyle:
    """The style of a center; from the fourth on, drawn once for each index.

    Args:
        center_index: 0 is the development center.

    Raises:
        ValueError: when ``center_index`` is negative.
    """
    if center_index < 0:
        raise ValueError(f"center_index must not be negative, not {center_index}")
    if center_index < len(_CENTERS):
        return _CENTERS[center_index]
    return random_style(np.random.default_rng([0x57A1, center_index]))


def random_style(rng: np.random.Generator, *, spread: float = 1.0) -> SlideStyle:
    """A style from the whole range that laboratories show (``spread`` 1) or beyond."""
    hue = rng.uniform(0.0, 1.0)
    warm, violet = rng.dirichlet([1.0, 1.0, 1.0])[:2]
    hematoxylin = _HEMATOXYLIN_BLUE + hue * (_HEMATOXYLIN_MAGENTA - _HEMATOXYLIN_BLUE)
    eosin = _EOSIN_PINK + warm * (_EOSIN_ORANGE - _EOSIN_PINK) + violet * (_EOSIN_VIOLET - _EOSIN_PINK)
    return SlideStyle(
        hematoxylin=_unit(hematoxylin + rng.normal(0.0, 0.025 * spread, 3)),
        eosin=_unit(eosin + rng.normal(0.0, 0.025 * spread, 3)),
        blood=_unit(_BLOOD_ORANGE + rng.uniform() * (_BLOOD_PINK - _BLOOD_ORANGE)),
        hematoxylin_gain=float(np.exp(rng.normal(0.0, 0.25 * spread))),
        eosin_gain=float(np.exp(rng.normal(0.0, 0.32 * spread))),
        thickness=float(np.exp(rng.normal(0.0, 0.12 * spread))),
        thickness_variation=float(rng.uniform(0.03, 0.12)),
        background=_glass(np.full(3, rng.uniform(222.0, 250.0)), rng),
        blur_um=float(rng.uniform(0.06, 0.45)),
        sharpen=float(rng.choice([0.0, rng.uniform(0.3, 2.0)])),
        noise=float(rng.uniform(0.3, 3.0)),
        jpeg_quality=int(rng.integers(60, 96)),
    )


def vary(style: SlideStyle, rng: np.random.Generator) -> SlideStyle:
    """The style of one slide of a center: batch of stain, microtome setting and focus differ from day to day.

    The draw depends on nothing but ``rng``, so that color carries no outcome; it is wide enough to drown what tissue
    composition does to a slide's mean color.
    """
    return replace(
        style,
        hematoxylin=_unit(np.array(style.hematoxylin) + rng.normal(0.0, 0.022, 3)),
        eosin=_unit(np.array(style.eosin) + rng.normal(0.0, 0.022, 3)),
        hematoxylin_gain=style.hematoxylin_gain * float(np.exp(rng.normal(0.0, 0.21))),
        eosin_gain=style.eosin_gain * float(np.exp(rng.normal(0.0, 0.22))),
        thickness=style.thickness * float(np.exp(rng.normal(0.0, 0.10))),
        background=_glass(np.array(style.background) + rng.normal(0.0, 2.5), rng),
        blur_um=style.blur_um * float(np.exp(rng.normal(0.0, 0.15))),
    )


def develop(densities: FloatArray, style: SlideStyle, mpp: float, noise_origin: tuple[int, int]) -> ByteArray:
    """The picture that a scanner takes of a stained section.

    Args:
        densities: (3, height, width) hematoxylin, eosin and hemoglobin; overwritten.
        style: stain and scanner.
        mpp: micrometres per pixel.
        noise_origin: row and column of the picture in the (periodic) field of sensor noise.

    Returns:
        (height, width, 3) picture, 0..255.
    """
    _through_optics(densities, style, mpp)
    gains = np.array([style.hematoxylin_gain, style.eosin_gain, style.eosin_gain]) * style.thickness
    vectors = np.array([style.hematoxylin, style.eosin, style.blood]) * gains[:, None] * -np.log(10.0)
    _, height, width = densities.shape
    picture = np.empty((height, width, 3), np.uint8)
    noise = sensor_noise(noise_origin, (height, width)) * np.float32(style.noise) if style.noise > 0 else None
    flat = densities.reshape(3, -1)
    for channel in range(3):
        light = (vectors[:, channel].astype(np.float32) @ flat).reshape(height, width)
        np.exp(light, out=light)
        light *= np.float32(style.background[channel])
        light += np.float32(0.5)
        if noise is not None:
            light += noise
        np.clip(light, 0.0, 255.0, out=light)
        picture[:, :, channel] = light
    return picture


def _through_optics(densities: FloatArray, style: SlideStyle, mpp: float) -> None:
    sigma = max(style.blur_um / mpp, 0.2)
    for density in densities:
        if not density.any():
            continue
        density[:] = _blurred(density, sigma, truncate=2.5)
        if style.sharpen > 0:
            soft = _blurred(density, 1.2, truncate=2.0)
            density += np.float32(style.sharpen) * (density - soft)
            np.maximum(density, 0.0, out=density)


def _blurred(picture: FloatArray, sigma: float, truncate: float) -> FloatArray:
    """A Gaussian blur of a pixel or so, as `scipy.ndimage.gaussian_filter` gives it, at a fraction of its time."""
    radius = int(truncate * sigma + 0.5)
    weights = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    weights /= weights[0] + 2 * weights[1:].sum()
    for axis, pad in enumerate([((radius, radius), (0, 0)), ((0, 0), (radius, radius))]):
        padded = np.swapaxes(np.pad(picture, pad, mode="edge"), 0, axis)
        size = picture.shape[axis]
        blurred = padded[radius : radius + size] * np.float32(weights[0])
        for step, weight in enumerate(weights[1:].astype(np.float32), start=1):
            blurred += (padded[radius - step :][:size] + padded[radius + step :][:size]) * weight
        picture = np.swapaxes(blurred, 0, axis)
    return picture


def _glass(color: DoubleArray, rng: np.random.Generator) -> Rgb:
    """Nearly grey glass around a color."""
    red, green, blue = np.minimum(color + rng.normal(0.0, 1.0, 3), 254.0)
    return float(red), float(green), float(blue)


def _unit(vector: DoubleArray) -> Rgb:
    positive = np.maximum(vector, 0.01)
    red, green, blue = positive / np.linalg.norm(positive)
    return float(red), float(green), float(blue)
