"""Whether a slide looks like the tissue on which the encoder was fitted: otherwise its cells cannot be relied on.

The statistics come with the weights of the encoder and belong to them by their hash. ``python -m
espark.pretrain.make_known_tissue`` computes them.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from espark.cells import COUNTED_CELLS
from espark.errors import InputError
from espark.files import read_safetensors_notes, save_tensors, tensors_and_notes
from espark.notes import Note
from espark.pathology.encoders.mini import SHIPPED
from espark.types import BoolArray, DoubleArray, FloatArray
from espark.wording import percent

STATISTICS = SHIPPED / "known-tissue.safetensors"

_LYMPHOCYTE = COUNTED_CELLS.index("lymphocyte")
_TUMOR = [COUNTED_CELLS.index(f"{grade}_differentiated_tumor_cell") for grade in ("well", "poorly")]


@dataclass(frozen=True)
class CellReliability:
    """The check of one slide.

    Attributes:
        distance: median distance of its tiles to known tissue; known tiles have about 1 in the mean square.
        distance_limit: largest distance at which the cells are relied on.
        contradictory: share of its tiles that show many lymphocytes and many tumor cells in one place, 0–1.
        contradictory_limit: largest share at which the cells are relied on.
    """

    distance: float
    distance_limit: float
    contradictory: float
    contradictory_limit: float

    @property
    def reliable(self) -> bool:
        """Whether both values are within their limits."""
        return not self.notes

    @property
    def notes(self) -> tuple[Note, ...]:
        """Why the cells of the slide are not reliable; empty when they are."""
        found = []
        if self.distance > self.distance_limit:
            text = (
                "The tissue does not look like the tissue on which the encoder was fitted "
                f"(distance {self.distance:.2g}, limit {self.distance_limit:.2g}). Cell types and biomarkers of this "
                "slide are not reliable."
            )
            found.append(Note("D-SLIDE-007", text))
        if self.contradictory > self.contradictory_limit:
            text = (
                f"In {percent(self.contradictory)} of the tiles, the encoder counts many cells of two types that "
                f"hardly occur together (limit {percent(self.contradictory_limit)}). Cell types and biomarkers of this "
                "slide are not reliable."
            )
            found.append(Note("D-SLIDE-008", text))
        return tuple(found)


@dataclass(frozen=True)
class KnownTissue:
    """The tissue on which an encoder was fitted, as a normal distribution of its tile vectors.

    The distance of a tile is its Mahalanobis distance divided by the square root of the number of dimensions.

    Attributes:
        encoder_weights: hash of the weights of the encoder.
        mean: (dim,) mean vector.
        whitening: (dim, dim) matrix that gives the vectors unit covariance.
        both_cells: number of lymphocytes and of tumor cells from which a tile is contradictory if it shows both.
        distance_limit: largest median distance of a slide at which its cells are relied on.
        contradictory_limit: largest share of contradictory tiles.
    """

    encoder_weights: str
    mean: FloatArray
    whitening: FloatArray
    both_cells: float
    distance_limit: float = np.inf
    contradictory_limit: float = np.inf

    def distances(self, features: FloatArray) -> DoubleArray:
        """(n,) distance of each tile from vectors (n, dim)."""
        whitened = (features.astype(np.float64) - self.mean) @ self.whitening.astype(np.float64)
        return np.asarray(np.sqrt((whitened**2).mean(axis=1)))

    def contradictory(self, counts: FloatArray) -> BoolArray:
        """(n,) which tiles show many lymphocytes and many tumor cells, from counts (n, counted cells)."""
        return np.asarray(fewer_of_both(counts) > self.both_cells)

    def judge(self, features: FloatArray, counts: FloatArray) -> CellReliability:
        """Check one slide.

        Args:
            features: (n, dim) vectors of its tiles, n ≥ 1.
            counts: (n, counted cells) their expected counts.
        """
        return CellReliability(
            float(np.median(self.distances(features))),
            self.distance_limit,
            float(self.contradictory(counts).mean()),
            self.contradictory_limit,
        )

    def save(self, path: Path, notes: dict[str, str] | None = None) -> None:
        """Write the statistics, with notes on how they were made."""
        numbers = torch.tensor([self.both_cells, self.distance_limit, self.contradictory_limit], dtype=torch.float64)
        arrays = {"mean": torch.from_numpy(self.mean), "whitening": torch.from_numpy(self.whitening)}
        save_tensors(path, {**arrays, "numbers": numbers}, {"encoder_weights": self.encoder_weights, **(notes or {})})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: when the file is missing, damaged or holds something else.
        """
        tensors, notes = tensors_and_notes(path.read_bytes(), path)
        try:
            arrays = (tensors["mean"].numpy(), tensors["whitening"].numpy())
            return cls(notes["encoder_weights"], *arrays, *tensors["numbers"].tolist())
        except (KeyError, TypeError) as error:
            raise InputError(f"this file holds no statistics of known tissue ({error})", where=path) from error


@functools.cache
def known_tissue(encoder_weights: str) -> KnownTissue | None:
    """The statistics in the package that belong to these weights of the encoder; None when there are none."""
    if not STATISTICS.is_file() or read_safetensors_notes(STATISTICS).get("encoder_weights") != encoder_weights:
        return None
    return KnownTissue.load(STATISTICS)


def fewer_of_both(counts: FloatArray) -> DoubleArray:
    """(n,) the smaller of two numbers in each tile: lymphocytes, and tumor cells."""
    return np.asarray(np.minimum(counts[:, _LYMPHOCYTE], counts[:, _TUMOR].sum(axis=1)), dtype=np.float64)
