"""Whether a new patient is like the development patients, on another scanner perhaps, or something foreign.

Two distances answer this. The steady one sees only what a scanner or a stain hardly moves: the shape of the regions,
and the mean similarity of the tiles to the cell types. A patient beyond its limit is strange, and the answer is
withheld. The whole one sees every feature. A new scanner moves it, so there are two limits: beyond the first, the
center looks new, which is only noted; beyond the second, no scanner explains it, and the answer is withheld.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import beta, mannwhitneyu
from torch import Tensor

from espark.types import DoubleArray, FloatArray

FEWEST_PATIENTS = 10
"""With fewer, the limit means nothing: a new patient cannot be compared with them."""

WITHHELD_RATE = 0.05
"""Share of patients like the development patients whose answer is withheld, over all modalities of a model."""

_COMPONENTS = 20
_PARTS = 5
_CLIP = 10.0
_FAR = 2.0
"""How many times the usual limit no scanner explains: on simulated scanners at most 1.8, on foreign inputs from 2.3."""
_NEW_CENTER_P = 0.001


@dataclass(frozen=True)
class View:
    """A patient, as the two distances see it.

    Attributes:
        steady: (rows, features) of what a scanner or a stain hardly moves; None where nothing is known to be steady.
        whole: (rows, features) of everything; one row of radiomics, or many tiles.
    """

    steady: FloatArray | None
    whole: FloatArray


@dataclass(frozen=True)
class Likeness:
    """A patient's distances to the development patients, with their limits.

    Attributes:
        distance: in what a scanner or a stain hardly moves.
        limit: beyond it, the patient is strange.
        shift: distance in all features.
        usual: beyond it, the center looks new.
        far: beyond it, no scanner or stain explains the difference.
    """

    distance: float
    limit: float
    shift: float
    usual: float
    far: float

    @property
    def strange(self) -> bool:
        """Whether the patient is unlike the development patients in what a scanner hardly moves."""
        return not self.distance <= self.limit

    @property
    def foreign(self) -> bool:
        """Whether no scanner or stain explains the difference."""
        return not self.shift <= self.far

    @property
    def shifted(self) -> bool:
        """Whether a scanner or stain that the model does not know would explain the difference."""
        return not self.shift <= self.usual and not self.foreign


@dataclass(frozen=True)
class Distance:
    """Distance to the development patients: within their principal components and beyond them.

    A patient is one row (radiomics) or many (tiles). The squared distance of a row is the mean of its squared,
    standardized scores on the principal components plus its squared residual, relative to what held-out development
    patients leave; that of a patient is the mean over the rows.

    Attributes:
        mean: (features,).
        sd: (features,); infinite for a feature that carries nothing.
        components: (components, features).
        spread: (components,) SD of the development scores.
        residual: mean squared residual of held-out development patients.
        held_out: (patients,) distances of development patients that the fit did not see, ascending.
    """

    mean: FloatArray
    sd: FloatArray
    components: FloatArray
    spread: FloatArray
    residual: float
    held_out: DoubleArray

    @classmethod
    def fit(cls, patients: Sequence[FloatArray]) -> Distance:
        """Fit on development patients.

        Args:
            patients: (rows, features) of each patient, at least `FEWEST_PATIENTS`; NaN where a feature is missing.
        """
        parts = [list(range(part, len(patients), _PARTS)) for part in range(_PARTS)]
        pairs: list[tuple[Distance, FloatArray]] = []
        for part in parts:
            seen = [rows for index, rows in enumerate(patients) if index not in set(part)]
            model = cls._principal(np.concatenate(seen), len(seen))
            pairs += [(model, patients[index]) for index in part]
        residual = float(np.mean([model._residual(rows).mean() for model, rows in pairs])) or 1.0
        held_out = np.sort([replace(model, residual=residual).distance(rows) for model, rows in pairs])
        whole = cls._principal(np.concatenate(list(patients)), len(patients))
        return replace(whole, residual=residual, held_out=held_out)

    @classmethod
    def _principal(cls, rows: FloatArray, patients: int) -> Distance:
        known = np.isfinite(rows)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, rows, 0).sum(axis=0) / count
        sd = np.sqrt((np.where(known, rows - mean, 0) ** 2).sum(axis=0) / count)
        sd = np.where(sd > 1e-9 * np.maximum(np.abs(mean), 1e-9), sd, np.inf)
        mean, sd = mean.astype(np.float32), sd.astype(np.float32)
        _, singular, components = np.linalg.svd(_scale(rows, mean, sd), full_matrices=False)
        kept = min(_COMPONENTS, int((singular > 1e-6 * singular[0]).sum()), max(1, patients // 3))
        spread = singular[:kept] / np.sqrt(len(rows))
        return cls(mean, sd, components[:kept].astype(np.float32), spread.astype(np.float32), 1.0, np.ones(1))

    def _residual(self, rows: FloatArray) -> DoubleArray:
        scaled = _scale(rows, self.mean, self.sd)
        inside = scaled @ self.components.T @ self.components
        return np.asarray(((scaled - inside) ** 2).mean(axis=1))

    def distance(self, rows: FloatArray) -> float:
        """Distance of one patient (rows, features) to the development patients."""
        scaled = _scale(rows, self.mean, self.sd)
        inside = ((scaled @ self.components.T / self.spread) ** 2).mean(axis=1)
        return float(np.sqrt((inside + self._residual(rows) / self.residual).mean()))

    def limit(self, rate: float) -> float:
        """The distance beyond which a share of at most ``rate`` of patients like these lies, as far as they can show.

        It is an order statistic of the held-out distances, so that the share is right on average over all sets of
        development patients (split conformal prediction), whatever the distribution of the distances.
        """
        return float(self.held_out[_place(len(self.held_out), rate)])

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be stored."""
        arrays = {"mean": self.mean, "sd": self.sd, "components": self.components, "spread": self.spread}
        numbers = {"residual": torch.tensor([self.residual], dtype=torch.float64)}
        stored = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return {**stored, **numbers, "held_out": torch.from_numpy(self.held_out)}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Distance:
        """What :meth:`tensors` described.

        Raises:
            ValueError: when a distance or the residual is not a finite number above 0: nothing would lie beyond it.
        """
        residual, held_out = float(tensors["residual"].item()), tensors["held_out"].numpy()
        if not all(math.isfinite(number) and number > 0 for number in (residual, *held_out.tolist())):
            raise ValueError(f"applicability has the residual {residual} and the distances {held_out.tolist()}")
        mean, sd, components, spread = (tensors[name].numpy() for name in ("mean", "sd", "components", "spread"))
        return cls(mean, sd, components, spread, residual, np.sort(held_out))


