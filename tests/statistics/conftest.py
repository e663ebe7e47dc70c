"""Public scores that every test of this folder may use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from espark.types import DoubleArray, IntArray


@dataclass(frozen=True)
class TwoModels:
    """569 public patients with two scores in [0, 1], rounded so that there are ties."""

    y: IntArray
    a: DoubleArray
    b: DoubleArray


@pytest.fixture(scope="session")
def two_models() -> TwoModels:
    dataset = load_breast_cancer()
    names = list(dataset.feature_names)

    def scaled(name: str) -> DoubleArray:
        column = dataset.data[:, names.index(name)]
        return np.round((column - column.min()) / (column.max() - column.min()), 2)

    return TwoModels(1 - dataset.target, scaled("mean texture"), scaled("mean smoothness"))
