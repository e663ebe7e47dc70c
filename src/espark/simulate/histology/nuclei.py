"""Nuclei and small cells as stamps: drawn once per process in hundreds of variants, then pressed into the tissue."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from espark.simulate.histology.nuclei_drawing import MASTER_UM, draw_variants
from espark.simulate.histology.nuclei_kinds import KINDS, RED
from espark.types import FloatArray

_MPP_STEP = 1.12


class Stamp(NamedTuple):
    """One variant, cut to its extent.

    Attributes:
        top: row of its first pixel, relative to the pixel that holds the cell's centre.
        left: column of its first pixel, likewise.
        added: (3, height, width) densities of hematoxylin, eosin and hemoglobin that are added.
        keep: (height, width) share of what lay below that stays.
    """

    top: int
    left: int
    added: FloatArray
    keep: FloatArray


StampSource = Callable[[int, float], list[Stamp]]
"""All variants of a kind (index into `KINDS`) at a resolution in micrometres per pixel."""


def stamps(kind: int, mpp: float) -> list[Stamp]:
    """All variants of a kind, at the stored resolution nearest to ``mpp`` (within 6 %).

    Variant ``angle + ANGLES * shape`` lies at ``angle / ANGLES`` of half a turn from the columns' direction.
    """
    return _stamps(kind, round(np.log(mpp / 0.5) / np.log(_MPP_STEP)))


@cache
def _stamps(kind: int, step: int) -> list[Stamp]:
    return cut_stamps(kind, tuple(part.astype(np.float32) for part in _master(kind)), 0.5 * _MPP_STEP**step)


def cut_stamps(kind: int, drawn: tuple[FloatArray, ...], mpp: float) -> list[Stamp]:
    """Stamps at a resolution, from what `draw_variants` drew of a kind."""
    hematoxylin, other, keep = (_resample(part, mpp) for part in drawn)
    nothing = np.zeros_like(other)
    added = np.stack([hematoxylin, nothing, other] if kind == RED else [hematoxylin, other, nothing], axis=1)
    centre = keep.shape[-1] // 2
    cut = []
    for variant, mask in enumerate((keep < 0.995) | (hematoxylin > 0.004)):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        window = np.s_[..., rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        corner = int(rows[0]) - centre, int(columns[0]) - centre
        cut.append(Stamp(*corner, added[variant][window].copy(), keep[variant][window].copy()))
    return cut


@cache
def _master(kind: int) -> tuple[npt.NDArray[np.float16], ...]:
    """All variants at 0.25 µm/px; in half precision, because they only feed the averaging."""
    parts = draw_variants(KINDS[kind], np.random.default_rng([0x4E0C, kind]))
    return tuple(part.astype(np.float16) for part in parts)


def _resample(stack: FloatArray, mpp: float) -> FloatArray:
    """Average the master (0.25 µm/px) over the pixels of ``mpp``."""
    side = stack.shape[-1]
    count = 2 * int((side * MASTER_UM / mpp - 1) / 2) + 1  # odd: the centre lies in the middle of a pixel
    edges = (np.arange(count + 1) - count / 2) * mpp / MASTER_UM + side / 2
    weights = np.zeros((count, side), np.float32)
    pixels = np.arange(side)
    for index in range(count):
        overlap = np.minimum(edges[index + 1], pixels + 1) - np.maximum(edges[index], pixels)
        weights[index] = np.clip(overlap, 0, None)
    weights *= MASTER_UM / mpp
    return np.ascontiguousarray(weights @ stack @ weights.T)
