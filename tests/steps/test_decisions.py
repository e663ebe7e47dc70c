"""What a bundle and a report say about the choices of a training is what was done."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from espark.bundle.card import BundleCard
from espark.bundle.folder import load_bundle
from espark.cells import CELL_TYPES
from espark.pathology.cytology import Cutoffs
from espark.steps.report.study_methods import methods
from espark.steps.train.decisions import decisions
from espark.training.members.catalogue import MODELS
from espark.training.operating_point import OperatingPoint
from espark.training.settings import ModelSettings
from espark.training.settings_in_words import TrainingInWords
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


def words(model: str, settings: ModelSettings, protocol: ProtocolSettings | None = None) -> TrainingInWords:
    return TrainingInWords(model, settings, protocol or ProtocolSettings(), 3407, 10)


def told(model: str, name: str, points: dict[Modality, OperatingPoint], **protocol: Any) -> str:
    settings, chosen = recipe(name, **protocol)
    return " ".join(decisions(words(model, settings, chosen), points))


def test_a_recipe_is_told_as_it_was_trained(point: OperatingPoint) -> None:
    published, lean = (told("espark", name, {"both": point}) for name in ("published", "lean"))
    assert "The outcome was not used to choose features of MScaleCT." in published
    assert "started as the CytoPath of the same fold and was trained further with the fusion, at 1 times" in published
    assert "Only features called original_* entered MScaleCT. This was fixed in advance in study.toml." in lean
    assert "Each fold kept the 10 features that differ most" in lean and "The outcome was not used" not in lean
    assert "CytoPath of the same fold, which was kept unchanged; only the layers above the two" in lean
    assert "All tiles entered, without selection by cell type." in lean and "aggregator: Mean" in lean
    assert "A tile was described by its similarity to each cell type" in lean
    assert "A tile was described" not in published and "the cut-off of any of 10 cell types" in published
    assert f"the top {percent(0.15)} of the training tiles of a fold" in published
    assert "differ most" not in published and "trained further" not in lean
    assert "scaling, the choice of features and weights were fitted on its training patients alone" in lean
    assert "scaling, the cut-offs of the cell types and weights were fitted on its training patients alone" in published
    for text in (published, lean):
        assert "trained at 0.01 times the learning rate" in text and "were hidden with probability 0.2" in text


def test_voices_are_told_as_they_were_trained(point: OperatingPoint) -> None:
    robust = told("espark", "robust", {"both": point}, repeats=5, calibration="anchored")
    assert "The development patients were split 5 times, each time into 10 folds" in robust
    assert "comes from the 5 models that did not see that patient" in robust and "all 50 models answer" in robust
    assert (
        "MScaleCT is a weighted mean of 3 linear models (voices): ridge:tumor, components:tumor, components" in robust
    )
    assert "scaling, the choice of features, the penalties and weights were fitted" in robust
    assert "CytoPath is a weighted mean of linear models (voices) on the whole bag" in robust
    assert "eSPARK is a weighted sum of the log-odds of MScaleCT and CytoPath." in robust
    assert "with a normal prior on its slope (mean 1, SD 0.15)" in robust
    assert not any(words in robust for words in ("epochs", "perceptron", "aggregator:", "fusion:", "modality dropout"))


def test_cut_offs_are_told_as_they_came_about(point: OperatingPoint) -> None:
    settings, _ = recipe("published")
    some = ModelSettings(settings.mscalect, settings.cytopath, settings.espark, Cutoffs(fixed=(0.2, None)))
    every = dataclasses.replace(some, cutoffs=Cutoffs(fixed=(0.2, 0.3)))
    assert "Some cut-offs were fixed in advance" in " ".join(words("cytopath", some).slides())
    assert "The cut-offs were fixed in advance." in " ".join(words("cytopath", every).slides())
    assert "cut-offs of the cell types" in " ".join(words("cytopath", some).folds())
    assert "cut-offs of the cell types" not in " ".join(words("cytopath", every).folds())
    blind = dataclasses.replace(words("cytopath", some), cell_types=0)
    assert "All tiles entered" in " ".join(blind.slides()) and "cut-off" not in " ".join(
        decisions(blind, {"slides": point})
    )


@pytest.mark.parametrize("model", MODELS)
def test_of_a_model_that_is_not_in_the_bundle_nothing_is_told(model: str, point: OperatingPoint) -> None:
    text = told(model, "lean", {"both": point})
    modalities = MODELS[model].modalities
    assert ("Radiomic features were scaled" in text) == ("ct" in modalities)
    assert ("aggregator" in text) == ("slides" in modalities)
    assert ("fusion: Concatenation" in text) == (model == "espark")
    assert ("The epochs were fixed in advance" in text) == (model != "clinical")
    assert ("Applicability" in text) == (model != "clinical")
    assert ("The clinical columns are those" in text) == (model == "clinical")
    assert "seed 3407" in text and f"coverage of {percent(0.9)}" in text


def test_every_threshold_is_told_with_its_patients(point: OperatingPoint) -> None:
    other = OperatingPoint.fit(np.arange(10) % 2, np.linspace(0.1, 0.6, 10), ProtocolSettings())
    text = told("espark", "published", {"both": point, "ct": other, "slides": point}, voting="majority")
    assert f"Threshold for CT and slides: {point.threshold:.3f}, fitted on 40 patients." in text
    assert f"Threshold for CT alone: {other.threshold:.3f}, fitted on 10 patients." in text
    assert "Threshold for slides alone: too few patients have it, so the calibrator, threshold and sets for" in text
    assert "the majority decides" in text and "The threshold has the highest Youden index on" in text
    floor = told("mscalect", "published", {"ct": point}, operating_point="sensitivity_floor", min_sensitivity=0.8)
    assert f"Threshold: {point.threshold:.3f}" in floor and "is compared with the threshold." in floor
    assert f"the highest Youden index at a sensitivity of at least {percent(0.8)} on" in floor


def test_the_epoch_is_told_model_by_model() -> None:
    settings, _ = recipe("published")
    inner = settings.cytopath.model_copy(update={"inner_share": 0.2})
    mixed = ModelSettings(settings.mscalect, inner, settings.espark)
    text = " ".join(words("espark", mixed).epochs())
    assert "The epochs of MScaleCT and eSPARK were fixed in advance" in text
    assert f"For CytoPath, the epoch with the lowest loss on {percent(0.2)} of the training patients" in text
    alone = " ".join(words("mscalect", mixed).epochs())
    assert "The epochs were fixed in advance" in alone and "CytoPath" not in alone


def test_features_passed_over_are_told() -> None:
    settings, _ = recipe("lean")
    chosen = settings.mscalect.model_copy(update={"max_correlation": 0.8, "min_icc": 0.75})
    text = " ".join(words("espark", ModelSettings(chosen, settings.cytopath, settings.espark)).ct())
    assert "with a stronger feature was above 0.8." in text and "was below 0.75 among" in text
    plain = " ".join(words("espark", settings).ct())
    assert "passed over" not in plain and "intraclass" not in plain


def test_the_precision_is_told_where_it_is_not_float32() -> None:
    settings, _ = recipe("published")
    rounded = settings.cytopath.model_copy(update={"precision": "bfloat16"})
    mixed = ModelSettings(settings.mscalect, rounded, settings.espark)
    assert "The layers of CytoPath were multiplied in bfloat16" in " ".join(words("espark", mixed).precision())
    assert not list(words("mscalect", mixed).precision())


@pytest.fixture
def card(finished: Path) -> BundleCard:
    return load_bundle(finished / "models" / "espark").card


def test_the_bundle_and_the_report_hold_the_decisions(finished: Path, card: BundleCard) -> None:
    points = {name: OperatingPoint.from_dict(values) for name, values in card.operating_points.items()}
    told = TrainingInWords("espark", card.model_settings, card.protocol, card.seed, len(CELL_TYPES))
    assert card.decisions == decisions(told, points)
    model_card = (finished / "models" / "espark" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(f"- {sentence}" in model_card for sentence in card.decisions)


def test_the_methods_hold_what_the_bundle_says(card: BundleCard) -> None:
    """Every sentence on a setting is written once."""
    text = " ".join(methods(card))
    assert [sentence for sentence in card.decisions if sentence not in text and "Threshold" not in sentence] == []


def test_the_methods_follow_the_recipe(card: BundleCard) -> None:
    settings, _ = recipe("lean")
    parts = {"mscalect": settings.mscalect, "cytopath": settings.cytopath, "espark": settings.espark}
    plain, text = " ".join(methods(card)), " ".join(methods(card.model_copy(update=parts)))
    assert "Each fold kept the 10 features" in text and "Each fold kept" not in plain
    assert "All tiles entered" in text and "All tiles entered" not in plain


def test_the_methods_name_every_other_choice_of_the_models(card: BundleCard) -> None:
    fusion = card.espark.model_copy(update={"fusion": "gated", "clinical": True})
    text = " ".join(methods(card.model_copy(update={"espark": fusion})))
    assert (
        "the CT vector, the slide vector and the declared clinical columns of a patient (fusion: Gated multimodal unit"
        in text
    )
