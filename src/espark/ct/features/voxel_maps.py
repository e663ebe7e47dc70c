"""Where in a region a texture feature is high: the feature around every voxel, on the grid of the features."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from radiomics import getFeatureClasses

from espark.ct.features.feature_words import parse_feature_name
from espark.ct.features.radiomics import RadiomicsSettings, filtered_image
from espark.ct.features.radiomics_log import quiet
from espark.ct.grid import describe_grid, image_like, onto_grid
from espark.ct.hounsfield import CtVolume
from espark.ct.resample import crop_and_resample
from espark.errors import FeatureError

_BATCH = 500
_KERNEL_VOXELS = 1
# Seconds on one core, measured for regions of 1400 to 4400 voxels with 9 to 33 gray levels.
_SECONDS_PER_PAIR = 7e-7  # GLCM: voxels × gray levels²
_SECONDS_PER_CUBE = 1e-7  # GLCM's MCC, an eigenvalue problem: voxels × gray levels³
_SECONDS_PER_RUN = 3.5e-7  # GLRLM: voxels × gray levels × longest side of the region
_SECONDS_PER_VOXEL = 4e-5


def voxel_map(
    ct: CtVolume,
    mask: sitk.Image,
    feature: str,
    settings: RadiomicsSettings | None = None,
    *,
    most_seconds: float | None = None,
) -> sitk.Image:
    """A feature around every voxel of a region: PyRadiomics' voxel-based extraction, 3 × 3 × 3 voxels.

    Image, region and gray-level bins are those of the feature itself, so a map shows what the number
    summarizes. But the mean of a map is not the feature. Only voxels of the region are used.

    Args:
        ct: the CT.
        mask: (0, 1) on the CT's grid.
        feature: PyRadiomics name; every class except shape has maps.
        settings: how the features are computed; None for the defaults.
        most_seconds: refuse a map that takes longer according to :func:`expected_seconds`; None for no limit.

    Returns:
        float64 on the grid of the features around the region, NaN outside of it.

    Raises:
        FeatureError: when the feature has no map, the region is empty, the mask has a different grid, or the map
            takes too long.
    """
    settings = settings or RadiomicsSettings()
    name = parse_feature_name(feature)
    classes = getFeatureClasses()
    if name.kind not in classes or name.kind in ("shape", "shape2D"):
        raise FeatureError(f"{feature} has no map", expected="a PyRadiomics name of a feature of brightness or texture")
    fitted = onto_grid(mask, ct.image)
    if fitted is None:
        raise FeatureError(
            f"the mask has a different grid from the CT: {describe_grid(mask)}",
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
        seconds = expected_seconds(filtered, region, feature, width)
        if most_seconds is not None and seconds > most_seconds:
            raise FeatureError(f"the map would take about {seconds:.0f} s", expected=f"at most {most_seconds:g} s")
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


def expected_seconds(filtered: sitk.Image, region: sitk.Image, feature: str, bin_width: float) -> float:
    """Estimated time of a map on one core, from the size of its matrices. The estimate is the same on every machine.

    Args:
        filtered: the filtered image.
        region: (0, 1) on the same grid, not empty.
        feature: PyRadiomics name.
        bin_width: width of a gray-level bin.
    """
    inside = sitk.GetArrayViewFromImage(region) > 0
    values = sitk.GetArrayViewFromImage(filtered)[inside]
    voxels = len(values)
    levels = float(np.floor(values.max() / bin_width) - np.floor(values.min() / bin_width)) + 1
    longest = max(int(np.ptp(places)) + 1 for places in np.nonzero(inside))
    name = parse_feature_name(feature)
    by_class = {
        "glcm": _SECONDS_PER_PAIR * levels**2 + (_SECONDS_PER_CUBE * levels**3 if name.feature == "MCC" else 0.0),
        "glrlm": _SECONDS_PER_RUN * levels * longest,
    }
    return voxels * by_class.get(name.kind, _SECONDS_PER_VOXEL)
