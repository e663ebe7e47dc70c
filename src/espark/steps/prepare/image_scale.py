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
from espark.errors import FeatureError
from espark.types import REGIONS, Scale
from espark.workspace.opened import Workspace


def image_key(model: str) -> dict[str, Any]:
    """What identifies the CT model in the hash of an item's settings.

    Args:
        model: the CT model that looks at the image; empty for none.
    """
    if not model:
        return {}
    plugin = CT_MODELS.plugin(model)
    return {"image_model": [model, *([plugin.package, plugin.release] if plugin else [])]}


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
        drawn = dict(zip(contours, masks, strict=True))
        outlined = {scale: sitk.GetArrayFromImage(drawn[scale]).astype(np.bool_) for scale in REGIONS if scale in drawn}
        yield replace(regions_from_masks(ct, **outlined), scales=regions.scales, ring=drawn.get("peritumoral"))


def check_image_scale(workspace: Workspace, found: Sequence[str]) -> None:
    """Check that the prepared numbers are those of the CT model that study.toml names.

    Args:
        workspace: the opened study.
        found: names of the features of the scale ``image`` in the table of radiomics.

    Raises:
        FeatureError: when they are those of another model, or missing.
    """
    model = workspace.config.mscalect.image_model
    imported = any(entry.scale == "image" for entry in workspace.config.ct_features)
    wanted = CT_MODELS[model].features if model else ()
    if imported or tuple(found) == wanted or (not found and workspace.config.ct_features):
        return
    raise FeatureError(
        f"{len(found)} numbers of the whole image are prepared, but the CT model '{workspace.config.mscalect.model}' "
        f"computes {'others' if len(found) == len(wanted) else len(wanted)}",
        where=workspace.layout.radiomics,
        action=f"Run `espark prepare {workspace.root}` again.",
    )
