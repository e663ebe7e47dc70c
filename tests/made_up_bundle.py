"""A card and patients for a bundle that is small enough to be trained in a test."""

from __future__ import annotations

import numpy as np

from espark.bundle.card import BundleCard, RadiomicsCard, SegmenterCard, TrainingCard
from espark.bundle.reference import Reference
from espark.outcome import Outcome
from espark.training.inputs import Inputs
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.types import IntArray
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings

SETTINGS = ModelSettings(MScaleCTSettings(epochs=30, learning_rate=1e-3, width=8), CytoPathSettings(), ESparkSettings())
FOLDS = 3


def made_up_patients(count: int = 30) -> tuple[Inputs, IntArray]:
    """Patients whose CT tells the label in part."""
    rng = np.random.default_rng(0)
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    radiomics = rng.normal(size=(count, 4)).astype(np.float32)
    radiomics[:, 0] += 2 * labels
    ids = tuple(f"p{index}" for index in range(count))
    return Inputs(ids, ("tumor",), (("a", "b", "c", "d"),), radiomics, (None,) * count), labels


def made_up_card(labels: IntArray, raw: np.ndarray) -> BundleCard:
    """Card of a model on them."""
    point = OperatingPoint.fit(labels, raw, ProtocolSettings(folds=FOLDS))
    return BundleCard(
        model="mscalect",
        disease="a disease",
        outcome=Outcome(),
        seed=1,
        folds=FOLDS,
        training=TrainingCard(
            study="a study", simulated=True, n=len(labels), n_positive=int(labels.sum()), centers=("A",)
        ),
        segmenter=SegmenterCard(name="masks", weights="", proposes_tumor=False),
        radiomics=RadiomicsCard(
            source="espark",
            image_types=("Original",),
            spacing_mm=(2.0, 2.0, 2.0),
            bin_width_hu=25.0,
            scales=("tumor",),
            feature_names=(("a", "b", "c", "d"),),
        ),
        encoder=None,
        mscalect=SETTINGS.mscalect,
        cytopath=SETTINGS.cytopath,
        espark=SETTINGS.espark,
        protocol=ProtocolSettings(folds=FOLDS),
        operating_points={"ct": point.to_dict()},
        reference=Reference(probability=(0.2, 0.7), labels=(0, 1), prediction=(0, 1)),
    )
