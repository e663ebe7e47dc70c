"""Virtual biopsy slides: fragments of tissue on glass, written as a pyramidal TIFF, with the truth of every tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from espark.cells import COUNTED_CELLS
from espark.simulate.histology.cell_layers import populate
from espark.simulate.histology.fragment import Fragment, lay_out
from espark.simulate.histology.nuclei_kinds import KINDS
from espark.simulate.histology.paint import paint
from espark.simulate.histology.stain_style import SlideStyle, develop, slide_style, vary
from espark.simulate.slides.slide_artefacts import Artefact, add_artefact, draw_kinds
from espark.simulate.slides.slide_writer import write_pyramid
from espark.types import BoolArray, ByteArray, FloatArray, IntArray

__all__ = ["COARSE_PX", "MPP", "TILE_PX", "DrawnSlide", "SlideLatents", "SlideStyle", "draw_slide", "simulate_slide",
           "slide_style"]  # fmt: skip

MPP = 0.5
TILE_PX = 256
COARSE_PX = 16
"""Level-0 pixels to a side of a cell of the true tissue map."""
_BLOCK = 512
_RIM = 4

_COUNTED_OF_KIND: IntArray = np.array([COUNTED_CELLS.index(k.cell) if k.cell else -1 for k in KINDS], np.int64)


@dataclass(frozen=True)
class SlideLatents:
    """What is true of a patient's tumor, as far as a slide can show it.

    Attributes:
        well_fraction: share of well-differentiated among tumor cells, 0..1.
        lymphocytes_per_mm2: mean density over tumor and its stroma.
        neutrophils_per_mm2: mean density over tumor and its stroma.
        stroma_fraction: area share of stroma among tumor and stroma, 0..1.
        vessels_per_mm2: density over the stroma.
        necrosis_fraction: area share of necrosis among tumor and stroma, 0..1.
    """

    well_fraction: float
    lymphocytes_per_mm2: float
    neutrophils_per_mm2: float
    stroma_fraction: float
    vessels_per_mm2: float
    necrosis_fraction: float

    def __post_init__(self) -> None:
        for name in ("well_fraction", "stroma_fraction", "necrosis_fraction"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must lie in 0..1, not {getattr(self, name)}")
        for name in ("lymphocytes_per_mm2", "neutrophils_per_mm2", "vessels_per_mm2"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")


@dataclass(frozen=True)
class DrawnSlide:
    """A virtual slide before it is written, with its truth.

    Attributes:
        picture: uint8 (height, width, 3), level 0.
        style: of this very slide.
        tissue: float32 (⌈height / 16⌉, ⌈width / 16⌉), share of tissue in cells of `COARSE_PX`, artefacts apart.
        artefacts: what lies on it.
        tiles: the truth of its tiles, as `simulate_slide` returns it.
    """

    picture: ByteArray
    style: SlideStyle
    tissue: FloatArray
    artefacts: tuple[Artefact, ...]
    tiles: pd.DataFrame


def simulate_slide(
    path: Path, latents: SlideLatents, style: SlideStyle, rng: np.random.Generator, *, tiles: int = 150
) -> pd.DataFrame:
    """Write a virtual slide and return the truth of its tiles.

    Args:
        path: where the TIFF is written.
        latents: what its tissue shows.
        style: of its center; the slide's own stain varies around it.
        rng: source of everything else.
        tiles: about how many 256-px tiles hold tissue.

    Returns:
        One row for every tile of 256 px on the grid from (0, 0) that holds tissue: ``x``, ``y`` (level-0 pixels,
        top-left), ``n_<cell>`` for every key of ``COUNTED_CELLS`` (visible nuclei whose centre lies in the
        tile), ``tissue_fraction`` and ``artefact`` ("", "pen", "blur", "fold" or "bubble").

    Raises:
        ValueError: when ``tiles`` is not positive.
    """
    drawn = draw_slide(latents, style, rng, tiles=tiles)
    write_pyramid(path, drawn.picture, mpp=MPP, quality=drawn.style.jpeg_quality)
    return drawn.tiles


def draw_slide(latents: SlideLatents, style: SlideStyle, rng: np.random.Generator, *, tiles: int = 150) -> DrawnSlide:
    """Draw a virtual slide without writing it.

    Args:
        latents: what its tissue shows.
        style: of its center; the slide's own stain varies around it.
        rng: source of everything else.
        tiles: about how many 256-px tiles hold tissue.

    Raises:
        ValueError: when ``tiles`` is not positive.
    """
    if tiles < 1:
        raise ValueError(f"tiles must be positive, not {tiles}")
    own_style = vary(style, rng)
    shape, fragments = lay_out(latents, rng, tiles * TILE_PX**2)
    canvas = np.empty((*shape, 3), np.uint8)
    canvas[:] = np.clip(np.rint(own_style.background), 0, 255).astype(np.uint8)
    tissue = np.zeros((-(-shape[0] // COARSE_PX), -(-shape[1] // COARSE_PX)), np.float32)
    noise_origin = (int(rng.integers(1024)), int(rng.integers(1024)))
    for fragment in fragments:
        populate(fragment.scene, fragment.immune, rng)
        _paint_fragment(canvas, tissue, fragment, own_style, noise_origin)
    artefacts = [add_artefact(canvas, tissue > 0.5, kind, rng) for kind in draw_kinds(rng, own_style.artefact_rate)]
    truth = _tile_truth(shape, fragments, tissue, artefacts)
    return DrawnSlide(canvas, own_style, tissue, tuple(artefacts), truth)


def _paint_fragment(
    canvas: ByteArray, tissue: FloatArray, fragment: Fragment, style: SlideStyle, noise_origin: tuple[int, int]
) -> None:
    """Paint block by block, so that memory stays small and empty glass costs nothing."""
    height, width = (int(extent / MPP) for extent in (fragment.scene.height_um, fragment.scene.width_um))
    for top in range(fragment.top, fragment.top + height, _BLOCK):
        for left in range(fragment.left, fragment.left + width, _BLOCK):
            bottom, right = min(top + _BLOCK, fragment.top + height), min(left + _BLOCK, fragment.left + width)
            origin = ((top - fragment.top - _RIM) * MPP, (left - fragment.left - _RIM) * MPP)
            densities, share = paint(fragment.scene, origin, (bottom - top + 2 * _RIM, right - left + 2 * _RIM), MPP)
            if not share.any():
                continue
            densities *= np.float32(fragment.thickness)
            place = (noise_origin[0] + top, noise_origin[1] + left)
            canvas[top:bottom, left:right] = develop(densities, style, MPP, place)[_RIM:-_RIM, _RIM:-_RIM]
            _note_tissue(tissue, share[_RIM:-_RIM, _RIM:-_RIM], top, left)


def _note_tissue(tissue: FloatArray, share: FloatArray, top: int, left: int) -> None:
    """Add a block's tissue to the coarse mask (blocks start on its grid)."""
    rows, columns = -(-share.shape[0] // COARSE_PX), -(-share.shape[1] // COARSE_PX)
    padded = np.zeros((rows * COARSE_PX, columns * COARSE_PX), np.float32)
    padded[: share.shape[0], : share.shape[1]] = share
    mean = padded.reshape(rows, COARSE_PX, columns, COARSE_PX).mean((1, 3))
    tissue[top // COARSE_PX : top // COARSE_PX + rows, left // COARSE_PX : left // COARSE_PX + columns] += mean


def _tile_truth(
    shape: tuple[int, int], fragments: list[Fragment], tissue: FloatArray, artefacts: list[Artefact]
) -> pd.DataFrame:
    rows, columns = shape[0] // TILE_PX, shape[1] // TILE_PX
    per_tile = TILE_PX // COARSE_PX
    fraction = tissue[: rows * per_tile, : columns * per_tile].reshape(rows, per_tile, columns, per_tile).mean((1, 3))
    counts = np.zeros((rows * columns, len(COUNTED_CELLS)), np.int64)
    for fragment in fragments:
        cells = fragment.scene.cells
        assert cells is not None
        y = np.floor(cells.y / MPP).astype(np.int64) + fragment.top
        x = np.floor(cells.x / MPP).astype(np.int64) + fragment.left
        kind = _COUNTED_OF_KIND[cells.kind]
        seen = (kind >= 0) & (y < rows * TILE_PX) & (x < columns * TILE_PX) & ~_hidden(artefacts, y, x)
        tile = (y[seen] // TILE_PX) * columns + x[seen] // TILE_PX
        np.add.at(counts, (tile, kind[seen]), 1)
    names = _artefact_names(artefacts, rows, columns)
    with_tissue = np.flatnonzero(fraction.ravel() > 0)
    table = pd.DataFrame({"x": with_tissue % columns * TILE_PX, "y": with_tissue // columns * TILE_PX})
    for index, cell in enumerate(COUNTED_CELLS):
        table[f"n_{cell}"] = counts[with_tissue, index]
    table["tissue_fraction"] = np.clip(fraction.ravel()[with_tissue], 0, 1)
    table["artefact"] = names[with_tissue]
    return table


def _hidden(artefacts: list[Artefact], y: IntArray, x: IntArray) -> BoolArray:
    hidden = np.zeros(len(y), bool)
    for artefact in artefacts:
        if artefact.opaque:
            hidden |= _covered(artefact, y, x)
    return hidden


def _covered(artefact: Artefact, y: IntArray, x: IntArray) -> BoolArray:
    row, column = y - artefact.top, x - artefact.left
    height, width = artefact.mask.shape
    inside = (row >= 0) & (column >= 0) & (row < height) & (column < width)
    covered = np.zeros(len(y), bool)
    covered[inside] = artefact.mask[row[inside], column[inside]]
    return covered


def _artefact_names(artefacts: list[Artefact], rows: int, columns: int) -> np.ndarray:
    """Name of the artefact that covers most of each tile, at least a tenth of it."""
    best = np.full(rows * columns, 0.10)
    names = np.full(rows * columns, "", object)
    for artefact in artefacts:
        area = np.zeros((rows * TILE_PX, columns * TILE_PX), bool)
        height, width = artefact.mask.shape
        part = area[artefact.top : artefact.top + height, artefact.left : artefact.left + width]
        part[:] = artefact.mask[: part.shape[0], : part.shape[1]]
        share = area.reshape(rows, TILE_PX, columns, TILE_PX).mean((1, 3)).ravel()
        names[share > best] = artefact.kind
        best = np.maximum(best, share)
    return names
