"""Patients whose CT and slides each tell the label in part, and models small enough to train in a test."""

from __future__ import annotations

import numpy as np

from espark.training.inputs import Bag, Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.settings import ModelSettings
from espark.types import IntArray
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings

SETTINGS = ModelSettings(
    MScaleCTSettings(epochs=20, learning_rate=1e-3, width=16),
    CytoPathSettings(epochs=40, learning_rate=3e-3, hidden=16, attention=8, batch_size=4),
    ESparkSettings(epochs=10, learning_rate=1e-3, projection=8, batch_size=4),
)


def make_inputs(count: int = 40, seed: int = 0) -> tuple[Inputs, IntArray]:
    """Patients whose CT and slides each tell the label in part."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    radiomics = rng.normal(size=(count, 8)).astype(np.float32)
    radiomics[:, 0] += 2 * labels
    bags: list[Bag | None] = []
    for label in labels:
        features = rng.normal(size=(12, 6)).astype(np.float32)
        features[:3, 1] += 3 * label
        bags.append(Bag(features, features[:, :4].copy()))
    names = (("a", "b", "c", "d"), ("a", "b", "c", "d"))
    ids = tuple(f"p{index}" for index in range(count))
    return Inputs(ids, ("tumor", "esophagus"), names, radiomics, tuple(bags)), labels


def train_all(inputs: Inputs, labels: IntArray, seed: int = 1) -> tuple[MScaleCTMember, CytoPathMember, ESparkMember]:
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, seed)
    slides = CytoPathMember.train(inputs, labels, SETTINGS, seed)
    return ct, slides, ESparkMember.train(inputs, labels, SETTINGS, seed, ct, slides)
