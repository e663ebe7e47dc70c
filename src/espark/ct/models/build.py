"""From a CT model's name in the catalogue to its network."""

from __future__ import annotations

import torch

from espark.catalogue import running
from espark.ct.models.catalogue import CT_MODELS
from espark.errors import PluginError
from espark.models.mscalect import CtNetwork


def build_ct_network(
    name: str, features: tuple[int, ...], *, width: int, depth: int, scale_dropout: float
) -> CtNetwork:
    """A network with fresh weights.

    Args:
        name: a name in `espark.ct.models.catalogue.CT_MODELS`.
        features: number of features of each scale, in the order of the scales.
        width: length of the CT vector.
        depth: number of layers, if the architecture has this setting.
        scale_dropout: probability that, in training, one of several known scales is hidden.

    Raises:
        KeyError: when there is no such CT model.
        PluginError: when a plug-in fails, or gives something other than such a network.
    """
    build, plugin = CT_MODELS[name].network, CT_MODELS.plugin(name)
    if plugin is None:
        return build(features, width=width, depth=depth, scale_dropout=scale_dropout)
    with running(plugin):
        net = build(features, width=width, depth=depth, scale_dropout=scale_dropout)
        _check(net, features, width)
    return net


def _check(net: CtNetwork, features: tuple[int, ...], width: int) -> None:
    if not isinstance(net, CtNetwork):
        raise PluginError(f"it gives a {type(net).__name__}", expected="an espark.plugins.CtNetwork")
    patients = torch.zeros(2, sum(features)), torch.ones(2, len(features))
    with torch.no_grad():
        net.eval()
        shapes = [tuple(answer.shape) for answer in (net.embed(*patients), net(*patients))]
    net.train()
    if shapes != [(2, width), (2, 2)]:
        raise PluginError(
            f"for 2 patients it gives CT vectors {shapes[0]} and logits {shapes[1]}",
            expected=f"{(2, width)} and (2, 2)",
        )
