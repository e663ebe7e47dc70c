"""From a fusion's name in the catalogue to the fusion."""

from __future__ import annotations

import torch

from espark.catalogue import running
from espark.errors import PluginError
from espark.models.fusions.catalogue import FUSIONS
from espark.models.fusions.fusion import Fusion


def build_fusion(name: str, width: int, modalities: int) -> Fusion:
    """A fusion with fresh weights.

    Args:
        name: a name in `espark.models.fusions.catalogue.FUSIONS`.
        width: common length of the vectors of the modalities.
        modalities: number of vectors.

    Raises:
        KeyError: when there is no such fusion.
        PluginError: when a plug-in fails, or gives something other than a fusion.
    """
    build, plugin = FUSIONS[name].build, FUSIONS.plugin(name)
    if plugin is None:
        return build(width, modalities)
    with running(plugin):
        fusion = build(width, modalities)
        _check(fusion, width, modalities)
    return fusion


def _check(fusion: Fusion, width: int, modalities: int) -> None:
    if not isinstance(fusion, Fusion):
        raise PluginError(f"it gives a {type(fusion).__name__}", expected="an espark.plugins.Fusion")
    with torch.no_grad():
        fusion.eval()
        logits = fusion.logits(torch.zeros(2, modalities, width), torch.ones(2, modalities))
    fusion.train()
    if logits.shape != (2, 2):
        raise PluginError(f"for 2 patients it gives logits {tuple(logits.shape)}", expected="(2, 2)")
