"""A CT model: numbers of its own from the whole CT, and a network over all scales."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from espark.plugins import CtNetwork, CtVolume, Regions

_AIR_HU = -500
_TISSUE_HU = (-200, 300)


def look_at_chest(ct: CtVolume, regions: Regions) -> Mapping[str, float]:
    """Air in the image in ml, mean Hounsfield units of soft tissue, and distance of tumor and nearest air in mm.

    Without a tumor the last is left out: it is then a missing value, as a missing scale of the radiomics is.
    """
    hu = sitk.GetArrayFromImage(ct.image)
    tissue = hu[(hu > _TISSUE_HU[0]) & (hu < _TISSUE_HU[1])]
    found = {
        "example_air_ml": float((hu < _AIR_HU).sum() * np.prod(ct.spacing_mm) / 1000),
        "example_tissue_hu": float(tissue.mean()),
    }
    if "tumor" in regions.scales:
        air = sitk.Cast(ct.image < _AIR_HU, sitk.sitkUInt8)
        distance = sitk.SignedMaurerDistanceMap(air, squaredDistance=False, useImageSpacing=True)
        tumor = sitk.GetArrayFromImage(regions.mask("tumor")) > 0
        found["example_tumor_to_air_mm"] = float(sitk.GetArrayFromImage(distance)[tumor].min())
    return found


class OneLayer(CtNetwork):
    """One layer over the features of all scales and over what is known of them.

    Args:
        features: number of features of each scale.
        width: length of the CT vector.
    """

    def __init__(self, features: tuple[int, ...], *, width: int):
        super().__init__()
        self.layer = nn.Linear(sum(features) + len(features), width)
        self.head = nn.Linear(width, 2)

    def embed(self, radiomics: Tensor, known: Tensor) -> Tensor:
        """The CT vector (patients, width) from features (patients, all) and known scales (patients, scales)."""
        return torch.tanh(self.layer(torch.cat([radiomics, known.to(radiomics.dtype) - 1], dim=1)))

    def forward(self, radiomics: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2)."""
        logits: Tensor = self.head(self.embed(radiomics, known))
        return logits
