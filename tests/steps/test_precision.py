"""The precision of the encoder: part of what a slide depends on, and never mixed within a study."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

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


WORKSPACE = SimpleNamespace(
    root=Path("study"), cytology=Cytology(), config=SimpleNamespace(slides=SimpleNamespace(min_tissue=0.3))
)


def test_a_study_does_not_mix_precisions() -> None:
    with pytest.raises(FeatureError, match=r"computed in bfloat16.*computed in float32.*espark prepare study"):
        _encoder_card(WORKSPACE, [prepared("float32"), prepared("bfloat16")])  # type: ignore[arg-type]


def test_slides_of_earlier_versions_were_computed_in_float32() -> None:
    assert _encoder_card(WORKSPACE, [prepared(""), prepared("float32")]) is not None  # type: ignore[arg-type]


def test_what_a_slide_depends_on_holds_the_precision(tmp_path: Path) -> None:
    exact, rounded = (
        study_tools(tmp_path, SlideSettings(precision=precision), Cytology()) for precision in ("float32", "bfloat16")
    )
    assert exact.identity() != rounded.identity()
    assert exact.encoder.weights_hash == rounded.encoder.weights_hash


def test_a_bundle_takes_slides_of_either_precision() -> None:
    cards = [_encoder_card(WORKSPACE, [prepared(precision)]) for precision in ("float32", "bfloat16")]  # type: ignore[arg-type]
    assert cards[0] == cards[1] and cards[0] is not None
    tools = bundle_tools(cards[0], Cytology())
    assert tools.encoder.precision in ("float32", "bfloat16")
    other = dataclasses.replace(prepared("bfloat16"), encoder_weights="0" * 64)
    card = _encoder_card(WORKSPACE, [other])  # type: ignore[arg-type]
    assert card is not None and card.weights == "0" * 64
