"""The aggregators: name, text and code of each. A package may add its own (``docs/plugins.md``)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from espark.catalogue import Catalogue

if TYPE_CHECKING:
    from espark.models.aggregators.aggregator import Aggregator


class BuildAggregator(Protocol):
    """Makes a network with fresh weights from the lengths of a tile vector and of the slide vector, and a width."""

    def __call__(self, features: int, *, hidden: int, attention: int) -> Aggregator: ...  # noqa: D102


@dataclass(frozen=True)
class AggregatorEntry:
    """A way from the tiles of a patient to one answer.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        build: makes the network from the length of a tile vector (``features``), the length of the slide vector
            (``hidden``) and the width of the attention. It imports torch itself, so ``study.toml`` is read quickly.
        ordered: whether the order of the tiles matters.
        attention: what its attention means.
        source: where it was published.
        training: settings of ``[cytopath]`` with which `espark ablate` trains it beside the aggregator of the study,
            where the settings of the study do not suit it.
    """

    name: str
    title: str
    build: BuildAggregator
    ordered: bool = False
    attention: str = "learned weights"
    source: str = ""
    training: Mapping[str, float] = field(default_factory=dict)


def _gated_attention(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.gated_attention import CytoPathNet

    return CytoPathNet(features, hidden=hidden, attention=attention)


def _mean(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.plain_pooling import MeanNet

    return MeanNet(features, hidden=hidden)


def _max(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.plain_pooling import MaxNet

    return MaxNet(features, hidden=hidden)


def _clam_sb(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.clam import ClamSBNet

    return ClamSBNet(features, hidden=hidden, attention=attention)


def _dsmil(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.dsmil import DsmilNet

    return DsmilNet(features, hidden=hidden, attention=attention)


def _transmil(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.transmil import TransMilNet

    return TransMilNet(features, hidden=hidden, heads=math.gcd(hidden, 8))


def _transformer(features: int, hidden: int, attention: int) -> Aggregator:
    from espark.models.aggregators.transformer import TransformerNet

    return TransformerNet(features, hidden=hidden, heads=math.gcd(hidden, 4))


AGGREGATORS = Catalogue(
    "aggregator",
    "espark.aggregators",
    (
        AggregatorEntry("gated-attention", "Gated attention", _gated_attention, source="Ilse et al., ICML 2018"),
        AggregatorEntry("mean", "Mean", _mean, attention="the same for all tiles", source="baseline"),
        AggregatorEntry(
            "max", "Max", _max, attention="all on the tile with the highest log-odds of the outcome", source="baseline"
        ),
        AggregatorEntry("clam-sb", "CLAM-SB", _clam_sb, source="Lu et al., Nat Biomed Eng 2021"),
        AggregatorEntry(
            "dsmil", "DSMIL", _dsmil, attention="similarity to the most important tile", source="Li et al., CVPR 2021"
        ),
        AggregatorEntry(
            "transmil", "TransMIL", _transmil, ordered=True, attention="class token in the last layer",
            source="Shao et al., NeurIPS 2021", training={"batch_size": 16, "learning_rate": 1e-4},
        ),
        AggregatorEntry(
            "transformer", "Set transformer", _transformer, attention="class token", source="Lee et al., ICML 2019"
        ),
    ),
)  # fmt: skip
