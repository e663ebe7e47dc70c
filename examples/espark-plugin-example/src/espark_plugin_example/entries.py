"""What espark's entry points find. Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from espark.plugins import AggregatorEntry, CtModelEntry, EncoderEntry, EncoderRequest, FusionEntry, SegmenterEntry

if TYPE_CHECKING:
    from espark.plugins import Aggregator, CtNetwork, CtVolume, Encoder, Fusion, Regions, Segmenter


def _attention(features: int, *, hidden: int, attention: int) -> Aggregator:
    from espark_plugin_example.aggregator import PlainAttention

    return PlainAttention(features, hidden=hidden, attention=attention)


def _mean(width: int, modalities: int) -> Fusion:
    from espark_plugin_example.fusion import MeanOfKnown

    return MeanOfKnown(width, modalities)


def _colors(request: EncoderRequest) -> Encoder:
    from espark_plugin_example.encoder import ColorEncoder

    return ColorEncoder()


def _tube(weights: Path | None) -> Segmenter:
    from espark_plugin_example.segmenter import TubeSegmenter

    return TubeSegmenter()


def _look(ct: CtVolume, regions: Regions) -> Mapping[str, float]:
    from espark_plugin_example.ct_model import look_at_chest

    return look_at_chest(ct, regions)


def _one_layer(features: tuple[int, ...], *, width: int, depth: int, scale_dropout: float) -> CtNetwork:
    from espark_plugin_example.ct_model import OneLayer

    return OneLayer(features, width=width)


AGGREGATOR = AggregatorEntry(
    "example-attention", "Plain attention (example)", _attention, source="Ilse et al., ICML 2018, eq. 8"
)

FUSION = FusionEntry("example-mean", "Mean (example)", _mean, description="the mean of the known vectors")

ENCODER = EncoderEntry(
    "example-colors", _colors, dim=48, text=True, license="MIT", source="computed, without weights",
    description="colors of a tile in 16 squares",
)  # fmt: skip

SEGMENTER = SegmenterEntry(
    "example-tube", _tube, finds=("esophagus",), license="MIT", source="computed, without weights",
    description="a straight tube in front of the spine",
)  # fmt: skip

CT_MODEL = CtModelEntry(
    "example-chest",
    "Chest (example)",
    look=_look,
    features=("example_air_ml", "example_tissue_hu", "example_tumor_to_air_mm"),
    network=_one_layer,
)
