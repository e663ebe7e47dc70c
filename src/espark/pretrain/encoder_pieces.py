"""Pieces of simulated tissue for fitting the encoder: stain densities, every cell's place, and the tissue classes.

A piece is kept as densities of hematoxylin, eosin and hemoglobin, so that each visit can stain it differently. Some
pieces show the tissue of the virtual trial, the others varied tissue (`espark.pretrain.varied_tissue`) at the size that
nuclei have on real slides.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from espark.files import atomic_path
from espark.pretrain.varied_tissue import draw_block
from espark.simulate.histology.fields import at_points
from espark.simulate.histology.nuclei_kinds import KINDS
from espark.simulate.histology.paint import paint
from espark.simulate.histology.scene import Scene
from espark.simulate.histology.tile import random_scene
from espark.types import BoolArray, ByteArray, DoubleArray, FloatArray

PIECE_PX = 320
PIECE_MPP = 0.5
FIRST_SEED = 1000
"""Seeds below belong to the virtual trial."""

AREAS: tuple[str, ...] = (
    "tissue", "stroma", "tumor", "well", "poor", "squamous", "necrosis", "muscle", "fat", "blood", "crushed",
    "keratin", "gland", "vessel",
)  # fmt: skip
"""Tissue classes, in the order of the bits of a piece's map."""

KIND_NAMES: tuple[str, ...] = tuple(kind.name for kind in KINDS)

AREA_PX = 8
"""Width of a place in a piece's map of tissue classes, in pixels."""

VARIED_SHARE = 0.6
VARIED_MPP = (0.37, 0.54)
"""Share of varied pieces, and the micrometres of the simulator that a pixel of theirs spans: nuclei of real sections
are smaller or larger than those of the virtual trial, depending on fixation and scanner."""

_MARGIN_UM = 24.0
_DENSITY_SCALE = 150.0
_SHARD = 250


@dataclass(frozen=True)
class Pieces:
    """Many pieces of tissue.

    Attributes:
        densities: uint8 (n, 3, 320, 320), hematoxylin, eosin and hemoglobin × 150, at 0.5 µm per pixel.
        areas: uint16 (n, 40, 40), one bit for each of `AREAS`, at 4 µm per pixel.
        cells: float32 (m, 3), y and x in pixels and the index into `KIND_NAMES`, of all pieces one after the other.
        first_cell: int64 (n + 1), where each piece's cells begin.
        varied: bool (n,), whether a piece shows varied tissue.
    """

    densities: ByteArray
    areas: npt.NDArray[np.uint16]
    cells: FloatArray
    first_cell: npt.NDArray[np.int64]
    varied: BoolArray

    def __len__(self) -> int:
        return len(self.densities)

    def shares(self) -> DoubleArray:
        """How often each piece is visited, (n,), adding up to 1: half of it alike, half by what is rare.

        Each kind of cell is given the same weight in the second half, and lends it to the pieces that show it.
        """
        piece = np.repeat(np.arange(len(self)), np.diff(self.first_cell))
        shown = np.zeros((len(self), len(KIND_NAMES)))
        np.add.at(shown, (piece, self.cells[:, 2].astype(np.int64)), 1.0)
        shown = shown[:, shown.any(axis=0)]
        return np.asarray(0.5 / len(self) + 0.5 * (shown / shown.sum(axis=0)).mean(axis=1))

    def density(self, index: int, window: tuple[slice, slice]) -> FloatArray:
        """Densities of a window (rows, columns) of one piece, float32 (3, h, w)."""
        return unpacked(self.densities[index][:, *window])

    def cells_of(self, index: int) -> FloatArray:
        """Cells of one piece, float32 (k, 3)."""
        return self.cells[self.first_cell[index] : self.first_cell[index + 1]]


def unpacked(densities: ByteArray) -> FloatArray:
    """Densities from the bytes in which they are kept."""
    return np.asarray(densities, dtype=np.float32) / np.float32(_DENSITY_SCALE)


def load_pieces(
    folder: Path, count: int, *, seed: int = FIRST_SEED, workers: int = 1, report: Callable[[str], None]
) -> Pieces:
    """Draw ``count`` pieces, or read those that an earlier run has drawn.

    Args:
        folder: where the drawn pieces lie; made when missing.
        count: how many; rounded up to whole shards of 250.
        seed: at least `FIRST_SEED`.
        workers: processes that draw.
        report: told how far the drawing is.

    Raises:
        ValueError: when ``seed`` belongs to the virtual trial.
    """
    if seed < FIRST_SEED:
        raise ValueError(f"seeds below {FIRST_SEED} belong to the virtual trial, not {seed}")
    shards = -(-count // _SHARD)
    missing = [shard for shard in range(shards) if not _is_current(_shard_path(folder, seed, shard))]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_draw_shard, _shard_path(folder, seed, shard), seed, shard) for shard in missing]
        for done, future in enumerate(as_completed(waiting), 1):
            future.result()
            report(f"drew {done * _SHARD} of {len(missing) * _SHARD} pieces")
    return _joined([_shard_path(folder, seed, shard) for shard in range(shards)])


