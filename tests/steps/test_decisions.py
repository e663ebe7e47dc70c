"""What a bundle and a report say about the choices of a training is what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from espark.bundle.card import BundleCard
from espark.bundle.files import load_bundle
from espark.steps.report.study_methods import methods
from espark.steps.train.decisions import decisions
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.types import Modality
from espark.wording import percent
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings
from espark.workspace.recipes import RECIPES


@pytest.fixture(scope="module")
def point() -> OperatingPoint:
    labels = np.arange(40) % 2
    return OperatingPoint.fit(labels, np.linspace(0.2, 0.8, 40), ProtocolSettings())


def recipe(name: str, **protocol: Any) -> tuple[ModelSettings, ProtocolSettings]:
    values = RECIPES[name].values
    parts = (MScaleCTSettings, CytoPathSettings, ESparkSettings)
    sections = [part.model_validate(values.get(key, {})) for key, part in zip(("mscalect", "cytopath", "espark"), parts, strict=True)]  # fmt: skip  # noqa: E501
    return ModelSettings(*sections), ProtocolSettings(**protocol)  # type: ignore[arg-type]


def told(model: str, name: str, points: dict[Modality, OperatingPoint], **protocol: Any) -> str:
    settings, chosen = recipe(name, **protocol)
    return " ".join(decisions(model, settings, chosen, 3407, points))


def test_a_recipe_is_told_as_it_was_trained(point: OperatingPoint) -> None:
    published, lean = (told("espark", name, {"both": point}) for name in ("published", "lean"))
    assert "Radiomic features of MScaleCT: all; none was chosen by the outcome." in published
    assert "starts as the fold's own CytoPath and is trained on, at 1 times the learning rate" in published
    assert "those called original_*, said beforehand in study.toml, in each fold the 10 that differ most" in lean
    assert "in the training part of the fold" in lean
    assert "Slide vector of the fusion: that of the fold's own CytoPath, kept as it is" in lean
    assert "Tiles: all of them, without selection by cell type." in lean and "Aggregator: Mean." in lean
    assert "What is pooled of a tile: its similarity to each cell type" in lean
    assert (
        "What is pooled" not in published and f"the top {percent(0.15)} of the training tiles of each fold" in published
    )
    assert "differ most" not in published and "trained on" not in lean
    for text in (published, lean):
        assert "at 0.01 times the learning rate" in text and "with probability 0.2 a training step hides" in text


@pytest.mark.parametrize("model", MODELS)
def test_of_a_model_that_is_not_in_the_bundle_nothing_is_told(model: str, point: OperatingPoint) -> None:
    text = told(model, "lean", {"both": point})
    modalities = MODELS[model].modalities
    assert ("Radiomic features of MScaleCT" in text) == ("ct" in modalities)
    assert ("Aggregator" in text) == ("slides" in modalities)
    assert ("Fusion: Concatenation" in text) == (model == "espark")
    assert ("Epochs: fixed beforehand" in text) == (model != "clinical")
    assert ("Applicability" in text) == (model != "clinical")
    assert "seed 3407" in text and f"coverage {percent(0.9)}" in text


def test_every_threshold_is_told_with_its_patients(point: OperatingPoint) -> None:
    other = OperatingPoint.fit(np.arange(10) % 2, np.linspace(0.1, 0.6, 10), ProtocolSettings())
    text = told("espark", "published", {"both": point, "ct": other, "slides": point}, voting="majority")
    assert f"Threshold for whatever there is of a patient: {point.threshold:.3f}, the highest Youden index" in text
    assert f"Threshold for CT alone: {other.threshold:.3f}" in text and "(10 patients)" in text
    assert "Threshold for slides alone: calibrator, threshold and sets are those for whatever there is" in text
    assert "Vote: majority" in text
    floor = told("mscalect", "published", {"ct": point}, operating_point="sensitivity_floor", min_sensitivity=0.8)
    assert f"Threshold: {point.threshold:.3f}, the highest Youden index where the sensitivity is at least 0.8" in floor


def test_the_epoch_is_told_model_by_model(point: OperatingPoint) -> None:
    settings, protocol = recipe("published")
    inner = settings.cytopath.model_copy(update={"inner_share": 0.2})
    mixed = ModelSettings(settings.mscalect, inner, settings.espark)
    text = " ".join(decisions("espark", mixed, protocol, 0, {"both": point}))
    assert "Epochs of MScaleCT and eSPARK: fixed beforehand" in text
    assert f"Epoch of CytoPath: in each fold, that of the lowest loss on {percent(0.2)} of its training part" in text
    alone = " ".join(decisions("mscalect", mixed, protocol, 0, {"ct": point}))
    assert "Epochs: fixed beforehand" in alone and "CytoPath" not in alone


def test_features_passed_over_are_told(point: OperatingPoint, card: BundleCard) -> None:
    settings, protocol = recipe("lean")
    chosen = settings.mscalect.model_copy(update={"max_correlation": 0.8})
    other = ModelSettings(chosen, settings.cytopath, settings.espark)
    text = " ".join(decisions("espark", other, protocol, 0, {"both": point}))
    assert "passing over those whose absolute correlation with a stronger one is above 0.8" in text
    assert "passing over" not in told("espark", "lean", {"both": point})
    assert "with a stronger one was above 0.8 was passed over" in " ".join(
        methods(card.model_copy(update={"mscalect": chosen}))
    )


def test_the_precision_is_told_where_it_is_not_float32(point: OperatingPoint) -> None:
    settings, protocol = recipe("published")
    rounded = settings.cytopath.model_copy(update={"precision": "bfloat16"})
    mixed = ModelSettings(settings.mscalect, rounded, settings.espark)
    text = " ".join(decisions("espark", mixed, protocol, 0, {"both": point}))
    assert "Precision: the layers of CytoPath were multiplied in bfloat16 in training" in text
    assert "Precision" not in " ".join(decisions("mscalect", mixed, protocol, 0, {"ct": point}))


@pytest.fixture
def card(finished: Path) -> BundleCard:
    return load_bundle(finished / "models" / "espark").card


def test_the_bundle_and_the_report_hold_the_decisions(finished: Path, card: BundleCard) -> None:
    points = {name: OperatingPoint.from_dict(values) for name, values in card.operating_points.items()}
    assert card.decisions == decisions("espark", card.model_settings, card.protocol, card.seed, points)
    model_card = (finished / "models" / "espark" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"- {sentence}" in model_card for sentence in card.decisions)


def test_the_methods_follow_the_recipe(card: BundleCard) -> None:
    settings, _ = recipe("lean")
    parts = {"mscalect": settings.mscalect, "cytopath": settings.cytopath, "espark": settings.espark}
    lean = card.model_copy(update=parts)
    plain, text = " ".join(methods(card)), " ".join(methods(lean))
    assert "Only features called original_* enter it. Each fold keeps the 10 of its features" in text
    assert "scaling, the choice of features and weights were fitted on its training patients alone" in text
    assert "scaling, the cut-offs of the cell types and weights were fitted on its training patients alone" in plain
    assert "each described by its standardized similarity to the cell types instead of its vector" in text
    assert "aggregator: Mean" in text and "chosen by their similarity" in plain and "chosen by their" not in text
    assert "CytoPath, too, was kept as it is, and only the layers above were trained" in text
    assert "Each fold keeps" not in plain and "the choice of features" not in plain and "CytoPath, too" not in plain
    assert "the slide branch starts from CytoPath and is trained on with the fusion, at 1 times" in plain


def test_the_methods_name_every_other_choice_of_the_models(card: BundleCard) -> None:
    other = card.model_copy(
        update={
            "mscalect": card.mscalect.model_copy(update={"min_icc": 0.75}),
            "espark": card.espark.model_copy(update={"fusion": "gated", "clinical": True}),
        }
    )
    text = " ".join(methods(other))
    assert "below 0.75 among the training patients of a fold were left out" in text
    assert (
        "the CT vector, the slide vector and the declared clinical columns of a patient (Gated multimodal unit" in text
    )
