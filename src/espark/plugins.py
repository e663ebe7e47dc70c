"""Everything that a package outside espark needs to add an aggregator, fusion, encoder, segmenter or CT model.

This module offers the contracts and entries under their own names. It loads them at their first use, so that a package
that only describes its entries does not load torch. ``docs/plugins.md`` shows how they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from espark.ct.models.catalogue import CT_MODELS, CtModelEntry
from espark.ct.segmentation.catalogue import SEGMENTERS, SegmenterEntry
from espark.models.aggregators.catalogue import AGGREGATORS, AggregatorEntry
from espark.models.fusions.catalogue import FUSIONS, FusionEntry
from espark.pathology.encoders.catalogue import ENCODERS, EncoderEntry, EncoderRequest

if TYPE_CHECKING:
    from espark.ct.hounsfield import CtVolume
    from espark.ct.regions.regions import Regions
    from espark.ct.segmentation.segmenter import FoundMasks, Segmenter
    from espark.models.aggregators.aggregator import Aggregator, masked_softmax, weighted_sum
    from espark.models.fusions.fusion import Fusion
    from espark.models.mscalect import CtNetwork
    from espark.pathology.encoders.encoder import Encoder
    from espark.types import Precision

__all__ = [
    "Aggregator",
    "AggregatorEntry",
    "CtModelEntry",
    "CtNetwork",
    "CtVolume",
    "Encoder",
    "EncoderEntry",
    "EncoderRequest",
    "FoundMasks",
    "Fusion",
    "FusionEntry",
    "Precision",
    "Regions",
    "Segmenter",
    "SegmenterEntry",
    "masked_softmax",
    "register_aggregator",
    "register_ct_model",
    "register_encoder",
    "register_fusion",
    "register_segmenter",
    "weighted_sum",
]

_HOME = {
    "Aggregator": "espark.models.aggregators.aggregator",
    "masked_softmax": "espark.models.aggregators.aggregator",
    "weighted_sum": "espark.models.aggregators.aggregator",
    "Fusion": "espark.models.fusions.fusion",
    "CtNetwork": "espark.models.mscalect",
    "CtVolume": "espark.ct.hounsfield",
    "Regions": "espark.ct.regions.regions",
    "Encoder": "espark.pathology.encoders.encoder",
    "FoundMasks": "espark.ct.segmentation.segmenter",
    "Precision": "espark.types",
    "Segmenter": "espark.ct.segmentation.segmenter",
}


def __getattr__(name: str) -> Any:
    """Load a contract at its first use."""
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'espark.plugins' has no attribute '{name}'")


def register_aggregator(entry: AggregatorEntry) -> None:
    """Make an aggregator known under its name, in this process and in the workers that it starts.

    Args:
        entry: the aggregator; ``[cytopath] aggregator`` in ``study.toml`` may then name it.

    Raises:
        PluginError: when espark or another package already uses the name.
    """
    AGGREGATORS.register(entry)


def register_fusion(entry: FusionEntry) -> None:
    """Make a fusion known under its name, in this process and in the workers that it starts.

    Args:
        entry: the fusion; ``[espark] fusion`` in ``study.toml`` may then name it.

    Raises:
        PluginError: when espark or another package already uses the name.
    """
    FUSIONS.register(entry)


def register_encoder(entry: EncoderEntry) -> None:
    """Make a tile encoder known under its name, in this process and in the workers that it starts.

    Args:
        entry: the encoder; ``[slides] encoder`` in ``study.toml`` may then name it.

    Raises:
        PluginError: when espark or another package already uses the name.
    """
    ENCODERS.register(entry)


def register_segmenter(entry: SegmenterEntry) -> None:
    """Make a segmenter known under its name, in this process and in the workers that it starts.

    Args:
        entry: the segmenter; ``[ct] segmenter`` in ``study.toml`` may then name it.

    Raises:
        PluginError: when espark or another package already uses the name.
    """
    SEGMENTERS.register(entry)


def register_ct_model(entry: CtModelEntry) -> None:
    """Make a CT model known under its name, in this process and in the workers that it starts.

    Args:
        entry: the model; ``[mscalect] model`` in ``study.toml`` may then name it.

    Raises:
        PluginError: when espark or another package already uses the name.
    """
    CT_MODELS.register(entry)
