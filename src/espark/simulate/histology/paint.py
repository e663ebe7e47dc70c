"""Paints a scene: fields, structures and cells become densities of hematoxylin, eosin and hemoglobin.

Any window of a scene can be painted at any resolution; neighbouring windows fit without a seam.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from espark.simulate.histology.fields import Evaluator, look_up, smoothstep, tiled
from espark.simulate.histology.nuclei import Stamp, StampSource, stamps
from espark.simulate.histology.nuclei_kinds import KIND_INDEX
from espark.simulate.histology.scene import Ring, Scene, fibre_axes, fibre_axes_at
from espark.types import DoubleArray, FloatArray, IntArray

_BLOCK = 192
"""Largest side in pixels of the blocks in which the ground is painted: their arrays stay in the processor's cache."""

_SEED_MARGIN_UM = 22.0
_HALF_RIM = 2
_ONE = np.float32(1.0)
_POOR = tuple(KIND_INDEX[name] for name in ("poor", "poor_dark", "poor_pale", "mitosis"))


@dataclass
class _Canvas:
    """A window while it is painted: axes in micrometres and the three densities."""

    scene: Scene
    y: DoubleArray
    x: DoubleArray
    mpp: float
    densities: FloatArray

    def __post_init__(self) -> None:
        self.hematoxylin, self.eosin, self.blood = self.densities
        self.evaluate = Evaluator(self.scene.fields["tissue"].shape, self.y, self.x)

    def part(self, rows: slice, columns: slice) -> _Canvas:
        """Some rows and columns of the window; what is painted there is painted here."""
        return _Canvas(self.scene, self.y[rows], self.x[columns], self.mpp, self.densities[:, rows, columns])

    def blocks(self) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of the blocks that make up the window; all begin at even numbers."""
        rows, columns = (_cut(len(axis)) for axis in (self.y, self.x))
        return itertools.product(rows, columns)

    def field(self, name: str) -> FloatArray:
        return self.evaluate(self.scene.fields[name])

    def near(self, name: str) -> bool:
        """Whether a class may occur in this window."""
        return name in self.scene.fields and self.evaluate.highest(self.scene.fields[name]) > -12.0

    @property
    def epithelial(self) -> bool:
        """Whether there may be tumor or squamous epithelium in this window."""
        return self.near("nest") or self.near("squamous")

    def tiled(self, name: str, shift: float = 0.0) -> FloatArray:
        return tiled(name, self.y + self.scene.shift[0] + shift, self.x + self.scene.shift[1] + 2 * shift)

    def inside(self, name: str, wobble: FloatArray | float = 0.0, soft: float = 1.2) -> FloatArray | None:
        """Soft mask of a class, None when it is nowhere in this window."""
        return None if not self.near(name) else smoothstep(self.field(name) + wobble, -soft, soft)


def paint(
    scene: Scene,
    origin_um: tuple[float, float],
    shape: tuple[int, int],
    mpp: float,
    *,
    nuclei: StampSource = stamps,
) -> tuple[FloatArray, FloatArray]:
    """Paint a window of a scene.

    Args:
        scene: the tissue, its cells placed.
        origin_um: y and x of the window's top-left corner, in micrometres.
        shape: height and width of the window, in pixels.
        mpp: micrometres per pixel.
        nuclei: stamps of the cells; those of the virtual trial unless given.

    Returns:
        (3, height, width) densities of hematoxylin, eosin and hemoglobin; and (height, width) share of tissue, 0..1.
    """
    y: DoubleArray = (origin_um[0] + (np.arange(shape[0]) + 0.5) * mpp).astype(np.float64)
    x: DoubleArray = (origin_um[1] + (np.arange(shape[1]) + 0.5) * mpp).astype(np.float64)
    densities = np.zeros((3, *shape), np.float32)
    canvas = _Canvas(scene, y, x, mpp, densities)
    tissue = canvas.inside("tissue", 1.1 * canvas.tiled("mottle", 37.0) + 2.5 * canvas.tiled("cloud", 11.0), 1.8)
    if tissue is None or not tissue.any():
        return densities, np.zeros(shape, np.float32)
    extent = _extent(tissue)
    _paint_tissue(canvas.part(*extent), tissue[extent], nuclei)
    densities *= tissue
    return densities, tissue


def _extent(tissue: FloatArray) -> tuple[slice, slice]:
    """Rows and columns that hold tissue, from even numbers on."""
    rows, columns = (np.flatnonzero(tissue.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]) // 2 * 2, int(rows[-1]) + 1), slice(int(columns[0]) // 2 * 2, int(columns[-1]) + 1)


def _cut(size: int) -> list[slice]:
    """A side in equal pieces of at most ``_BLOCK``, the last one smaller."""
    step = 2 * -(-size // (2 * -(-size // _BLOCK)))
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def _paint_tissue(canvas: _Canvas, tissue: FloatArray, nuclei: StampSource) -> None:
    bodies = _cell_bodies(canvas) if canvas.epithelial else None
    for rows, columns in canvas.blocks():
        if not tissue[rows, columns].any():
            continue
        block = canvas.part(rows, columns)
        _ground(block, bodies.part(rows, columns) if bodies and block.epithelial else None)
    for ring in _near(canvas.scene.rings, canvas):
        _ring(canvas, ring)
    _cells(canvas, nuclei)


def _blend(target: FloatArray, weight: FloatArray, value: FloatArray | DoubleArray | np.floating[Any]) -> None:
    target += weight * (value - target)


def _ground(canvas: _Canvas, bodies: _Bodies | None) -> None:
    look = canvas.scene.look
    grain, mottle = canvas.tiled("grain"), canvas.tiled("mottle", 37.0)
    _stroma(canvas, grain, mottle)
    muscle = canvas.inside("muscle", 2.0 * mottle, 4.0)
    if muscle is not None:
        across, along = fibre_axes(canvas.scene, canvas.y, canvas.x, canvas.evaluate)
        stripes = look_up("fibre", across * 1.3, along) * np.float32(0.5) + look_up("bundle", across, along)
        cracks = smoothstep(stripes, -1.9, -1.3)
        _blend(canvas.eosin, muscle, 0.34 * cracks * (1 + 0.10 * stripes + 0.05 * grain))
        _blend(canvas.hematoxylin, muscle, 0.04 * cracks)
    blood = canvas.inside("blood", 2.0 * mottle, 3.0)
    if blood is not None:
        canvas.eosin *= _ONE - np.float32(0.7) * blood
    if bodies is not None:
        _nest(canvas, bodies, grain, mottle)
        _squamous(canvas, bodies, grain, mottle)
    necrosis = canvas.inside("necrosis", 5.0 * mottle, 5.0)
    if necrosis is not None:
        clumps = canvas.tiled("mottle", 91.0) + 0.3 * canvas.tiled("cloud", 17.0)
        ghost = (1 + 0.16 * grain + 0.20 * clumps + 0.12 * mottle) * smoothstep(clumps, -2.8, -1.3)
        _blend(canvas.eosin, necrosis, np.maximum((look.well_eosin + 0.05) * ghost, 0.01))
        _blend(canvas.hematoxylin, necrosis, np.maximum(0.06 + 0.03 * clumps + 0.03 * grain, 0.0))
    np.maximum(canvas.eosin, 0.0, out=canvas.eosin)
    np.maximum(canvas.hematoxylin, 0.0, out=canvas.hematoxylin)


def _stroma(canvas: _Canvas, grain: FloatArray, mottle: FloatArray) -> None:
    """Collagen: even and finely fibrillar, in thick bundles, or, where loose, a net of thin strands."""
    look = canvas.scene.look
    across, along = fibre_axes(canvas.scene, canvas.y, canvas.x, canvas.evaluate)
    threads = look_up("fibre", across, along)
    strands = look_up("bundle", across * np.float32(0.85) + np.float32(200.0), along)
    strands += np.float32(0.25) * threads
    loose = canvas.field("loose") + np.float32(look.loose) + np.float32(0.15) * mottle
    clefts = np.exp(-((strands / np.float32(0.16)) ** 2)) * smoothstep(loose, -0.7, 0.9)
    fibre = _ONE - np.float32(0.95) * clefts
    if look.chunky > 0.05:
        bundled = smoothstep(strands - np.float32(0.55) * loose, -0.75, 0.15)
        fibre += np.float32(look.chunky) * (bundled - fibre)
    eosin = look.collagen * fibre * (_ONE + np.float32(0.17) * threads + np.float32(0.07) * grain)
    haze = look.haze * (np.float32(0.4) + np.float32(0.6) * fibre)
    if look.reticular > 0.05:
        net = _net(canvas, mottle) + np.float32(0.35) * smoothstep(threads, 0.6, 1.8)
        open_tissue = smoothstep(loose, 0.0, 0.6) * np.float32(look.reticular)
        _blend(
            eosin, open_tissue, np.float32(0.6 * look.collagen) * np.minimum(net, np.float32(1.2)) + np.float32(0.015)
        )
        _blend(haze, open_tissue, np.float32(1.4 * look.haze) * net)
    if canvas.evaluate.highest(canvas.scene.fields["infiltrate"]) > 0.12:
        crowded = smoothstep(canvas.field("infiltrate") + np.float32(0.06) * mottle, 0.10, 0.42)
        # Packed cells leave no room for fibres at all.
        cleared = crowded * np.maximum(np.float32(look.open), smoothstep(canvas.field("infiltrate"), 0.3, 0.6))
        eosin *= _ONE - np.float32(0.93) * cleared * smoothstep(mottle + np.float32(1.6) * cleared, -0.9, 0.9)
        haze *= _ONE - np.float32(0.8) * cleared
    canvas.eosin[:] = eosin
    canvas.hematoxylin[:] = np.maximum(haze + np.float32(0.008) * grain, 0.0)


def _net(canvas: _Canvas, mottle: FloatArray) -> FloatArray:
    """Thin strands where two smooth noises cross zero, uneven in strength."""
    other = canvas.tiled("mottle", 143.0)
    width = np.float32(0.24)
    net = np.exp(-((mottle / width) ** 2)) + np.exp(-(((other + np.float32(0.3) * mottle) / width) ** 2))
    return np.asarray(
        net * (np.float32(0.75) + np.float32(0.3) * canvas.tiled("cloud", 61.0)).clip(0.1, 1.4), np.float32
    )


class _Bodies(NamedTuple):
    """Cell bodies at every pixel, (height, width) each.

    Attributes:
        border: 1 on the border between two bodies, 0 within them.
        middle: 1 in the middle of a body, 0 at its border.
        tint: unit noise of the cytoplasm's color, one value for each body.
    """

    border: FloatArray
    middle: FloatArray
    tint: FloatArray


@dataclass(frozen=True)
class _HalfBodies:
    """Cell bodies of a window at half its resolution, with a rim; the parts of the window are enlarged from it.

    Attributes:
        layers: (3, height / 2 + 4, width / 2 + 4) borders, borders widened by a blur, and tints.
    """

    layers: FloatArray

    def part(self, rows: slice, columns: slice) -> _Bodies:
        """The bodies in some rows and columns of the window, which begin at even numbers."""
        low, high = (np.array([axis.start // 2, (axis.stop + 1) // 2 + 2 * _HALF_RIM]) for axis in (rows, columns))
        border, wide, tint = _double(self.layers[:, low[0] : low[1], high[0] : high[1]])[
            :, : rows.stop - rows.start, : columns.stop - columns.start
        ]
        return _Bodies(
            np.minimum(border * np.float32(0.9), _ONE), np.clip(_ONE - wide * np.float32(3.2), 0.0, 1.0), tint
        )


def _cell_bodies(canvas: _Canvas) -> _HalfBodies:
    """The bodies in a window."""
    scene, step = canvas.scene, 2 * canvas.mpp
    rows, columns = (
        axis[0] + canvas.mpp / 2 + (np.arange((len(axis) + 1) // 2 + 2 * _HALF_RIM) - _HALF_RIM) * step
        for axis in (canvas.y, canvas.x)
    )
    layers = np.zeros((3, len(rows), len(columns)), np.float32)
    label = _nearest_seed(scene, rows, columns)
    if label is not None:
        assert scene.seeds is not None
        edge, wide, tint = layers
        edge[:-1] += label[1:] != label[:-1]
        edge[:, :-1] += label[:, 1:] != label[:, :-1]
        ndimage.gaussian_filter(edge, 2.4 / step, output=wide, truncate=2.0)
        tint[:] = scene.seeds.tint.take(label)
    return _HalfBodies(layers)


def _double(half: FloatArray) -> FloatArray:
    """Twice the resolution along the last two axes, linear between pixels, without the rim."""
    for axis in (1, 2):
        half = np.swapaxes(half, 1, axis)
        near, before, after = np.float32(0.75) * half[:, 2:-2], half[:, 1:-3], half[:, 3:-1]
        full = np.empty((len(half), 2 * near.shape[1], half.shape[2]), np.float32)
        np.add(near, np.float32(0.25) * before, out=full[:, 0::2])
        np.add(near, np.float32(0.25) * after, out=full[:, 1::2])
        half = np.swapaxes(full, 1, axis)
    return half


def _nearest_seed(scene: Scene, y: DoubleArray, x: DoubleArray) -> IntArray | None:
    """Index of the cell body at every point of a grid, None when there are no bodies.

    Nearness is judged in the coordinates of the fibres, across which distances count more: so bodies are longer than
    wide, and stream with the tissue.
    """
    seeds, look = scene.seeds, scene.look
    if seeds is None or not len(seeds.y):
        return None
    across, along = fibre_axes(scene, y, x)
    seed_across, seed_along = fibre_axes_at(scene, seeds.y, seeds.x)
    stretch = np.sqrt(look.elongation)
    step = y[1] - y[0]
    grid = [across * np.float32(stretch / step), along * np.float32(1 / stretch / step)]
    places = [seed_across * (stretch / step), seed_along / (stretch * step)]
    margin = _SEED_MARGIN_UM / step
    low = [int(np.floor(part.min() - margin)) for part in grid]
    size = tuple(int(np.ceil(part.max() + margin)) - first + 1 for part, first in zip(grid, low, strict=True))
    rows, columns = (np.rint(part).astype(np.int64) - first for part, first in zip(places, low, strict=True))
    here = np.flatnonzero((rows >= 0) & (columns >= 0) & (rows < size[0]) & (columns < size[1]))
    if not len(here):
        return None
    owner = np.full(size, -1, np.int32)
    owner[rows[here], columns[here]] = here
    nearest = ndimage.distance_transform_edt(owner < 0, return_distances=False, return_indices=True)
    row, column = ((part - np.float32(first)).astype(np.int32) for part, first in zip(grid, low, strict=True))
    places_on_grid = row * size[1] + column
    nearest_row, nearest_column = (part.ravel().take(places_on_grid) for part in nearest)
    return np.asarray(owner.ravel().take(nearest_row * size[1] + nearest_column))


def _nest(canvas: _Canvas, bodies: _Bodies, grain: FloatArray, mottle: FloatArray) -> None:
    if not canvas.near("nest"):
        return
    look, (border, middle, tint) = canvas.scene.look, bodies
    distance = canvas.field("nest") + np.float32(1.4) * mottle
    nest = smoothstep(distance, -1.0, 1.0)
    if look.cleft > 0.5:
        gap = (
            smoothstep(distance, -5.0 * look.cleft, -1.0) * (_ONE - nest) * smoothstep(canvas.tiled("cloud"), -0.2, 0.6)
        )
        canvas.eosin *= _ONE - gap
        canvas.hematoxylin *= _ONE - gap
    pale = smoothstep(canvas.field("pale"), -0.3, 1.3)
    pattern = 1 + 0.13 * tint + 0.08 * grain + 0.06 * mottle
    well_e = look.well_eosin * pattern * (1 - (look.clear * (0.35 + 0.65 * pale)) * middle)
    well_e *= 1 + look.lattice * border - look.gap * border * (0.6 + 0.4 * pale)
    well_h = 0.045 + 0.012 * tint + 0.012 * grain
    rim = smoothstep(-distance, -20.0, -6.0)
    well_h = well_h + np.float32(0.07) * rim
    poor = canvas.inside("poor", 4.0 * mottle, 6.0)
    if poor is not None:
        poor_e = look.poor_eosin * (1 + 0.10 * tint + 0.12 * grain + 0.08 * mottle - 0.30 * look.gap * border)
        poor_h = look.poor_haze * (1 + 0.18 * tint + 0.25 * grain + 0.15 * mottle)
        _blend(well_e, poor, poor_e)
        _blend(well_h, poor, poor_h)
    _blend(canvas.eosin, nest, well_e)
    _blend(canvas.hematoxylin, nest, well_h)


def _squamous(canvas: _Canvas, bodies: _Bodies, grain: FloatArray, mottle: FloatArray) -> None:
    squamous = canvas.inside("squamous", mottle, 1.0)
    if squamous is None:
        return
    look, (border, middle, tint) = canvas.scene.look, bodies
    depth = canvas.field("depth") + np.float32(2.0) * mottle
    layer = depth / np.maximum(canvas.field("thickness"), 1.0)
    base, top = smoothstep(layer, 0.72, 0.95), 1 - smoothstep(layer, 0.05, 0.30)
    glycogen = (1 - base) * (1 - top)
    along = np.add.outer(canvas.y, canvas.x).astype(np.float32) + np.float32(4096.0)
    lamella = look_up("fibre", np.maximum(depth, 0) * np.float32(1.2) + np.float32(512.0), along)
    eosin = 0.20 + 0.08 * top + top * 0.05 * lamella + 0.02 * tint + 0.014 * grain
    eosin *= 1 - (0.25 + 0.65 * look.clear) * glycogen * middle
    eosin *= 1 + (0.5 * look.lattice - 0.35 * look.gap) * border * (1 - top)
    hematoxylin = 0.03 + 0.10 * base + 0.012 * grain + 0.01 * tint
    _blend(canvas.eosin, squamous, eosin)
    _blend(canvas.hematoxylin, squamous, hematoxylin)


def _near(rings: list[Ring], canvas: _Canvas) -> list[Ring]:
    return [
        ring
        for ring in rings
        if canvas.y[0] - ring.reach < ring.y < canvas.y[-1] + ring.reach
        and canvas.x[0] - ring.reach < ring.x < canvas.x[-1] + ring.reach
    ]


def _ring(canvas: _Canvas, ring: Ring) -> None:
    top, bottom = np.searchsorted(canvas.y, (ring.y - ring.reach, ring.y + ring.reach))
    left, right = np.searchsorted(canvas.x, (ring.x - ring.reach, ring.x + ring.reach))
    if bottom <= top or right <= left:
        return
    part = np.s_[top:bottom, left:right]
    y = canvas.y[top:bottom].astype(np.float32)[:, None]
    x = canvas.x[left:right].astype(np.float32)[None, :]
    distance, theta = ring.distance(y, x)
    hematoxylin, eosin, local = canvas.hematoxylin[part], canvas.eosin[part], canvas.part(*part).tiled("grain")
    if ring.kind == "pearl":
        _pearl(canvas, ring, distance, theta, part)
        return
    lumen = 1 - smoothstep(distance, -0.6, 0.6)
    wall = (1 - smoothstep(distance, ring.wall - 0.8, ring.wall + 0.8)) * (1 - lumen)
    if ring.kind == "fat":
        _blend(eosin, wall, np.float32(0.16))
        _blend(hematoxylin, wall, np.float32(0.03))
        plasma = np.float32(0.0)
    elif ring.kind == "vessel":
        _blend(eosin, wall, 0.24 + 0.03 * local)
        _blend(hematoxylin, wall, np.float32(0.05))
        plasma = np.float32(0.05 if ring.filled > 0.2 else 0.004)
    else:
        towards_lumen = 1 - smoothstep(distance, 0.25 * ring.wall, 0.75 * ring.wall)
        _blend(eosin, wall, 0.15 + 0.03 * local + 0.02 * np.sin(theta * 2 * np.pi * ring.a / 5.0))
        _blend(hematoxylin, wall, 0.11 - 0.05 * towards_lumen + 0.015 * local)
        plasma = np.float32(0.01)
    _blend(eosin, lumen, plasma)
    _blend(hematoxylin, lumen, np.float32(0.003))


def _pearl(canvas: _Canvas, ring: Ring, distance: FloatArray, theta: FloatArray, part: tuple[slice, slice]) -> None:
    """Keratin in whorls: bright lamellae around a core, clefts between some of them."""
    depth = np.maximum(-distance, 0.0)
    whole = smoothstep(-distance, 0.0, 0.45 * ring.b)
    turn = theta * np.float32(ring.b * 0.9)
    lamella = look_up("fibre", depth * np.float32(0.75) + np.float32(700.0 + ring.y % 97), turn + np.float32(4096.0))
    bundle = look_up("bundle", depth * np.float32(1.1) + np.float32(300.0 + ring.x % 89), turn + np.float32(4096.0))
    keratin = (0.46 + 0.09 * lamella + 0.05 * bundle) * smoothstep(bundle + 0.4 * lamella, -1.9, -1.2)
    _blend(canvas.eosin[part], whole, np.maximum(keratin, 0.01))
    _blend(canvas.hematoxylin[part], whole, np.maximum(0.02 + 0.012 * lamella, 0.0))


def _cells(canvas: _Canvas, nuclei: StampSource) -> None:
    cells = canvas.scene.cells
    if cells is None or not len(cells):
        return
    look, mpp = canvas.scene.look, canvas.mpp
    _, height, width = canvas.densities.shape
    rows, columns = (cells.y - canvas.y[0]) / mpp, (cells.x - canvas.x[0]) / mpp
    reach = 20.0 / mpp
    near = np.flatnonzero((rows > -reach) & (columns > -reach) & (rows < height + reach) & (columns < width + reach))
    kinds = cells.kind[near].tolist()
    banks = {
        kind: nuclei(kind, mpp / (look.nuclear_size * (look.poor_scale if kind in _POOR else 1.0)))
        for kind in set(kinds)
    }
    places = (np.rint(axis[near]).astype(np.int64).tolist() for axis in (rows, columns))
    gains = np.ones((len(near), 3, 1, 1), np.float32)
    gains[:, 0, 0, 0] = cells.gain[near]
    for row, column, kind, variant, gain in zip(*places, kinds, cells.variant[near].tolist(), gains, strict=True):
        bank = banks[kind]
        _press(canvas.densities, bank[variant % len(bank)], row, column, gain)


def _press(densities: FloatArray, stamp: Stamp, row: int, column: int, gain: FloatArray) -> None:
    """Press a stamp into the tissue; what reaches beyond the window is cut off."""
    _, height, width = densities.shape
    top, left = row + stamp.top, column + stamp.left
    bottom, right = top + stamp.keep.shape[0], left + stamp.keep.shape[1]
    if bottom <= 0 or right <= 0 or top >= height or left >= width:
        return
    added, keep = stamp.added, stamp.keep
    if top < 0 or left < 0 or bottom > height or right > width:
        inner = np.s_[..., max(-top, 0) : height - top, max(-left, 0) : width - left]
        added, keep = added[inner], keep[inner]
    below = densities[:, max(top, 0) : bottom, max(left, 0) : right]
    below *= keep
    below += added * gain
