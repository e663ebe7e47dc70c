"""Where in a region a texture feature is high: the feature around every voxel, on the grid of the features."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from radiomics import getFeatureClasses

from espark.ct.feature_words import parse_feature_name
from espark.ct.grid import describe_grid, image_like, onto_grid
from espark.ct.hounsfield import CtVolume
from espark.ct.radiomics import RadiomicsSettings, filtered_image, quiet
from espark.ct.resample import crop_and_resample
from espark.errors import FeatureError

_BATCH = 2000
_KERNEL_VOXELS = 1


def voxel_map(ct: CtVolume, mask: sitk.Image, feature: str, settings: RadiomicsSettings | None = None) -> sitk.Image:
    """A feature around every voxel of a region: PyRadiomics' voxel-based extraction, 3 × 3 × 3 voxels.

    Image, region and gray-level bins are those of the feature itself, so that a map shows what the number sums up,
    but the mean of a map is not the feature. Only voxels of the region enter.

    Args:
        ct: the CT.
        mask: (0, 1) on the CT's grid.
        feature: PyRadiomics name; every class but shape has maps.
        settings: how the features are computed; None for the defaults.

    Returns:
        float64 on the grid of the features around the region, NaN outside of it.

    Raises:
        FeatureError: when the feature has no map, the region is empty, or the mask is on another grid.
    """
    settings = settings or RadiomicsSettings()
    name = parse_feature_name(feature)
    classes = getFeatureClasses()
    if name.kind not in classes or name.kind in ("shape", "shape2D"):
        raise FeatureError(f"{feature} has no map", expected="a feature of brightness or texture, as PyRadiomics names")
    fitted = onto_grid(mask, ct.image)
    if fitted is None:
        raise FeatureError(
            f"the mask lies on another grid than the CT: {describe_grid(mask)}",
            expected=f"the CT's grid: {describe_grid(ct.image)}",
        )
    if not sitk.GetArrayViewFromImage(fitted).any():
        raise FeatureError("the region is empty")
    image, region = crop_and_resample(
        ct.image, fitted, spacing_mm=settings.spacing_mm, padding_mm=settings.padding_mm, clip=settings.hu_range
    )
    if not sitk.GetArrayViewFromImage(region).any():
        raise FeatureError(f"no voxel of {settings.spacing_mm} mm lies half inside the region")
    with quiet():
        filtered = filtered_image(feature.split("_", 1)[0], image, region, settings)
        width = settings.lbp_bin_width if name.image_type.startswith("LBP") else settings.bin_width_hu
        found = classes[name.kind](
            filtered, region, binWidth=width, label=1, voxelBased=True, kernelRadius=_KERNEL_VOXELS, maskedKernel=True,
            initValue=np.nan, voxelBatch=_BATCH,
        )  # fmt: skip
        if name.feature not in found.featureNames:
            raise FeatureError(f"there is no feature {feature}")
        found.enableFeatureByName(name.feature)
        values = sitk.GetArrayFromImage(found.execute()[name.feature])
    inside = sitk.GetArrayViewFromImage(region) > 0
    return image_like(np.where(inside & np.isfinite(values), values, np.nan), region)
