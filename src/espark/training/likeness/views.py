"""A patient, as applicability sees it: everything, and apart what a scanner or a stain hardly moves."""

from __future__ import annotations

import numpy as np

from espark.training.inputs import Bag, Inputs
from espark.training.likeness.applicability import View
from espark.types import DoubleArray, FloatArray

_TILES = 300
STEADY, UNFILTERED = "original_shape_", "original_"
_FEWEST_STEADY = 5
_FLOOR = 0.02
"""Cells in a tile that are added to every mean count before its logarithm is taken."""


def applicability_views(inputs: Inputs, index: int) -> dict[str, View]:
    """By modality, the views of a patient that are compared with those of the development patients.

    Of a CT, the unfiltered features are looked at, or all where no name begins with ``original_``. Steady are the shape
    features of the regions: noise, sharpness and contrast medium hardly move them. Of slides, at most 300 evenly spaced
    tiles are looked at. Steady is what the encoder names: the mean similarity to each cell type and the mean number of
    cells. Where features have other names, or the encoder has no text side, nothing is known to be steady.
    """
    bag = inputs.bags[index]
    row = inputs.radiomics[index : index + 1]
    shape, unfiltered = _named_like(inputs, STEADY), _named_like(inputs, UNFILTERED)
    steady = row[:, shape] if len(shape) >= _FEWEST_STEADY else None
    whole = row[:, unfiltered] if unfiltered else row
    return {"ct": View(steady, whole), "slides": View(_named(bag), _tiles(bag, inputs.tile_dim))}


def _named_like(inputs: Inputs, start: str) -> list[int]:
    names = [name for part in inputs.feature_names for name in part]
    return [place for place, name in enumerate(names) if name.startswith(start)]


def _tiles(bag: Bag | None, dim: int) -> FloatArray:
    tiles = np.zeros((0, dim), np.float32) if bag is None else bag.features
    step = max(1, len(tiles) // _TILES)
    return tiles[::step][:_TILES]


def _named(bag: Bag | None) -> FloatArray | None:
    """(1, numbers) mean similarity to each cell type and logarithm of the mean counts; None without a text side."""
    if bag is None or bag.similarity is None or not len(bag):
        return None
    parts: list[DoubleArray] = [bag.similarity.mean(axis=0, dtype=np.float64)]
    if bag.counts is not None:
        parts.append(np.log(np.maximum(bag.counts.mean(axis=0, dtype=np.float64), 0) + _FLOOR))
    return np.concatenate(parts)[None].astype(np.float32)
