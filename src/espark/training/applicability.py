"""How far a new patient lies from the development patients in feature space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from espark.types import DoubleArray, FloatArray

FEWEST_PATIENTS = 10
"""With fewer, the limit means nothing: a new patient cannot be compared with them."""

_COMPONENTS = 20
_PARTS = 5
_LIMIT_SD = 3.0
_CLIP = 10.0


@dataclass(frozen=True)
class Applicability:
    """Distance to the development patients: within their principal components and beyond them.

    A patient is one row (radiomics) or many (tiles). The squared distance of a row is the mean of its squared,
    standardized scores on the principal components plus its squared residual, relative to what held-out development
    patients leave; that of a patient is the mean over the rows. The limit lies three standard deviations above the mean
    log distance of development patients that the fit did not see.

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
    def fit(cls, patients: Sequence[FloatArray]) -> Applicability:
        """Fit on development patients.

        Args:
            patients: (rows, features) of each patient, at least `FEWEST_PATIENTS`; NaN where a feature is missing.
        """
        parts = [list(range(part, len(patients), _PARTS)) for part in range(_PARTS)]
        models, held_out = [], []
        for part in parts:
            seen = [rows for index, rows in enumerate(patients) if index not in set(part)]
            models.append(cls._principal(np.concatenate(seen), len(seen)))
            held_out.append([patients[index] for index in part])
        left = [model._residual(rows).mean() for model, group in zip(models, held_out, strict=True) for rows in group]
        residual = float(np.mean(left)) or 1.0
        logs = np.log(
            [
                max(replace(model, residual=residual).distance(rows), 1e-12)
                for model, group in zip(models, held_out, strict=True)
                for rows in group
            ]
        )
        limit = float(np.exp(logs.mean() + _LIMIT_SD * logs.std()))
        return replace(cls._principal(np.concatenate(list(patients)), len(patients)), residual=residual, limit=limit)

    @classmethod
    def _principal(cls, rows: FloatArray, patients: int) -> Applicability:
        known = np.isfinite(rows)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, rows, 0).sum(axis=0) / count
        sd = np.sqrt((np.where(known, rows - mean, 0) ** 2).sum(axis=0) / count)
        sd = np.where(sd > 1e-9 * np.maximum(np.abs(mean), 1e-9), sd, np.inf)
        mean, sd = mean.astype(np.float32), sd.astype(np.float32)
        _, singular, components = np.linalg.svd(_scale(rows, mean, sd), full_matrices=False)
        kept = min(_COMPONENTS, int((singular > 1e-6 * singular[0]).sum()), max(1, patients // 3))
        spread = singular[:kept] / np.sqrt(len(rows))
        return cls(mean, sd, components[:kept].astype(np.float32), spread.astype(np.float32), 1.0, np.inf)

    def _residual(self, rows: FloatArray) -> DoubleArray:
        scaled = _scale(rows, self.mean, self.sd)
        inside = scaled @ self.components.T @ self.components
        return np.asarray(((scaled - inside) ** 2).mean(axis=1))

    def distance(self, rows: FloatArray) -> float:
        """Distance of one patient (rows, features) to the development patients."""
        scaled = _scale(rows, self.mean, self.sd)
        inside = ((scaled @ self.components.T / self.spread) ** 2).mean(axis=1)
        return float(np.sqrt((inside + self._residual(rows) / self.residual).mean()))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be stored."""
        arrays = {"mean": self.mean, "sd": self.sd, "components": self.components, "spread": self.spread}
        numbers = {"numbers": torch.tensor([self.residual, self.limit], dtype=torch.float64)}
        return {**{name: torch.from_numpy(array) for name, array in arrays.items()}, **numbers}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Applicability:
        """What :meth:`tensors` described.

        Raises:
            ValueError: when the limit or the residual is not a finite number above 0: nothing would lie beyond it.
        """
        residual, limit = tensors["numbers"].tolist()
        if not all(math.isfinite(number) and number > 0 for number in (residual, limit)):
            raise ValueError(f"applicability has the residual {residual} and the limit {limit}")
        mean, sd, components, spread = (tensors[name].numpy() for name in ("mean", "sd", "components", "spread"))
        return cls(mean, sd, components, spread, residual, limit)


def _scale(features: FloatArray, mean: FloatArray, sd: FloatArray) -> DoubleArray:
    scaled = (features.astype(np.float64) - mean) / sd
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=_CLIP, neginf=-_CLIP), -_CLIP, _CLIP)
