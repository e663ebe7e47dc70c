"""Where a texture is high: a planted bright ball appears at its place."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import volume
from espark.ct.features.radiomics import RadiomicsSettings
from espark.ct.features.voxel_maps import expected_seconds, voxel_map
from espark.errors import FeatureError

SETTINGS = RadiomicsSettings(image_types=("Original",), padding_mm=4)
SPACING = (1.0, 1.5, 3.0)


def phantom() -> tuple[object, sitk.Image, np.ndarray]:
    """A noisy block with a bright, restless ball of 6 mm at a known place; voxels are not cubes."""
    size = np.array((20, 36, 40))  # z, y, x
    z, y, x = np.meshgrid(*map(np.arange, size), indexing="ij")
    center = np.array((11, 14, 27))
    away = np.sqrt(((z - center[0]) * 3.0) ** 2 + ((y - center[1]) * 1.5) ** 2 + ((x - center[2]) * 1.0) ** 2)
    noise = np.random.default_rng(0).normal(size=size)
    hu = np.where(away < 6, 300 + 150 * noise, 40 + 2 * noise).astype(np.float32)
    ct = volume(hu, spacing=SPACING)
    mask = np.zeros(size, dtype=np.uint8)
    mask[2:18, 4:32, 6:36] = 1
    image = sitk.GetImageFromArray(mask)
    image.CopyInformation(ct.image)
    place = np.array(ct.image.TransformIndexToPhysicalPoint([int(n) for n in center[::-1]]))
    return ct, image, place


@pytest.mark.parametrize("feature", ["original_glcm_Contrast", "original_firstorder_Mean"])
def test_a_planted_ball_appears_at_its_place(feature: str) -> None:
    ct, mask, place = phantom()
    found = voxel_map(ct, mask, feature, SETTINGS)  # type: ignore[arg-type]
    values = sitk.GetArrayFromImage(found)
    assert np.isfinite(values).any() and np.isnan(values).any()
    weight = np.nan_to_num(values - np.nanmedian(values)).clip(min=0)
    weight[weight < 0.3 * weight.max()] = 0
    index = [float((weight * grid).sum() / weight.sum()) for grid in np.indices(values.shape)][::-1]
    assert np.linalg.norm(np.array(found.TransformContinuousIndexToPhysicalPoint(index)) - place) < 2.0


def test_what_has_no_map_is_refused() -> None:
    ct, mask, _ = phantom()
    for feature in ("original_shape_MeshVolume", "wavelet-LLH_glcm_Contrast", "original_glcm_Nothing", "SUVmax"):
        with pytest.raises(FeatureError):
            voxel_map(ct, mask, feature, SETTINGS)  # type: ignore[arg-type]
    with pytest.raises(FeatureError, match="empty"):
        voxel_map(ct, mask * 0, "original_glcm_Contrast", SETTINGS)  # type: ignore[arg-type]


def test_a_map_that_takes_too_long_is_refused_before_it_is_begun() -> None:
    ct, mask, _ = phantom()
    with pytest.raises(FeatureError, match=r"would take about \d+ s.*at most 0.001 s"):
        voxel_map(ct, mask, "original_glcm_Contrast", SETTINGS, most_seconds=1e-3)  # type: ignore[arg-type]
    voxel_map(ct, mask, "original_glcm_Contrast", SETTINGS, most_seconds=600)  # type: ignore[arg-type]


def test_the_expected_time_grows_with_voxels_and_gray_levels() -> None:
    ramp = sitk.GetImageFromArray(np.arange(8 * 8 * 8, dtype=float).reshape(8, 8, 8))
    region = sitk.GetImageFromArray(np.ones((8, 8, 8), np.uint8))
    half = np.ones((8, 8, 8), np.uint8)
    half[4:] = 0
    times = {kind: expected_seconds(ramp, region, f"original_glcm_{kind}", 8.0) for kind in ("Contrast", "MCC")}
    assert times["MCC"] > times["Contrast"] > 0
    assert expected_seconds(ramp, region, "original_glcm_Contrast", 4.0) == pytest.approx(4 * times["Contrast"])
    smaller = expected_seconds(ramp, sitk.GetImageFromArray(half), "original_ngtdm_Contrast", 8.0)
    assert expected_seconds(ramp, region, "original_ngtdm_Contrast", 8.0) == pytest.approx(2 * smaller)
