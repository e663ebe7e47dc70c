"""What is fitted on the training part of a fold before any network: radiomics scaler and tile cut-offs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espark.pathology.cell_types import fit_cutoffs, select_tiles
from espark.training.inputs import Bag
from espark.types import BoolArray, FloatArray

_LIMIT = 5.0
_TILES_PER_PATIENT = 500


@dataclass(frozen=True)
class RadiomicsScaler:
    """Z-scores with the mean and SD of the training patients.

    A missing value becomes the training mean. A feature that is constant or never known in training becomes zero.
    Values are clipped at 5 SD, so that one runaway feature of a new scanner cannot decide alone.

    Attributes:
        mean: (features,).
        sd: (features,); infinite for a feature that carries nothing.
    """

    mean: Tensor
    sd: Tensor

    @classmethod
    def fit(cls, radiomics: FloatArray) -> RadiomicsScaler:
        """Fit on training patients (patients, features), NaN where missing."""
        values = radiomics.astype(np.float64)
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        deviation = np.where(known, values - mean, 0.0)
        sd = np.sqrt((deviation**2).sum(axis=0) / count)
        carries = (known.sum(axis=0) > 1) & (sd > 1e-9 * np.maximum(np.abs(mean), 1e-9))
        return cls(
            torch.from_numpy(mean.astype(np.float32)),
            torch.from_numpy(np.where(carries, sd, np.inf).astype(np.float32)),
        )

    def transform(self, radiomics: FloatArray) -> Tensor:
        """(patients, features) standardized, without NaN."""
        scaled = (torch.from_numpy(radiomics) - self.mean) / self.sd
        return torch.nan_to_num(scaled, nan=0.0, posinf=_LIMIT, neginf=-_LIMIT).clamp(-_LIMIT, _LIMIT)


@dataclass(frozen=True)
class TileSelector:
    """Chooses the tiles of a bag by their similarity to the cell types.

    A tile enters the bag once when it passes the cut-off of any cell type. A patient of whom no tile passes keeps all
    tiles, so that nobody is lost.

    Attributes:
        cutoffs: (cell types,); None when the encoder has no text side and every tile enters.
    """

    cutoffs: Tensor | None

    @classmethod
    def fit(cls, bags: list[Bag], quantile: float) -> TileSelector:
        """Cut-offs at a quantile of the training tiles' similarity; of each patient at most 500 evenly spaced tiles."""
        similarities = [bag.similarity for bag in bags if bag.similarity is not None and len(bag) > 0]
        if not similarities:
            return cls(None)
        sample = [part[:: max(1, len(part) // _TILES_PER_PATIENT)] for part in similarities]
        return cls(torch.from_numpy(fit_cutoffs(np.concatenate(sample), quantile)))

    def select(self, bag: Bag) -> BoolArray:
        """(tiles,) True for the tiles that enter."""
        if self.cutoffs is None or bag.similarity is None or len(bag) == 0:
            return np.ones(len(bag), dtype=bool)
        return select_tiles(bag.similarity, self.cutoffs.numpy())
