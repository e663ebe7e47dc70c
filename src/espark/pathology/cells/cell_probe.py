"""Cell types for an encoder without a text side: a linear read-out of cell counts from its tile vectors.

A teacher counts the cells of tiles: espark-mini, or a person. A ridge regression learns these counts from the vectors
that the encoder gives to the same tiles. From then on, counts and cell types come from the vectors alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch

from espark.cells import COUNTED_AS, COUNTED_CELLS
from espark.errors import EncoderError, InputError
from espark.files import save_tensors, tensors_and_notes
from espark.types import FloatArray

_MANY = 500.0
"""Cells in a tile for which the similarity is 1. Denser tissue does not exist."""


@dataclass(frozen=True)
class CellProbe:
    """A linear read-out of cell counts.

    Attributes:
        encoder_weights: hash of the weights of the encoder whose vectors it reads.
        teacher: who counted the cells that it learned from.
        weights: (dim, counted cells), of `espark.cells.COUNTED_CELLS`.
        offset: (counted cells,).
        identity: hash of its file; empty before it is saved.
    """

    encoder_weights: str
    teacher: str
    weights: FloatArray
    offset: FloatArray
    identity: str = ""

    def counts(self, features: FloatArray) -> FloatArray:
        """Expected number of each counted cell, float32 (n, counted cells), ≥ 0, from vectors (n, dim)."""
        found = features.astype(np.float64) @ self.weights.astype(np.float64) + self.offset
        return np.maximum(found, 0.0).astype(np.float32)

    def similarity(self, counts: FloatArray, keys: Sequence[str]) -> FloatArray:
        """Similarity of tiles to cell types, float32 (n, cell types), from 0 (no such cell) to 1 (500 or more).

        Args:
            counts: (n, counted cells) from `counts`.
            keys: keys of the cell types.

        Raises:
            EncoderError: when no counted cell belongs to a cell type.
        """
        if unknown := [key for key in keys if key not in COUNTED_AS]:
            raise EncoderError(
                f"the cell probe does not count cells of the type '{unknown[0]}'",
                where="cytology.toml",
                expected=f"cell types from {', '.join(COUNTED_AS)}",
                action="Remove the cell type, or use an encoder that understands words.",
            )
        amounts = [counts[:, [COUNTED_CELLS.index(cell) for cell in COUNTED_AS[key]]].sum(axis=1) for key in keys]
        share = np.log1p(np.stack(amounts, axis=1)) / np.log1p(_MANY)
        return np.asarray(np.minimum(share, 1.0), dtype=np.float32)

    def save(self, path: Path) -> None:
        """Write the probe; equal probes give equal bytes."""
        tensors = {"weights": torch.from_numpy(self.weights), "offset": torch.from_numpy(self.offset)}
        notes = {"encoder_weights": self.encoder_weights, "teacher": self.teacher, "cells": " ".join(COUNTED_CELLS)}
        save_tensors(path, tensors, notes)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: when the file is missing, damaged, or not a probe of these cells.
        """
        if not path.is_file():
            raise InputError(
                "the cell probe is missing", where=path, action="Run `espark encoder teach STUDY`, which makes it."
            )
        return cls.read(path.read_bytes(), path)

    @classmethod
    def read(cls, content: bytes, where: Path) -> Self:
        """A probe from the bytes of its file; ``where`` is the place that an error names.

        Raises:
            InputError: when it is damaged, or not a probe of these cells.
        """
        tensors, notes = tensors_and_notes(content, where)
        try:
            weights, offset = tensors["weights"].numpy(), tensors["offset"].numpy()
            known = notes["cells"] == " ".join(COUNTED_CELLS) and weights.shape[1:] == offset.shape
            if not known or not (np.isfinite(weights).all() and np.isfinite(offset).all()):
                raise KeyError("cells")
            return cls(notes["encoder_weights"], notes["teacher"], weights, offset, hashlib.sha256(content).hexdigest())
        except KeyError as error:
            raise InputError(
                "this file is not a cell probe that this version can read",
                where=where,
                action="Run `espark encoder teach STUDY` again.",
            ) from error

    def check_encoder(self, name: str, encoder_weights: str) -> None:
        """Refuse an encoder whose vectors the probe cannot read.

        Raises:
            EncoderError: when the probe was taught on other weights.
        """
        if encoder_weights != self.encoder_weights:
            raise EncoderError(
                f"the cell probe was taught on other weights than those of {name}",
                expected=f"weights {self.encoder_weights[:12]}, not {encoder_weights[:12]}",
                action="Run `espark encoder teach STUDY` again.",
            )
