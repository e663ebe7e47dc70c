"""How far a new patient lies from the development patients in feature space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espark.types import DoubleArray, FloatArray

_COMPONENTS = 20
_PARTS = 5
_LIMIT_SD = 3.0
_CLIP = 10.0


@dataclass(frozen=True)
class Applicability:
    """Distance to the development patients: within their principal components and beyond them.

    The squared distance is the mean of the squared, standardized scores on the principal components plus the squared
    residual, relative to what held-out development patients leave. The limit lies three standard deviations above the
    mean log distance of development patients that the fit did not see.

    Attributes:
        mean: (features,).
        sd: (features,); infinite for a feature that carries nothing.
        components: (components, features).
        spread: (components,) SD of the development scores.
        residual: mean squared residual of held-out development patients.
        limit: distance above which a patient lies outside.
    """

    mean: FloatArray
    sd: FloatArray
    components: FloatArray
    spread: FloatArray
    residual: float
    limit: float

    @classmethod
    def fit(cls, features: FloatArray) -> Applicability:
        """Fit on development patients.

        Args:
            features: (patients, features), at least ten patients; NaN where a feature is missing.
        """
        parts = np.arange(len(features)) % _PARTS
        held_out = [(cls._principal(features[parts != part]), features[parts == part]) for part in range(_PARTS)]
        residual = float(np.mean([np.mean(model._residual(rows)) for model, rows in held_out])) or 1.0
        distances = np.concatenate(
            [cls(m.mean, m.sd, m.components, m.spread, residual, np.inf).distance(rows) for m, rows in held_out]
        )
        logs = np.log(np.maximum(distances, 1e-12))
        whole = cls._principal(features)
        limit = float(np.exp(logs.mean() + _LIMIT_SD * logs.std()))
        return cls(whole.mean, whole.sd, whole.components, whole.spread, residual, limit)

    @classmethod
    def _principal(cls, features: FloatArray) -> Applicability:
        known = np.isfinite(features)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, features, 0).sum(axis=0) / count
        sd = np.sqrt((np.where(known, features - mean, 0) ** 2).sum(axis=0) / count)
        sd = np.where(sd > 1e-9 * np.maximum(np.abs(mean), 1e-9), sd, np.inf)
        mean, sd = mean.astype(np.float32), sd.astype(np.float32)
        scaled = _scale(features, mean, sd)
        _, singular, components = np.linalg.svd(scaled, full_matrices=False)
        kept = min(_COMPONENTS, int((singular > 1e-6 * singular[0]).sum()), len(features) // 3)
        spread = singular[:kept] / np.sqrt(len(features))
        return cls(mean, sd, components[:kept].astype(np.float32), spread.astype(np.float32), 1.0, np.inf)

    def _residual(self, features: FloatArray) -> DoubleArray:
        scaled = _scale(features, self.mean, self.sd)
        inside = scaled @ self.components.T @ self.components
        return np.asarray(((scaled - inside) ** 2).mean(axis=1))

    def distance(self, features: FloatArray) -> DoubleArray:
        """(patients,) distance of each row of (patients, features) to the development patients."""
        scaled = _scale(features, self.mean, self.sd)
        inside = ((scaled @ self.components.T / self.spread) ** 2).mean(axis=1)
        return np.asarray(np.sqrt(inside + self._residual(features) / self.residual))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be stored."""
        arrays = {"mean": self.mean, "sd": self.sd, "components": self.components, "spread": self.spread}
        numbers = {"numbers": torch.tensor([self.residual, self.limit], dtype=torch.float64)}
        return {**{name: torch.from_numpy(array) for name, array in arrays.items()}, **numbers}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Applicability:
        """What :meth:`tensors` described."""
        residual, limit = tensors["numbers"].tolist()
        mean, sd, components, spread = (tensors[name].numpy() for name in ("mean", "sd", "components", "spread"))
        return cls(mean, sd, components, spread, residual, limit)


def _scale(features: FloatArray, mean: FloatArray, sd: FloatArray) -> DoubleArray:
    scaled = (features.astype(np.float64) - mean) / sd
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=_CLIP, neginf=-_CLIP), -_CLIP, _CLIP)