@dataclass(frozen=True)
class Applicability:
    """The two distances of one modality, and how many patients may be withheld.

    Attributes:
        whole: distance in all features.
        steady: distance in what a scanner or a stain hardly moves; None where nothing is known to be steady, so that a
            new scanner cannot be told from a strange patient.
        rate: share of patients like the development patients that may be withheld for this modality.
    """

    whole: Distance
    steady: Distance | None
    rate: float = WITHHELD_RATE

    @classmethod
    def fit(cls, patients: Sequence[View], rate: float = WITHHELD_RATE) -> Applicability:
        """Fit on development patients, at least `FEWEST_PATIENTS`."""
        steady = [view.steady for view in patients if view.steady is not None]
        return cls(
            Distance.fit([view.whole for view in patients]),
            Distance.fit(steady) if len(steady) == len(patients) else None,
            rate,
        )

    def compare(self, view: View) -> Likeness:
        """One patient beside the development patients."""
        shift, usual = self.whole.distance(view.whole), self.whole.limit(WITHHELD_RATE)
        if self.steady is None or view.steady is None:
            limit = self.whole.limit(self.rate)
            return Likeness(shift, limit, shift, limit, limit * _FAR)
        return Likeness(self.steady.distance(view.steady), self.steady.limit(self.rate), shift, usual, usual * _FAR)

    @property
    def patients(self) -> int:
        """Number of development patients that gave the limits."""
        return len(self.whole.held_out)

    @property
    def sure(self) -> tuple[float, float]:
        """95 % interval of the share of patients like the development patients that the limit withholds."""
        return sure_rate(self.patients, self.rate)

    def is_new_center(self, shifts: Sequence[float] | DoubleArray) -> bool:
        """Whether the whole distances of several patients of one center are larger than those of development patients.

        One-sided Mann-Whitney test at p < 0.001.
        """
        found = mannwhitneyu(np.asarray(shifts), self.whole.held_out, alternative="greater")
        return bool(found.pvalue < _NEW_CENTER_P)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be stored."""
        parts = {"whole": self.whole} | ({"steady": self.steady} if self.steady else {})
        stored = {f"{part}.{name}": tensor for part, own in parts.items() for name, tensor in own.tensors().items()}
        return stored | {"rate": torch.tensor([self.rate], dtype=torch.float64)}

    @classmethod
    def restore(cls, tensors: Mapping[str, Tensor]) -> Applicability:
        """What :meth:`tensors` described.

        Raises:
            ValueError: when a limit is not a finite number above 0, or the rate is not a share.
        """
        rate = float(tensors["rate"].item())
        if not 0 < rate < 1:
            raise ValueError(f"applicability has the rate {rate}")
        parts = {
            part: {name.removeprefix(f"{part}."): tensor for name, tensor in tensors.items() if name.startswith(part)}
            for part in ("whole", "steady")
        }
        return cls(
            Distance.restore(parts["whole"]), Distance.restore(parts["steady"]) if parts["steady"] else None, rate
        )


def sure_rate(patients: int, rate: float) -> tuple[float, float]:
    """95 % interval of the share of new patients beyond an order statistic of as many distances.

    The share beyond the k-th smallest of n is Beta(n + 1 − k, k) distributed (Wilks 1941).

    Example:
        >>> low, high = sure_rate(20, 0.05)
        >>> round(low, 3), round(high, 3)
        (0.001, 0.168)
    """
    k = _place(patients, rate) + 1
    low, high = beta.ppf([0.025, 0.975], patients + 1 - k, k)
    return float(low), float(high)


def _place(patients: int, rate: float) -> int:
    """Place of the limit among ascending distances; the largest where there are too few for the rate."""
    return min(math.ceil((1 - rate) * (patients + 1)), patients) - 1


def _scale(features: FloatArray, mean: FloatArray, sd: FloatArray) -> DoubleArray:
    scaled = (features.astype(np.float64) - mean) / sd
    return np.clip(np.nan_to_num(scaled, nan=0.0, posinf=_CLIP, neginf=-_CLIP), -_CLIP, _CLIP)
