"""Views of pieces: cut, turned, zoomed, stained, blurred and compressed differently each time, with exact labels."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from espark.pretrain.encoder_pieces import AREA_PX, AREAS, KIND_NAMES, PIECE_PX, Pieces, unpacked
from espark.simulate.histology.stain_style import SlideStyle, random_style
from espark.types import AnyArray, ByteArray, FloatArray, IntArray

LOCAL_STRIDE = 16
TILE_PX = 256
ZOOM = (0.55, 2.0)
"""How much larger than real a view may show things. Scale is an encoder's weak spot, so this is wide …"""

_ZOOM_MEAN, _ZOOM_SPREAD = 0.16, 0.30
"""… but most views are near the true scale (mean and SD of the logarithm), because size distinguishes nuclei. The
mean is above it because nuclei of real sections are, on average, somewhat larger than those of the virtual trial."""

_VARIED_MEAN, _VARIED_SPREAD = 0.12, 0.27
"""The same for varied pieces. Their nuclei have no true scale: large tumor nuclei must not be counted as several."""

_SOILED_SHARE = 0.08
"""Share of views with dirt, ink or pigment on them: dark, but no nucleus."""

_TRUE_SHARE, _TRUE_SPREAD = 0.4, 0.06
"""Share of the views that are at the true scale, give or take (SD of the logarithm), and not stretched.

Fine types, such as the lobes of a neutrophil, are learned there."""

_ASPECT = 0.14
"""Largest stretch of a view, as a logarithm: nuclei of real tissue are rounder or slimmer than drawn ones."""

SIZES: tuple[int, ...] = (64, 96, 128, 192)
_SIZE_SHARES = (0.20, 0.30, 0.35, 0.15)


@dataclass(frozen=True)
class Views:
    """A batch of views.

    Attributes:
        tiles: float32 (n, 3, s, s), 0–1.
        counts: float32 (n, kinds), cells of each of `KIND_NAMES` as if the view filled a tile of 256 px.
        areas: float32 (n, areas), share of the view for each of `AREAS`, 0–1.
        local_counts: float32 (n, kinds, s/16, s/16), number of cells of each kind in each cell of the map.
        local_areas: float32 (n, areas, s/16, s/16), 1 where the class is in the middle of the map's cell, else 0.
    """

    tiles: Tensor
    counts: Tensor
    areas: Tensor
    local_counts: Tensor
    local_areas: Tensor


@dataclass(frozen=True)
class _Window:
    """A rectangle of a piece in pixels."""

    top: float
    left: float
    height: float
    width: float


class _View(NamedTuple):
    """One view before the optics: light 0–1, cells per map cell, tissue classes per map cell."""

    light: FloatArray
    counts: FloatArray
    areas: FloatArray


def draw_views(pieces: Pieces, indices: IntArray, rng: np.random.Generator, *, sizes: tuple[int, ...] = SIZES) -> Views:
    """Draw one view of each of the given pieces, all of one size.

    Args:
        pieces: tissue.
        indices: which pieces, (n,).
        rng: source of everything that varies.
        sizes: sides to choose from, in pixels; when given, all are as likely.
    """
    size = int(rng.choice(sizes, p=_SIZE_SHARES if sizes is SIZES else None))
    drawn = [_one_view(pieces, int(index), size, rng) for index in indices]
    light, counts, areas = (torch.from_numpy(np.stack(part)) for part in zip(*drawn, strict=True))
    return Views(
        tiles=_scanner(_optics(light, rng), rng),
        counts=counts.sum(dim=(2, 3)) * (TILE_PX / size) ** 2,
        areas=areas.mean(dim=(2, 3)),
        local_counts=counts,
        local_areas=areas,
    )


def developed(densities: ByteArray, rng: np.random.Generator) -> ByteArray:
    """A picture of stored densities (3, s, s) by a random laboratory and scanner, uint8 (s, s, 3)."""
    light = _stained(unpacked(densities), random_style(rng), rng)
    seen = _scanner(_optics(torch.from_numpy(light)[None], rng), rng)[0]
    return np.asarray((seen * 255.0).round().to(torch.uint8).permute(1, 2, 0).numpy())


def _one_view(pieces: Pieces, index: int, size: int, rng: np.random.Generator) -> _View:
    window, grid = _draw_window(size, bool(pieces.varied[index]), rng), size // LOCAL_STRIDE
    density = _chemistry(_resampled(pieces, index, window, size), rng)
    counts, areas = _cells_in(pieces.cells_of(index), window, grid), _areas_in(pieces.areas[index], window, grid)
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    density, counts, areas = (_turned(part, turns, mirrored) for part in (density, counts, areas))
    light = _stained(density, random_style(rng, spread=float(rng.uniform(0.5, 1.8))), rng)
    if rng.random() < _SOILED_SHARE:
        light, counts = _soiled(light, counts, rng)
    return _View(light, counts, areas)


