"""What is fitted on the training part of a fold before any network: radiomics scaler and tile cut-offs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from espark.errors import FeatureError
from espark.pathology.cell_types import best_tiles, fit_cutoffs, passed_cutoffs
from espark.pathology.cytology import Cutoffs
from espark.training.inputs import Bag
from espark.types import BoolArray, FloatArray

CLIP_SD = 5.0
"""Standardized values are clipped at this number of SD."""

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

    def without(self, left_out: BoolArray) -> RadiomicsScaler:
        """The same, in which the features marked in (features,) carry nothing."""
        return RadiomicsScaler(self.mean, self.sd.masked_fill(torch.from_numpy(left_out), torch.inf))

    @property
    def enters(self) -> BoolArray:
        """(features,) which features carry something."""
        return np.asarray(torch.isfinite(self.sd).numpy())

    def at_clip(self, row: FloatArray) -> BoolArray:
        """(features,) which values of one patient (features,) are clipped."""
        return np.asarray((self.transform(row[None])[0].abs() >= CLIP_SD).numpy())

    def transform(self, radiomics: FloatArray) -> Tensor:
        """(patients, features) standardized, without NaN."""
        scaled = (torch.from_numpy(radiomics) - self.mean) / self.sd
        return torch.nan_to_num(scaled, nan=0.0, posinf=CLIP_SD, neginf=-CLIP_SD).clamp(-CLIP_SD, CLIP_SD)


@dataclass(frozen=True)
class TileSelector:
    """Chooses the tiles of a bag by their similarity to the cell types.

    A tile enters the bag once, with all the cell types whose cut-offs it passes. Where no tile of a
    patient passes any, the best tiles enter, so that no patient is lost.

    Attributes:
        cutoffs: (cell types,); None when the encoder has no text side, or tiles are not chosen: every tile enters.
        share: share of a patient's tiles that enters when none passes.
        mean: (dim,) the mean tile of the training patients; None where it was not asked for. No answer depends on it:
            it is what explanations compare a tile with.
        profile: (2, cell types) mean of the similarity over the training patients and its SD between them, where a
            tile is seen as its profile; None where it is seen as its features.
    """

    cutoffs: Tensor | None
    share: float = Cutoffs.share
    mean: Tensor | None = None
    profile: Tensor | None = None

    @classmethod
    def fit(cls, bags: list[Bag], cutoffs: Cutoffs) -> TileSelector:
        """Cut-offs that a share of the training tiles passes, where none is fixed in advance.

        Of each patient at most 500 evenly spaced tiles are looked at.
        """
        similarities = [bag.similarity for bag in bags if bag.similarity is not None and len(bag) > 0]
        if not similarities:
            return cls(None, cutoffs.share)
        sample = [part[:: max(1, len(part) // _TILES_PER_PATIENT)] for part in similarities]
        fitted = fit_cutoffs(np.concatenate(sample), 1 - cutoffs.share)
        for index, value in enumerate(cutoffs.fixed):
            fitted[index] = fitted[index] if value is None else value
        return cls(torch.from_numpy(fitted), cutoffs.share)

    def with_mean(self, bags: list[Bag]) -> TileSelector:
        """The same, with the mean of the tiles that enter of training patients; each patient counts alike."""
        means = [self.vectors(bag)[self.select(bag)].mean(axis=0, dtype=np.float64) for bag in bags if len(bag) > 0]
        return replace(self, mean=torch.from_numpy(np.mean(means, axis=0).astype(np.float32)))

    def with_profile(self, bags: list[Bag]) -> TileSelector:
        """The same, for which a tile is its profile: its similarity to each cell type, standardized.

        Args:
            bags: of the training patients; each patient counts alike.

        Raises:
            FeatureError: when the encoder has no text side.
        """
        means = [_similarity(bag).mean(axis=0, dtype=np.float64) for bag in bags if len(bag) > 0]
        spread = np.std(means, axis=0)
        statistics = np.stack([np.mean(means, axis=0), np.where(spread > 0, spread, np.inf)])
        return replace(self, profile=torch.from_numpy(statistics.astype(np.float32)))

    def vectors(self, bag: Bag) -> FloatArray:
        """(tiles, dim) what an aggregator sees of each tile: its features, or its profile.

        Raises:
            FeatureError: when profiles are wanted and the encoder has no text side.
        """
        if self.profile is None:
            return bag.features
        mean, sd = self.profile.numpy()
        vectors: FloatArray = (_similarity(bag) - mean) / sd
        return vectors

    def passed(self, bag: Bag) -> BoolArray:
        """(tiles, cell types) the types whose cut-offs each tile passes; no column where tiles are not chosen."""
        if self.cutoffs is None or bag.similarity is None:
            return np.ones((len(bag), 0), dtype=bool)
        return passed_cutoffs(bag.similarity, self.cutoffs.numpy())

    def falls_back(self, bag: Bag) -> bool:
        """Whether no tile passes any cut-off, so that the best ones stand in."""
        passed = self.passed(bag)
        return bool(passed.shape[1] and len(bag) and not passed.any())

    def select(self, bag: Bag) -> BoolArray:
        """(tiles,) True for the tiles that enter."""
        passed = self.passed(bag)
        if passed.shape[1] == 0 or len(bag) == 0:
            return np.ones(len(bag), dtype=bool)
        if self.cutoffs is not None and bag.similarity is not None and not passed.any():
            return best_tiles(bag.similarity, self.cutoffs.numpy(), self.share)
        return np.asarray(passed.any(axis=1))


def _similarity(bag: Bag) -> FloatArray:
    if bag.similarity is None:
        raise FeatureError(
            "the tiles are not compared with cell types, so they have no profile",
            where='study.toml, [cytopath] tile_vector = "profile"',
            expected="an encoder that understands text",
            action='Choose another [slides] encoder, or tile_vector = "features".',
        )
    return bag.similarity
