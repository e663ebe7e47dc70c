"""The numbers that a CT model computes from the image itself, in addition to the radiomics."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping

from espark.catalogue import running
from espark.ct.features.radiomics import RadiomicsResult
from espark.ct.hounsfield import CtVolume
from espark.ct.models.catalogue import CT_MODELS
from espark.ct.regions.regions import Regions
from espark.errors import FeatureError


def look_at_image(model: str, ct: CtVolume, regions: Regions) -> RadiomicsResult:
    """Numbers that a CT model computes from the image.

    Args:
        model: a name in `espark.ct.models.catalogue.CT_MODELS`, of an entry with ``look``.
        ct: the CT.
        regions: the regions outlined on it.

    Returns:
        A value or a reason for each feature of the entry.

    Raises:
        PluginError: when the model fails on this CT, or gives something other than its own numbers.
    """
    entry, plugin = CT_MODELS.find(model), CT_MODELS.plugin(model)
    assert entry.look is not None
    with contextlib.nullcontext() if plugin is None else running(plugin):
        found = entry.look(ct, regions)
        _check(found, entry.features)
        numbers = {name: float(found.get(name, math.nan)) for name in entry.features}
    known = {name: value if math.isfinite(value) else math.nan for name, value in numbers.items()}
    missing = {name: f"{entry.title} gave no number" for name, value in known.items() if math.isnan(value)}
    return RadiomicsResult(known, missing)


def _check(found: Mapping[str, float], features: tuple[str, ...]) -> None:
    if not isinstance(found, Mapping):
        raise FeatureError(f"it gives a {type(found).__name__}", expected="a mapping from names to numbers")
    if unknown := sorted(set(found) - set(features)):
        raise FeatureError(f"it gives a number '{unknown[0]}'", expected=f"its features: {', '.join(features)}")
