"""The precision of the encoder: part of what a slide depends on, and never mixed within a study."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from espark.bundle.card import EncoderCard
from espark.cells import CELL_TYPES
from espark.errors import FeatureError
from espark.pathology.cytology import Cytology
from espark.pathology.features import SlideFeatures
from espark.steps.prepare.prepared_inputs import _encoder_card
from espark.steps.prepare.slide_tools import bundle_tools, study_tools
from espark.workspace.config import SlideSettings

CELL_TYPE_KEYS = tuple(entry.key for entry in CELL_TYPES)


def prepared(precision: str) -> SlideFeatures:
    return SlideFeatures(
        features=np.ones((1, 4), np.float32), coords=np.zeros((1, 2), np.int32), similarity=None, expected_counts=None,
        tissue_fraction=None, rejected_coords=np.zeros((0, 2), np.int32), rejected_reasons=(), encoder="espark-mini",
        tile_px=256, mpp=0.5, tile_px_level0=256.0, slide_mpp=0.5, cell_types=CELL_TYPE_KEYS, stain="none",
        espark_version="1", source=f"{precision or 'old'}.svs", encoder_entry="espark-mini",
        encoder_precision=precision,
    )  # fmt: skip


def workspace(precision: str = "auto") -> Any:
    slides = SlideSettings(precision=precision)  # type: ignore[arg-type]
    return SimpleNamespace(root=Path("study"), cytology=Cytology(), config=SimpleNamespace(slides=slides))


def card_of(study: Any, *slides: SlideFeatures) -> EncoderCard | None:
    return _encoder_card(study, [("p1", slide) for slide in slides])


def test_a_study_does_not_mix_precisions() -> None:
    with pytest.raises(FeatureError, match=r"computed in bfloat16.*computed in float32.*espark prepare study"):
        card_of(workspace(), prepared("float32"), prepared("bfloat16"))


def test_slides_of_earlier_versions_were_computed_in_float32() -> None:
    card = card_of(workspace(), prepared(""), prepared("float32"))
    assert card is not None and card.precision == "float32"


@pytest.mark.parametrize(("computed", "asked"), [("float32", "bfloat16"), ("bfloat16", "float32"), ("", "bfloat16")])
def test_a_precision_that_was_written_down_after_prepare_must_be_that_of_the_slides(computed: str, asked: str) -> None:
    with pytest.raises(FeatureError, match=rf"computed in {computed or 'float32'}, and study.toml asks for {asked}"):
        card_of(workspace(asked), prepared(computed))
    assert card_of(workspace(computed or "float32"), prepared(computed)) is not None


def test_what_a_slide_depends_on_holds_the_precision(tmp_path: Path) -> None:
    exact, rounded = (
        study_tools(tmp_path, SlideSettings(precision=precision), Cytology()) for precision in ("float32", "bfloat16")
    )
    assert exact.identity() != rounded.identity()
    assert exact.encoder.weights_hash == rounded.encoder.weights_hash


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_new_patient_is_encoded_in_the_precision_of_the_bundle(precision: str) -> None:
    """Whatever this processor would choose by itself."""
    card = card_of(workspace(), prepared(precision))
    assert card is not None and card.precision == precision
    assert bundle_tools(card, Cytology()).encoder.precision == precision


def test_the_card_has_the_weights_of_the_slides() -> None:
    card = card_of(workspace(), dataclasses.replace(prepared("bfloat16"), encoder_weights="0" * 64))
    assert card is not None and card.weights == "0" * 64


def test_a_resolution_that_nobody_knows_is_none() -> None:
    unknown = dataclasses.replace(prepared(""), mpp=None, slide_mpp=None, encoder_entry="")
    card = card_of(workspace(), unknown)
    assert card is not None and card.mpp is None
