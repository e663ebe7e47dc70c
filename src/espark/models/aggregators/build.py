"""From an aggregator's name in the catalogue to its network."""

from __future__ import annotations

import torch
from torch import nn

from espark.catalogue import running
from espark.errors import PluginError
from espark.models.aggregators.aggregator import Aggregator
from espark.models.aggregators.catalogue import AGGREGATORS


def build_aggregator(name: str, features: int, *, hidden: int, attention: int) -> Aggregator:
    """A network with fresh weights.

    Args:
        name: a name in `espark.models.aggregators.catalogue.AGGREGATORS`.
        features: length of a tile vector.
        hidden: length of the slide vector.
        attention: width of the attention, if the architecture has one.

    Raises:
        KeyError: when there is no such aggregator.
        PluginError: when a plug-in fails, or gives something other than an aggregator.
    """
    build, plugin = AGGREGATORS[name].build, AGGREGATORS.plugin(name)
    if plugin is None:
        return build(features, hidden=hidden, attention=attention)
    with running(plugin):
        net = build(features, hidden=hidden, attention=attention)
        _check(net, features, hidden)
    return net


def _check(net: Aggregator, features: int, hidden: int) -> None:
    if not (isinstance(net, Aggregator) and isinstance(getattr(net, "head", None), nn.Module)):
        raise PluginError(
            f"it gives a {type(net).__name__}", expected="an espark.plugins.Aggregator with a layer named head"
        )
    with torch.no_grad():
        net.eval()
        slide, attention = net.embed(torch.zeros(2, 3, features), torch.ones(2, 3, dtype=torch.bool))
    net.train()
    if (slide.shape, attention.shape) != ((2, hidden), (2, 3)):
        raise PluginError(
            f"for 2 patients with 3 tiles it gives slide vectors {tuple(slide.shape)} and attention "
            f"{tuple(attention.shape)}",
            expected=f"{(2, hidden)} and (2, 3)",
        )
