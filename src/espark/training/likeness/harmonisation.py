"""Radiomics of another scanner brought to the mean and the spread of the development patients, without labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espark.types import BoolArray, DoubleArray, FloatArray, IntArray

FEWEST_SITE_PATIENTS = 5
"""With fewer, what a scanner moves cannot be told from who the patients are."""

_SHIFT_PATIENTS, _SPREAD_PATIENTS = 5, 20
_CLIP = 5.0


@dataclass(frozen=True)
class Harmonisation:
    """A straight line for each feature that a scanner moves: ``shift + factor * value``.

    The lines bring the mean and the SD of a few patients of a site to those of the development patients. Few patients
    know these only roughly, so the change of the mean is shrunk by n / (n + 5), and the logarithm of that of the SD by
    n / (n + 20). Differences between the patients of the site stay in their order.

    Attributes:
        places: (moved,) places of the features that are moved, ascending.
        factor: (moved,) above 0.
        shift: (moved,).
    """

    places: IntArray
    factor: DoubleArray
    shift: DoubleArray

    @classmethod
    def fit(cls, site: FloatArray, mean: DoubleArray, sd: DoubleArray, moves: BoolArray) -> Harmonisation:
        """Fit on patients of a site.

        Args:
            site: (patients, features) of the site, NaN where missing.
            mean: (features,) of the development patients.
            sd: (features,) of the development patients; infinite for a feature that carries nothing.
            moves: (features,) what a scanner moves. A feature that fewer than `FEWEST_SITE_PATIENTS` have, or that is
                constant here or in development, stays as it is.
        """
        usable = moves & np.isfinite(sd) & (np.isfinite(site).sum(axis=0) >= FEWEST_SITE_PATIENTS)
        places = np.flatnonzero(usable)
        values = np.where(np.isfinite(site[:, places]), site[:, places], np.nan).astype(np.float64)
        # A runaway value of one patient must not decide for the others.
        middle = np.nanmedian(values, axis=0)
        values = np.clip(values, middle - _CLIP * sd[places] * 2, middle + _CLIP * sd[places] * 2)
        own_mean, own_sd = np.nanmean(values, axis=0), np.nanstd(values, axis=0, ddof=1)
        known = own_sd > 1e-9 * np.maximum(np.abs(own_mean), 1e-9)
        places, own_mean, own_sd = places[known], own_mean[known], own_sd[known]
        n = len(site)
        factor = (sd[places] / own_sd) ** (n / (n + _SPREAD_PATIENTS))
        target = own_mean + (mean[places] - own_mean) * n / (n + _SHIFT_PATIENTS)
        return cls(places, factor, target - factor * own_mean)

    def apply(self, radiomics: FloatArray) -> FloatArray:
        """(patients, features) with the moved features on their lines."""
        found = radiomics.copy()
        found[:, self.places] = self.shift + self.factor * radiomics[:, self.places].astype(np.float64)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be stored."""
        return {name: torch.from_numpy(getattr(self, name)) for name in ("places", "factor", "shift")}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor], features: int) -> Harmonisation:
        """What :meth:`tensors` described.

        Args:
            tensors: places, factor and shift.
            features: number of features of the model.

        Raises:
            ValueError: when a number is not finite, a factor is not above 0, or a place is not a feature.
        """
        places, factor, shift = (tensors[name].numpy() for name in ("places", "factor", "shift"))
        finite = np.isfinite(factor).all() and np.isfinite(shift).all() and (factor > 0).all()
        inside = len(places) == 0 or bool(places.min() >= 0 and places.max() < features)
        if not (finite and inside and len(places) == len(factor) == len(shift)):
            raise ValueError("the harmonisation of the CT features holds unusable numbers")
        return cls(places.astype(np.int64), factor.astype(np.float64), shift.astype(np.float64))