def _cells_in(cells: FloatArray, window: _Window, grid: int) -> FloatArray:
    """Number of cells of each kind in each cell of a map of the window, (kinds, grid, grid)."""
    y, x = (cells[:, 0] - window.top) / window.height, (cells[:, 1] - window.left) / window.width
    inside = (y >= 0) & (y < 1) & (x >= 0) & (x < 1)
    counts = np.zeros((len(KIND_NAMES), grid, grid), np.float32)
    place = (np.floor(y[inside] * grid).astype(np.int64), np.floor(x[inside] * grid).astype(np.int64))
    np.add.at(counts, (cells[inside, 2].astype(np.int64), *place), 1.0)
    return counts


def _areas_in(bits: npt.NDArray[np.uint16], window: _Window, grid: int) -> FloatArray:
    """Tissue classes in the middle of each cell of a map of the window, (areas, grid, grid)."""
    step = AREA_PX
    at = (np.arange(grid) + 0.5) / grid
    rows = np.clip(((window.top + at * window.height) / step).astype(np.int64), 0, bits.shape[0] - 1)
    columns = np.clip(((window.left + at * window.width) / step).astype(np.int64), 0, bits.shape[1] - 1)
    seen = bits[np.ix_(rows, columns)]
    return ((seen[None] >> np.arange(len(AREAS), dtype=np.uint16)[:, None, None]) & 1).astype(np.float32)


def _draw_window(size: int, varied: bool, rng: np.random.Generator) -> _Window:
    true_scale = not varied and rng.random() < _TRUE_SHARE
    mean, spread = (_VARIED_MEAN, _VARIED_SPREAD) if varied else (_ZOOM_MEAN, _ZOOM_SPREAD)
    logarithm = rng.normal(0.0, _TRUE_SPREAD) if true_scale else rng.normal(mean, spread)
    zoom = float(np.clip(np.exp(logarithm), max(ZOOM[0], size / PIECE_PX), ZOOM[1]))
    stretch = 1.0 if true_scale else np.exp(rng.uniform(-_ASPECT, _ASPECT) / 2)
    height, width = (min(size / zoom * factor, float(PIECE_PX)) for factor in (stretch, 1 / stretch))
    return _Window(rng.uniform(0, PIECE_PX - height), rng.uniform(0, PIECE_PX - width), height, width)


def _resampled(pieces: Pieces, index: int, window: _Window, size: int) -> FloatArray:
    """Densities in the window, to ``size`` px with antialiasing."""
    y, x = int(window.top), int(window.left)
    part = pieces.density(index, np.s_[y : y + max(4, round(window.height)), x : x + max(4, round(window.width))])
    smaller = max(part.shape[1:]) > size
    scaled = functional.interpolate(
        torch.from_numpy(part)[None], (size, size), mode="bilinear", antialias=smaller, align_corners=False
    )
    return np.asarray(scaled[0].numpy())


