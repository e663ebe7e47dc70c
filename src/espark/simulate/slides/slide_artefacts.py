"""What goes wrong on the way from tissue to picture: pen, blur, folds, bubbles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from espark.types import BoolArray, ByteArray, FloatArray

ArtefactKind = Literal["pen", "blur", "fold", "bubble"]
ARTEFACTS: tuple[ArtefactKind, ...] = ("pen", "blur", "fold", "bubble")

PEN_COLORS: dict[str, tuple[float, float, float]] = {
    "red": (0.10, 0.95, 0.80),
    "green": (0.95, 0.22, 0.62),
    "blue": (1.05, 0.75, 0.12),
    "black": (1.05, 1.05, 1.00),
}
"""Optical density of felt-tip pens in red, green and blue."""


@dataclass(frozen=True)
class Artefact:
    """One artefact on a slide.

    Attributes:
        kind: pen, blur, fold or bubble.
        top: first row of ``mask`` on the slide.
        left: first column of ``mask`` on the slide.
        mask: (height, width) where it lies.
        opaque: whether nuclei below cannot be seen.
    """

    kind: ArtefactKind
    top: int
    left: int
    mask: BoolArray
    opaque: bool = False


def add_artefact(canvas: ByteArray, tissue: BoolArray, kind: ArtefactKind, rng: np.random.Generator) -> Artefact:
    """Draw an artefact of a kind somewhere on tissue.

    Args:
        canvas: (height, width, 3) slide; changed in place.
        tissue: (height / 16, width / 16) coarse tissue mask, to aim at.
        kind: which artefact.
        rng: where, how large, which color.

    Returns:
        The artefact, with where it lies.
    """
    spots = np.argwhere(tissue)
    y, x = (spots[int(rng.integers(len(spots)))] * 16 + 8) if len(spots) else (np.array(canvas.shape[:2]) // 2)
    draw = {"pen": _pen, "blur": _blur, "fold": _fold, "bubble": _bubble}[kind]
    return draw(canvas, int(y), int(x), rng)


def _window(canvas: ByteArray, y: int, x: int, half: int) -> tuple[int, int, ByteArray]:
    top, left = max(y - half, 0), max(x - half, 0)
    return top, left, canvas[top : y + half, left : x + half]


def _distance_to_curve(shape: tuple[int, int], points: FloatArray) -> FloatArray:
    """Distance of every pixel from a polyline, at a quarter of the resolution, enlarged."""
    small = np.ones(((shape[0] + 3) // 4, (shape[1] + 3) // 4), bool)
    rows, columns = (points / 4).astype(int).T
    inside = (rows >= 0) & (columns >= 0) & (rows < small.shape[0]) & (columns < small.shape[1])
    small[rows[inside], columns[inside]] = False
    if small.all():
        return np.full(shape, 1e6, np.float32)
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(small).astype(np.float32), 0.8) * 4
    return np.asarray(np.repeat(np.repeat(distance, 4, 0), 4, 1)[: shape[0], : shape[1]], np.float32)


def _curve(rng: np.random.Generator, centre: tuple[float, float], length: float, bend: float) -> FloatArray:
    """Points of a gently curved stroke through ``centre``."""
    t = np.linspace(-0.5, 0.5, 600)
    angle = rng.uniform(0, 2 * np.pi) + bend * rng.normal() * t + 0.5 * bend * rng.normal() * np.sin(5 * t)
    steps = np.stack([np.sin(angle), np.cos(angle)], 1) * (length / len(t))
    path = np.cumsum(steps, 0)
    return np.asarray(path - path[len(t) // 2] + np.array(centre), np.float32)


def _pen(canvas: ByteArray, y: int, x: int, rng: np.random.Generator) -> Artefact:
    top, left, part = _window(canvas, y, x, 620)
    width = rng.uniform(45, 95)
    name = str(rng.choice(list(PEN_COLORS)))
    distance = _distance_to_curve(part.shape[:2], _curve(rng, (y - top, x - left), rng.uniform(600, 1100), 1.6))
    streaks = ndimage.zoom(rng.normal(1.0, 0.13, (part.shape[0] // 12 + 2, part.shape[1] // 40 + 2)), (12, 40), order=1)
    ink = np.clip((width - distance) / 6.0, 0, 1) * streaks[: part.shape[0], : part.shape[1]] * rng.uniform(0.55, 1.25)
    where = ink > 0.02
    for channel, density in enumerate(PEN_COLORS[name]):
        plane = part[:, :, channel]
        plane[where] = (plane[where] * 10 ** (-density * ink[where])).astype(np.uint8)
    opaque = float(np.median(ink[where]) if where.any() else 0.0) * PEN_COLORS[name][0] > 0.75
    return Artefact("pen", top, left, where, opaque)


def _blur(canvas: ByteArray, y: int, x: int, rng: np.random.Generator) -> Artefact:
    half = int(rng.uniform(200, 420))
    top, left, part = _window(canvas, y, x, half)
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    rho = np.hypot((rows - (y - top)) / half, (columns - (x - left)) / (half * rng.uniform(0.7, 1.0)))
    weight = np.clip((1.0 - rho) / 0.22, 0, 1).astype(np.float32)
    sigma = rng.uniform(3.0, 6.0)
    for channel in range(3):
        sharp = part[:, :, channel].astype(np.float32)
        soft = ndimage.gaussian_filter(sharp, sigma, truncate=2.5)
        part[:, :, channel] = sharp + weight * (soft - sharp)
    return Artefact("blur", top, left, weight > 0.5)


def _fold(canvas: ByteArray, y: int, x: int, rng: np.random.Generator) -> Artefact:
    """Tissue lies double along a band: its light passes twice through stain."""
    top, left, part = _window(canvas, y, x, 420)
    width = rng.uniform(18, 42)
    distance = _distance_to_curve(part.shape[:2], _curve(rng, (y - top, x - left), rng.uniform(350, 800), 0.9))
    band = np.clip((width - distance) / 5.0, 0, 1)
    shift = int(rng.integers(25, 60))
    second = np.roll(part, (shift, -shift), (0, 1))
    glass = np.percentile(part.reshape(-1, 3), 99, axis=0).astype(np.float32) if part.size else np.full(3, 240.0)
    # A little slack, so that the camera's noise does not darken empty glass.
    doubled = part * (np.minimum(1.03 * second / np.maximum(glass, 1), 1.0) ** 1.25)
    part[:] = (part + band[..., None] * (doubled - part)).astype(np.uint8)
    return Artefact("fold", top, left, band > 0.5)


def _bubble(canvas: ByteArray, y: int, x: int, rng: np.random.Generator) -> Artefact:
    """Air under the cover slip: a dark refracting rim, a pale blurred inside."""
    radius = int(rng.uniform(110, 300))
    top, left, part = _window(canvas, y, x, radius + 30)
    rows, columns = np.ogrid[: part.shape[0], : part.shape[1]]
    distance = np.hypot(rows - (y - top), (columns - (x - left)) * rng.uniform(0.85, 1.15)) - radius
    inside = (distance < 0).astype(np.float32)
    rim = np.exp(-((distance / 5.0) ** 2)) * 0.75 + 0.18 * np.exp(-(((distance + 14) / 8.0) ** 2))
    veil = np.float32(rng.uniform(0.25, 0.45))
    for channel in range(3):
        plane = part[:, :, channel].astype(np.float32)
        soft = ndimage.gaussian_filter(plane, 2.2, truncate=2.5)
        pale = soft + veil * (238 - soft)
        part[:, :, channel] = (plane + inside * (pale - plane)) * (1 - rim)
    return Artefact("bubble", top, left, np.asarray(distance < 8))


def draw_kinds(rng: np.random.Generator, rate: float) -> list[ArtefactKind]:
    """Which artefacts a slide gets: a Poisson number of mean ``rate``, each kind as likely."""
    return [ARTEFACTS[index] for index in rng.integers(0, len(ARTEFACTS), rng.poisson(rate))]
