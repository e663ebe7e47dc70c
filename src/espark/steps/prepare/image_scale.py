"""The scale ``image`` in a study: what its CT model computes from the CT itself, where the model looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.models.catalogue import CT_MODELS
from espark.ct.models.look import look_at_image
from espark.ct.regions.regions import Regions, regions_from_masks
from espark.types import REGIONS, Scale


def image_key(model: str) -> dict[str, Any]:
    """What identifies the CT model in the hash of an item's settings.

    Args:
        model: the CT model that looks at the image; empty for none.
    """
    return {"image_model": [model, *CT_MODELS.origin(model).get("plugin", [])]} if model else {}


def image_columns(model: str) -> list[str]:
    """Columns of the table of radiomics that the CT model fills; none when it does not look at the image."""
    return [f"image__{name}" for name in CT_MODELS[model].features] if model else []


def look_at_contours(
    model: str, ct: CtVolume, regions: Regions, contours: Mapping[Scale, Sequence[sitk.Image]]
) -> list[dict[str, float]]:
    """What the CT model computes with each set of perturbed contours.

    Args:
        model: the CT model that looks at the image.
        ct: the CT.
        regions: what is outlined on it.
        contours: by scale, the perturbed masks (0, 1), the same number for each.
    """
    return [look_at_image(model, ct, perturbed).values for perturbed in _regions_of(ct, regions, contours)]


def _regions_of(ct: CtVolume, regions: Regions, contours: Mapping[Scale, Sequence[sitk.Image]]) -> Iterator[Regions]:
    for masks in zip(*contours.values(), strict=True):
        yield redrawn_regions(ct, regions, dict(zip(contours, masks, strict=True)))


def redrawn_regions(ct: CtVolume, regions: Regions, drawn: Mapping[Scale, sitk.Image]) -> Regions:
    """Regions with other masks.

    Args:
        ct: the CT.
        regions: the regions as they were outlined.
        drawn: by scale, the new masks (0, 1) on the grid of the CT.
    """
    outlined = {scale: sitk.GetArrayFromImage(drawn[scale]).astype(np.bool_) for scale in REGIONS if scale in drawn}
    return replace(regions_from_masks(ct, **outlined), scales=regions.scales, ring=drawn.get("peritumoral"))