def _chemistry(density: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What dye does in ways the simulator has no word for: washed-out ground, denser or more vesicular nuclei, haze."""
    hematoxylin, eosin, blood = density
    if rng.random() < 0.15:
        eosin = eosin * np.float32(rng.uniform(0.1, 0.7))
    full = np.float32(0.7)
    hematoxylin = full * (hematoxylin / full) ** np.float32(np.exp(rng.normal(0.0, 0.16)))
    if rng.random() < 0.35:
        local = ndimage.gaussian_filter(hematoxylin, rng.uniform(1.0, 2.5), truncate=2.0)
        hematoxylin = hematoxylin + np.float32(rng.uniform(-0.45, 0.7)) * (hematoxylin - local)
    if rng.random() < 0.3:
        hematoxylin = hematoxylin + np.float32(rng.uniform(0.0, 0.25)) * eosin
    return np.asarray(np.maximum(np.stack([hematoxylin, eosin, blood]), 0.0), dtype=np.float32)


def _turned(part: FloatArray, turns: int, mirrored: bool) -> FloatArray:
    turned = np.rot90(part, turns, axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if mirrored else turned)


def _stained(density: FloatArray, style: SlideStyle, rng: np.random.Generator) -> FloatArray:
    """Light that passes the section, 0–1, (3, s, s); thickness varies over the view."""
    gains = np.array([style.hematoxylin_gain, style.eosin_gain, style.eosin_gain]) * style.thickness
    gains *= np.exp(rng.normal(0.0, (0.12, 0.20, 0.20)))
    vectors = (np.array([style.hematoxylin, style.eosin, style.blood]) * gains[:, None]).astype(np.float32)
    size = density.shape[1]
    uneven = torch.from_numpy(rng.normal(0.0, style.thickness_variation, (1, 1, 3, 3)).astype(np.float32))
    thickness = 1.0 + functional.interpolate(uneven, (size, size), mode="bicubic", align_corners=True)[0, 0].numpy()
    absorbed = (vectors.T @ density.reshape(3, -1)).reshape(3, size, size) * thickness
    glass = np.array(style.background, dtype=np.float32)[:, None, None] / np.float32(255.0)
    return np.asarray(glass * np.exp(np.float32(-np.log(10.0)) * absorbed), dtype=np.float32)


def _soiled(light: FloatArray, counts: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Lay dark grains and lumps over a view; what they cover is not counted."""
    size, grid = light.shape[1], counts.shape[1]
    lumps = ndimage.gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), rng.uniform(6.0, 25.0))
    grains = ndimage.gaussian_filter(rng.standard_normal((size, size), dtype=np.float32), rng.uniform(0.8, 2.5))
    heap = lumps / lumps.std() + np.float32(rng.uniform(0.1, 0.8)) * grains / grains.std()
    cover = heap > np.quantile(heap, 1.0 - rng.uniform(0.02, 0.5))
    through = ndimage.gaussian_filter(1.0 - cover.astype(np.float32), 0.6) ** np.float32(rng.uniform(1.0, 3.0))
    color = rng.uniform(0.02, 0.25) * np.array([1.0, rng.uniform(0.6, 1.0), rng.uniform(0.3, 1.0)], dtype=np.float32)
    covered = cover.reshape(grid, size // grid, grid, size // grid).mean(axis=(1, 3)) > 0.5
    seen = light * through + color[:, None, None] * (1.0 - through)
    return np.asarray(seen, np.float32), np.where(covered, np.float32(0.0), counts)


def _optics(tiles: Tensor, rng: np.random.Generator) -> Tensor:
    """Blur of every view by its own lens; some views sharpened, as scanners do."""
    sigma = np.where(
        rng.random(len(tiles)) < 0.25, rng.uniform(0.9, 1.7, len(tiles)), rng.uniform(0.2, 0.9, len(tiles))
    )
    soft = _blurred(tiles, sigma)
    strength = np.where(rng.random(len(tiles)) < 0.3, rng.uniform(0.3, 1.2, len(tiles)), 0.0)
    amount = torch.from_numpy(strength.astype(np.float32))[:, None, None, None]
    return soft + amount * (soft - _blurred(soft, np.full(len(tiles), 1.2)))


def _blurred(tiles: Tensor, sigma: AnyArray) -> Tensor:
    reach = 4
    at = np.arange(-reach, reach + 1)
    kernel = np.exp(-0.5 * (at[None] / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(axis=1, keepdims=True)).repeat(3, axis=0).astype(np.float32)
    weights = torch.from_numpy(kernel)
    flat = functional.pad(tiles, (reach,) * 4, mode="reflect").flatten(0, 1)[None]
    flat = functional.conv2d(flat, weights[:, None, None, :], groups=len(weights))
    flat = functional.conv2d(flat, weights[:, None, :, None], groups=len(weights))
    return flat[0].reshape(tiles.shape)


def _scanner(tiles: Tensor, rng: np.random.Generator) -> Tensor:
    """Color response, contrast, noise, JPEG; now and then a gray picture, for color must never be all there is."""
    count = len(tiles)

    def per_view(low: float, high: float, channels: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low, high, (count, channels, 1, 1)).astype(np.float32))

    tiles = tiles.clamp(1e-3, 1.0) ** torch.exp(per_view(-0.25, 0.25, 1) + per_view(-0.08, 0.08, 3))
    tiles = tiles * per_view(0.88, 1.06, 1) * per_view(0.95, 1.05, 3)
    gray = torch.from_numpy((rng.random(count) < 0.08).astype(np.float32))[:, None, None, None]
    tiles = tiles * (1 - gray) + gray * tiles.mean(dim=1, keepdim=True)
    noise = torch.from_numpy(rng.standard_normal(tiles.shape, dtype=np.float32))
    tiles = (tiles + noise * per_view(0.0, 0.018, 1)).clamp(0.0, 1.0)
    pixels = (tiles * 255.0).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    for index in np.flatnonzero(rng.random(count) < 0.6):
        pixels[index] = _compressed(pixels[index], int(rng.integers(40, 96)))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255.0)


def _compressed(rgb: ByteArray, quality: int) -> ByteArray:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))
