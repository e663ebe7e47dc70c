"""Radiomic features as normal scores: only the place of a value among the training patients counts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import norm
from torch import Tensor

from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

_LEVELS = (np.arange(33) + 0.5) / 33
"""Quantiles that are kept of a feature. A finer list would be larger and would show single patients."""

_SCORES = norm.ppf(_LEVELS)


@dataclass(frozen=True)
class RankScaler:
    """Normal scores of the features that enter, by their quantiles among the training patients.

    A value between two quantiles lies between their scores; a value beyond the outermost ones gets their score, 2.2.
    So any growing change of a feature, such as a logarithm, changes no score, and a runaway value counts as much as a
    large one. A missing value gets the score of the median, 0, and so does a feature that does not enter.

    Attributes:
        features: number of features that are handed in.
        places: (entering,) their places among the features.
        quantiles: (33, entering) of the training patients.
    """

    features: int
    places: IntArray
    quantiles: DoubleArray

    @classmethod
    def fit(cls, radiomics: FloatArray, enters: BoolArray) -> RankScaler:
        """Fit on training patients.

        Args:
            radiomics: (patients, features), NaN where missing.
            enters: (features,) which may enter. One that is constant or hardly ever known does not.
        """
        values = np.where(np.isfinite(radiomics), radiomics, np.nan).astype(np.float64)
        places = np.flatnonzero(enters & (np.isfinite(values).sum(axis=0) > 1))
        quantiles = np.nanquantile(values[:, places], _LEVELS, axis=0) if len(places) else np.zeros((len(_LEVELS), 0))
        varies = quantiles[-1] > quantiles[0]
        return cls(radiomics.shape[1], places[varies], quantiles[:, varies])

    @property
    def enters(self) -> BoolArray:
        """(features,) which features enter."""
        return np.isin(np.arange(self.features), self.places)

    def at_clip(self, row: FloatArray) -> BoolArray:
        """(features,) which values of one patient (features,) lie beyond the outermost quantiles."""
        values, found = row[self.places], np.zeros(self.features, dtype=bool)
        found[self.places] = (values < self.quantiles[0]) | (values > self.quantiles[-1])
        return found

    def scores(self, radiomics: FloatArray) -> DoubleArray:
        """(patients, entering) normal scores, without NaN."""
        values = radiomics[:, self.places].astype(np.float64)
        columns = [_between(value, own) for value, own in zip(values.T, self.quantiles.T, strict=True)]
        found = np.stack(columns, axis=1) if columns else np.zeros(values.shape)
        return np.where(np.isnan(values), 0.0, found)

    def transform(self, radiomics: FloatArray) -> Tensor:
        """(patients, features) normal scores, 0 for a feature that does not enter."""
        found = np.zeros(radiomics.shape, dtype=np.float32)
        found[:, self.places] = self.scores(radiomics)
        return torch.from_numpy(found)

    def spread(self, weights: DoubleArray) -> DoubleArray:
        """(..., features) weights of all features from those (..., entering) of the features that enter."""
        found = np.zeros((*weights.shape[:-1], self.features))
        found[..., self.places] = weights
        return found

    def without(self, left_out: BoolArray) -> RankScaler:
        """The same, in which the features marked in (features,) do not enter."""
        kept = ~left_out[self.places]
        return replace(self, places=self.places[kept], quantiles=self.quantiles[:, kept])


def _between(values: DoubleArray, quantiles: DoubleArray) -> DoubleArray:
    """Scores of the values of one feature. A value that many patients share gets the middle of its scores."""
    below = np.interp(values, quantiles, _SCORES)
    above = -np.interp(-values, -quantiles[::-1], -_SCORES[::-1])
    middle: DoubleArray = (below + above) / 2
    return middle