def _joined(paths: list[Path]) -> Pieces:
    densities = np.empty((len(paths) * _SHARD, 3, PIECE_PX, PIECE_PX), np.uint8)  # filled in place: gigabytes
    areas, cells, lengths, varied = [], [], [], []
    for index, path in enumerate(paths):
        with np.load(path) as part:
            densities[index * _SHARD : (index + 1) * _SHARD] = part["densities"]
            areas.append(part["areas"])
            cells.append(part["cells"])
            lengths.append(part["lengths"])
            varied.append(part["varied"])
    return Pieces(
        densities=densities,
        areas=np.concatenate(areas),
        cells=np.concatenate(cells),
        first_cell=np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.int64),
        varied=np.concatenate(varied),
    )


def _shard_path(folder: Path, seed: int, shard: int) -> Path:
    return folder / f"pieces-{seed}-{shard:04d}.npz"


def _is_current(path: Path) -> bool:
    """Whether the shard is there, names the same kinds and areas, and knows which pieces are varied."""
    if not path.is_file():
        return False
    with np.load(path) as shard:
        return "varied" in shard and tuple(shard["kinds"]) == KIND_NAMES and tuple(shard["area_names"]) == AREAS


def _draw_shard(path: Path, seed: int, shard: int) -> None:
    drawn = [draw_piece(np.random.default_rng([seed, shard, index])) for index in range(_SHARD)]
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            densities=np.stack([piece[0] for piece in drawn]),
            areas=np.stack([piece[1] for piece in drawn]),
            cells=np.concatenate([piece[2] for piece in drawn]),
            lengths=np.array([len(piece[2]) for piece in drawn], dtype=np.int64),
            varied=np.array([piece[3] for piece in drawn]),
            kinds=np.array(KIND_NAMES),
            area_names=np.array(AREAS),
        )


def draw_piece(rng: np.random.Generator) -> tuple[ByteArray, npt.NDArray[np.uint16], FloatArray, bool]:
    """Densities, area bits, cells and sort of one piece; see `Pieces`."""
    varied = bool(rng.random() < VARIED_SHARE)
    mpp = float(rng.uniform(*VARIED_MPP)) if varied else PIECE_MPP
    extent = PIECE_PX * mpp + 2 * _MARGIN_UM
    if varied:
        scene, densities = draw_block(rng, extent, _MARGIN_UM, PIECE_PX, mpp)
    else:
        scene = random_scene(rng, extent)
        densities, _ = paint(scene, (_MARGIN_UM, _MARGIN_UM), (PIECE_PX, PIECE_PX), mpp)
    packed = np.clip(np.rint(densities * _DENSITY_SCALE), 0, 255).astype(np.uint8)
    return packed, _area_bits(scene, mpp), _cells(scene, mpp), varied


def _cells(scene: Scene, mpp: float) -> FloatArray:
    cells = scene.cells
    if cells is None:
        return np.zeros((0, 3), np.float32)
    place = np.stack([(cells.y - _MARGIN_UM) / mpp, (cells.x - _MARGIN_UM) / mpp, cells.kind], axis=1)
    inside = ((place[:, :2] >= 0) & (place[:, :2] < PIECE_PX)).all(axis=1)
    return place[inside].astype(np.float32)


def _area_bits(scene: Scene, mpp: float) -> npt.NDArray[np.uint16]:
    side = PIECE_PX // AREA_PX
    at: DoubleArray = _MARGIN_UM + (np.arange(side, dtype=np.float64) + 0.5) * AREA_PX * mpp
    y, x = (axis.ravel() for axis in np.meshgrid(at, at, indexing="ij"))

    def inside(name: str) -> BoolArray:
        if name not in scene.fields:
            return np.zeros((side, side), bool)
        return np.asarray(at_points(scene.fields[name], y, x).reshape(side, side) > 0)

    known = {"pearl", "gland", "vessel"} | {ring.kind for ring in scene.rings}
    rings = {kind: np.zeros((side, side), bool) for kind in known}
    axis = at.astype(np.float32)
    for ring in scene.rings:
        rings[ring.kind] |= ring.distance(axis[:, None], axis[None, :])[0] < ring.wall
    tissue, ringed = inside("tissue"), rings["gland"] | rings["vessel"]
    squamous, necrosis = inside("squamous") & tissue, inside("necrosis") & tissue
    fat, muscle = inside("fat") & tissue, inside("muscle") & tissue
    malignant = rings["gland"] & inside("malignant") & tissue
    tumor = (inside("nest") & tissue & ~squamous & ~necrosis & ~ringed) | malignant
    poor = tumor & inside("poor")
    shown = {
        "tissue": tissue,
        "stroma": tissue & ~tumor & ~squamous & ~fat & ~muscle & ~necrosis & ~ringed,
        "tumor": tumor, "well": tumor & ~poor, "poor": poor, "squamous": squamous, "necrosis": necrosis,
        "muscle": muscle, "fat": fat, "blood": inside("blood") & tissue, "crushed": inside("crushed") & tissue,
        "keratin": rings["pearl"] & tissue, "gland": rings["gland"] & tissue & ~malignant,
        "vessel": rings["vessel"] & tissue,
    }  # fmt: skip
    bits = np.zeros((side, side), np.uint16)
    for bit, name in enumerate(AREAS):
        bits |= shown[name].astype(np.uint16) << np.uint16(bit)
    return bits
