"""The radiomic features of a patient after small changes of the contour and the slices: those that a model uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espark.bundle.bundle import Bundle
from espark.ct.features.radiomics import RadiomicsSettings
from espark.ct.hounsfield import CtVolume
from espark.ct.models.look import look_at_image
from espark.ct.regions.redrawn import Redrawing, redrawings
from espark.ct.regions.regions import Regions
from espark.steps.prepare.image_scale import redrawn_regions
from espark.steps.prepare.measure import measure_regions
from espark.training.inputs import Inputs
from espark.training.members.member import entering_features
from espark.types import FloatArray, Scale

Used = dict[Scale, frozenset[str]]
"""By scale, the names of the features that can change an answer."""


@dataclass(frozen=True)
class RedrawnFeatures:
    """Features after one change.

    Attributes:
        name: the change, as it continues "with …".
        values: by ``scale__feature``; NaN where a feature could not be computed.
    """

    name: str
    values: dict[str, float]


def used_features(bundle: Bundle, inputs: Inputs) -> Used:
    """The features that can change an answer of any fold, by scale; ``inputs`` names all of them."""
    enters = entering_features(bundle.members, inputs.radiomics.shape[1])
    found: Used = {}
    start = 0
    for scale, names in zip(inputs.scales, inputs.feature_names, strict=True):
        part = enters[start : start + len(names)]
        found[scale] = frozenset(name for name, used in zip(names, part, strict=True) if used)
        start += len(names)
    return found


def redrawn_features(
    ct: CtVolume,
    regions: Regions,
    settings: RadiomicsSettings,
    used: Mapping[Scale, frozenset[str]],
    *,
    ring_mm: float = 0.0,
    image_model: str = "",
    workers: int = 1,
) -> list[RedrawnFeatures]:
    """Measure the regions again after each change.

    Args:
        ct: the CT.
        regions: its regions.
        settings: how radiomics are computed.
        used: the features that are needed.
        ring_mm: thickness of the ring around the tumor.
        image_model: the CT model that looks at the image; empty for none.
        workers: processes that share the radiomics.
    """
    return [
        RedrawnFeatures(drawn.name, _measured(drawn, regions, settings, used, image_model, workers))
        for drawn in redrawings(ct, regions, ring_mm=ring_mm)
    ]


def _measured(
    drawn: Redrawing,
    regions: Regions,
    settings: RadiomicsSettings,
    used: Mapping[Scale, frozenset[str]],
    image_model: str,
    workers: int,
) -> dict[str, float]:
    scales = [scale for scale in drawn.masks if used.get(scale)]
    masks, names = [drawn.masks[scale] for scale in scales], [used[scale] for scale in scales]
    results = measure_regions(drawn.ct, masks, settings, wanted=names, workers=workers)
    found = {
        f"{scale}__{name}": result.values[name]
        for scale, result, wanted in zip(scales, results, names, strict=True)
        for name in sorted(wanted)
    }
    if image_model and used.get("image"):
        seen = look_at_image(image_model, drawn.ct, redrawn_regions(drawn.ct, regions, drawn.masks))
        found |= {f"image__{name}": seen.values[name] for name in sorted(used["image"])}
    return found


def rows_of(one: Inputs, found: Sequence[RedrawnFeatures]) -> FloatArray:
    """(changes, features) the patient's radiomics after each change; what was not measured again stays."""
    columns = [f"{scale}__{name}" for scale, part in zip(one.scales, one.feature_names, strict=True) for name in part]
    rows = np.repeat(one.radiomics, len(found), axis=0)
    for row, change in zip(rows, found, strict=True):
        for place, column in enumerate(columns):
            if column in change.values:
                row[place] = change.values[column]
    return rows
