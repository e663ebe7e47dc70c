"""The clinical comparator: logistic regression on the declared clinical columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from espark.files import canonical_json
from espark.training.inputs import ClinicalValue, Inputs
from espark.training.members.state import MemberState, linear_state, restored_linear
from espark.training.settings import ModelSettings
from espark.types import BoolArray, ClinicalColumn, DoubleArray, IntArray

_NOTE = "encoder"


@dataclass(frozen=True)
class ClinicalEncoder:
    """Clinical values as numbers, fitted on training patients.

    A number is standardized, and a missing one becomes the mean. A category becomes one column per level that training
    knows; a missing or new level becomes zeros.

    Attributes:
        columns: the declared columns.
        mean: by number column.
        sd: by number column.
        levels: by category column.
    """

    columns: tuple[ClinicalColumn, ...]
    mean: dict[str, float]
    sd: dict[str, float]
    levels: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, columns: tuple[ClinicalColumn, ...], rows: Sequence[Sequence[ClinicalValue]]) -> ClinicalEncoder:
        """Fit on training patients, one row each, values in the order of the columns."""
        mean, sd, levels = {}, {}, {}
        for position, column in enumerate(columns):
            known = [row[position] for row in rows if row[position] is not None]
            if column.kind == "category":
                levels[column.name] = tuple(sorted({str(value) for value in known}))
                continue
            numbers = np.array([float(value) for value in known if value is not None], dtype=np.float64)
            mean[column.name] = float(numbers.mean()) if len(numbers) else 0.0
            sd[column.name] = float(numbers.std()) if len(numbers) and numbers.std() > 0 else 1.0
        return cls(columns, mean, sd, levels)

    def encode(self, rows: Sequence[Sequence[ClinicalValue]]) -> DoubleArray:
        """(patients, numbers and levels)."""
        return np.array([self._row(row) for row in rows], dtype=np.float64).reshape(len(rows), self.width)

    def _row(self, row: Sequence[ClinicalValue]) -> list[float]:
        encoded: list[float] = []
        for column, value in zip(self.columns, row, strict=True):
            if column.kind == "category":
                encoded += [float(value is not None and str(value) == level) for level in self.levels[column.name]]
            elif value is None:
                encoded.append(0.0)
            else:
                encoded.append((float(value) - self.mean[column.name]) / self.sd[column.name])
        return encoded

    @classmethod
    def fit_patients(cls, inputs: Inputs) -> ClinicalEncoder:
        """Fit on the training patients with a known clinical value."""
        return cls.fit(
            inputs.clinical_columns, [inputs.clinical[index] for index in np.flatnonzero(inputs.has_clinical)]
        )

    @property
    def width(self) -> int:
        """Length of an encoded row."""
        return len(self.mean) + sum(map(len, self.levels.values()))

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        columns = [[column.name, column.kind, column.unit] for column in self.columns]
        return {"columns": columns, "mean": self.mean, "sd": self.sd, "levels": self.levels}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ClinicalEncoder:
        """From what :meth:`to_dict` gave."""
        levels = {name: tuple(known) for name, known in values["levels"].items()}
        return cls(tuple(ClinicalColumn(*column) for column in values["columns"]), values["mean"], values["sd"], levels)

    def state(self) -> MemberState:
        """As a note, to be stored beside weights."""
        return MemberState({}, {_NOTE: canonical_json(self.to_dict())})

    @classmethod
    def restore(cls, state: MemberState) -> ClinicalEncoder:
        """From what :meth:`state` gave."""
        return cls.from_dict(json.loads(state.notes[_NOTE]))

    def encode_patients(self, inputs: Inputs) -> DoubleArray:
        """(patients, numbers and levels) of all patients; one without a clinical value is the mean patient."""
        nothing = ((None,) * len(self.columns),) * len(inputs)
        return self.encode(inputs.clinical or nothing)


class ClinicalMember:
    """A fold of the clinical comparator.

    Args:
        encoder: fitted on the training part of the fold.
        weights: one a column of the encoded values.
        intercept: log-odds of the mean patient.
    """

    def __init__(self, encoder: ClinicalEncoder, weights: DoubleArray, intercept: float):
        self.encoder = encoder
        self.weights = weights
        self.intercept = intercept

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Ridge-penalized logistic regression (C = 1) on the training part of a fold."""
        del settings, seed  # the fit is convex
        keep = np.flatnonzero(inputs.has_clinical)
        encoder = ClinicalEncoder.fit_patients(inputs)
        rows = encoder.encode_patients(inputs.subset(keep))
        model = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(rows, labels[keep])
        return cls(encoder, model.coef_[0].astype(np.float64), float(model.intercept_[0]))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known clinical value."""
        return inputs.has_clinical

    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without a clinical value."""
        odds = self.encoder.encode_patients(inputs) @ self.weights + self.intercept
        return np.where(self.usable(inputs), odds, np.nan)

    def state(self) -> MemberState:
        """The encoder, and weights."""
        return self.encoder.state() | linear_state(self.weights, self.intercept)

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described."""
        del inputs, settings
        return cls(ClinicalEncoder.restore(state), *restored_linear(state))
