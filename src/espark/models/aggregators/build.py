"""From an aggregator's name in the catalogue to its network."""

from __future__ import annotations

import math
from collections.abc import Callable

from espark.models.aggregators.aggregator import Aggregator
from espark.models.aggregators.clam import ClamSBNet
from espark.models.aggregators.dsmil import DsmilNet
from espark.models.aggregators.gated_attention import CytoPathNet
from espark.models.aggregators.plain_pooling import MaxNet, MeanNet
from espark.models.aggregators.transformer import TransformerNet
from espark.models.aggregators.transmil import TransMilNet

_BUILDERS: dict[str, Callable[[int, int, int], Aggregator]] = {
    "gated-attention": lambda features, hidden, width: CytoPathNet(features, hidden=hidden, attention=width),
    "mean": lambda features, hidden, width: MeanNet(features, hidden=hidden),
    "max": lambda features, hidden, width: MaxNet(features, hidden=hidden),
    "clam-sb": lambda features, hidden, width: ClamSBNet(features, hidden=hidden, attention=width),
    "dsmil": lambda features, hidden, width: DsmilNet(features, hidden=hidden, attention=width),
    "transmil": lambda features, hidden, width: TransMilNet(features, hidden=hidden, heads=math.gcd(hidden, 8)),
    "transformer": lambda features, hidden, width: TransformerNet(features, hidden=hidden, heads=math.gcd(hidden, 4)),
}


def build_aggregator(name: str, features: int, *, hidden: int, attention: int) -> Aggregator:
    """A network with fresh weights.

    Args:
        name: a name in `espark.models.aggregators.catalogue.AGGREGATORS`.
        features: length of a tile vector.
        hidden: length of the slide vector.
        attention: width of the attention, where the architecture has one.

    Raises:
        KeyError: when there is no such aggregator.
    """
    return _BUILDERS[name](features, hidden, attention)
