"""A value or a reason for each feature."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from radiomics import featureextractor, imageoperations

from ct_phantoms import chest, volume
from espark.ct.features.image_types import IMAGE_TYPES
from espark.ct.features.lbp import LBP3D_NAMES, lbp3d
from espark.ct.features.radiomics import (
    RadiomicsResult,
    RadiomicsSettings,
    compute_radiomics,
    feature_names,
    radiomics_work,
)
from espark.ct.files.volume import CtVolume, read_ct
from espark.ct.grid import image_like
from espark.ct.regions.rtstruct import read_rtstruct_roi
from espark.ct.resample import crop_and_resample
from espark.errors import FeatureError

ORIGINAL = RadiomicsSettings(image_types=("Original",))


@pytest.fixture(scope="module")
def ct() -> CtVolume:
    hu = chest((60, 56, 20), seed=1).astype(float)
    hu += 30 * np.sin(np.indices(hu.shape).sum(axis=0) / 3)
    return volume(np.rint(hu).astype(np.int16))


def mask_of(ct: CtVolume, inside: np.ndarray) -> sitk.Image:
    return image_like(inside.astype(np.uint8), ct.image)


def ball(ct: CtVolume, radius_mm: float = 13) -> np.ndarray:
    z, y, x = (np.arange(n) - (n - 1) / 2 for n in ct.size[::-1])
    return (3 * z[:, None, None]) ** 2 + (1.5 * y[:, None]) ** 2 + (1.5 * x) ** 2 < radius_mm**2


def bare(ct: CtVolume, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    """What PyRadiomics alone gives for the same arrays."""
    image, region = crop_and_resample(ct.image, mask, spacing_mm=settings.spacing_mm, padding_mm=settings.padding_mm)
    extractor = featureextractor.RadiomicsFeatureExtractor(binWidth=settings.bin_width_hu, additionalInfo=False)
    extractor.disableAllImageTypes()
    for name in settings.image_types:
        width = {"binWidth": settings.lbp_bin_width} if name.startswith("LBP") else {}
        extractor.enabledImagetypes[name] = {**IMAGE_TYPES[name].settings, **width}
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: float(value) for name, value in extractor.execute(image, region).items()}


def explained(result: RadiomicsResult) -> bool:
    """Every value is a number, or NaN with a reason; and no reason stands beside a number."""
    return all(np.isfinite(value) != bool(result.reason(name)) for name, value in result.values.items())


def test_names_are_known_beforehand() -> None:
    names = feature_names()
    assert len(names) == len(set(names)) == 2153
    assert len(feature_names(ORIGINAL)) == 107
    assert names[0] == "original_shape_Elongation"
    for name in ("original_firstorder_Mean", "log-sigma-2-0-mm-3D_glcm_Idn", "lbp-3D-k_ngtdm_Busyness"):
        assert name in names


def test_all_values_are_those_of_pyradiomics(ct: CtVolume) -> None:
    settings = RadiomicsSettings(hu_range=None)
    mask = mask_of(ct, ball(ct))
    result = compute_radiomics(ct, mask, settings)
    expected = bare(ct, mask, settings)
    assert list(result.values) == list(expected)
    assert result.failures == {}
    for name, value in expected.items():
        if name.startswith("lbp-3D"):
            continue  # on whole numbers PyRadiomics leaves ties to rounding; compared below where there are none
        assert result.values[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name


def test_local_binary_patterns_are_those_of_pyradiomics() -> None:
    generator = np.random.default_rng(2)
    image, mask = generator.normal(0, 60, (14, 15, 16)), np.zeros((14, 15, 16), dtype=bool)
    mask[2:12, 3:12, 4:13] = generator.random((10, 9, 9)) < 0.7
    found = lbp3d(image, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for expected, name, _ in imageoperations.getLBP3DImage(
            sitk.GetImageFromArray(image), sitk.GetImageFromArray(mask.astype(np.uint8))
        ):
            assert np.allclose(found[name][mask], sitk.GetArrayFromImage(expected)[mask], atol=1e-9)
    flat = lbp3d(np.full((9, 9, 9), -1024.0), np.pad(np.ones((3, 3, 3), dtype=bool), 3))
    assert np.isfinite(flat["lbp-3D-k"]).all()
    assert np.ptp(flat["lbp-3D-m1"][3:6, 3:6, 3:6]) == 0
    assert set(found) == set(LBP3D_NAMES)


def test_plain_statistics(ct: CtVolume) -> None:
    inside = ball(ct)
    values = compute_radiomics(ct, mask_of(ct, inside), replace(ORIGINAL, spacing_mm=None)).values
    hu = sitk.GetArrayFromImage(ct.image)[inside].astype(float)
    assert values["original_firstorder_Mean"] == pytest.approx(hu.mean())
    assert values["original_firstorder_Maximum"] == hu.max()
    assert values["original_firstorder_Variance"] == pytest.approx(hu.var())
    assert values["original_shape_VoxelVolume"] == pytest.approx(inside.sum() * 1.5 * 1.5 * 3)


def test_a_ball_is_round(ct: CtVolume) -> None:
    values = compute_radiomics(ct, mask_of(ct, ball(ct)), ORIGINAL).values
    assert values["original_shape_MeshVolume"] == pytest.approx(4 / 3 * np.pi * 13**3, rel=0.03)
    assert values["original_shape_Maximum3DDiameter"] == pytest.approx(26, rel=0.1)
    assert values["original_shape_Sphericity"] > 0.9


def test_only_the_surroundings_matter(ct: CtVolume) -> None:
    """What lies further away than the padding changes nothing, nor do axes stored in another order."""
    inside = ball(ct, radius_mm=6)
    settings = RadiomicsSettings(image_types=("Original", "LoG", "Wavelet", "Gradient", "Square"), padding_mm=5)
    expected = compute_radiomics(ct, mask_of(ct, inside), settings)
    hu = sitk.GetArrayFromImage(ct.image)
    hu[:, :8] = hu[:, -8:] = 2000
    changed = replace(ct, image=image_like(hu, ct.image))
    # cubic splines reach a little further, by less than rounding shows
    assert compute_radiomics(changed, mask_of(ct, inside), settings).values == expected.values


def test_same_input_same_values(ct: CtVolume) -> None:
    mask = mask_of(ct, ball(ct))
    first, second = (compute_radiomics(ct, mask, RadiomicsSettings(image_types=("LBP3D", "Wavelet"))) for _ in range(2))
    assert first == second


def test_metal_and_padding_do_not_set_the_scale(ct: CtVolume) -> None:
    settings = RadiomicsSettings(image_types=("Square", "Exponential"))
    inside = ball(ct, radius_mm=9)
    hu = sitk.GetArrayFromImage(ct.image)
    results = []
    for metal, padding in ((3071, -1024), (20000, -3024)):
        changed = hu.copy()
        changed[10, 18, 30], changed[10, 38, 30] = metal, padding
        results.append(
            compute_radiomics(replace(ct, image=image_like(changed, ct.image)), mask_of(ct, inside), settings)
        )
    assert results[0] == results[1]


def _region(ct: CtVolume, kind: str) -> np.ndarray:
    inside = np.zeros(ct.size[::-1], dtype=bool)
    boxes = {
        "voxel": np.s_[10, 28, 30],
        "two voxels": np.s_[10, 28, 30:32],
        "line": np.s_[10, 28, 20:40],
        "slice": np.s_[10, 20:36, 22:38],
        "corner": np.s_[0:2, 0:3, 0:3],
        "whole": np.s_[:, :, :],
    }
    inside[boxes[kind]] = True
    return inside


@pytest.mark.parametrize("spacing", [None, (2.0, 2.0, 2.0)])
@pytest.mark.parametrize("kind", ["voxel", "two voxels", "line", "slice", "corner"])
def test_small_regions_have_a_value_or_a_reason(
    ct: CtVolume, kind: str, spacing: tuple[float, float, float] | None
) -> None:
    result = compute_radiomics(ct, mask_of(ct, _region(ct, kind)), RadiomicsSettings(spacing_mm=spacing))
    assert tuple(result.values) == feature_names()
    assert explained(result)
    if kind in ("slice", "corner"):
        assert result.voxels > 10
        assert sum(np.isnan(list(result.values.values()))) < 60
    if kind == "slice" and spacing is None:
        assert np.isfinite(result.values["original_glcm_Contrast"])


def test_constant_region_and_tiny_ct() -> None:
    hu = np.full((6, 8, 8), -1000, dtype=np.int16)
    hu[1:5, 2:6, 2:6] = 30
    ct = volume(hu, spacing=(2, 2, 2))
    inside = np.zeros(hu.shape, dtype=bool)
    inside[2:4, 3:5, 3:5] = True
    result = compute_radiomics(ct, mask_of(ct, inside))
    assert explained(result)
    assert result.values["original_firstorder_Entropy"] == pytest.approx(0, abs=1e-9)
    assert result.values["original_firstorder_Mean"] == 30
    tiny = volume(np.zeros((3, 3, 3), dtype=np.int16), spacing=(2, 2, 2))
    flat = compute_radiomics(tiny, mask_of(tiny, np.ones((3, 3, 3))))
    assert explained(flat)
    assert "too small" in str(flat.reason("log-sigma-1-0-mm-3D_glcm_Idn"))


def test_no_region_has_reasons_only(ct: CtVolume) -> None:
    nothing = compute_radiomics(ct, mask_of(ct, np.zeros(ct.size[::-1])))
    assert np.isnan(list(nothing.values.values())).all()
    assert explained(nothing)
    assert nothing.reason("wavelet-LLL_glcm_Idn") == "the region is empty"
    thin = compute_radiomics(ct, mask_of(ct, _region(ct, "voxel")), replace(ORIGINAL, spacing_mm=(9.0, 9.0, 9.0)))
    assert thin.voxels == 0
    assert "no voxel of (9.0, 9.0, 9.0) mm" in str(thin.reason("original_shape_Elongation"))
    with pytest.raises(FeatureError, match="different grid"):
        compute_radiomics(ct, sitk.GetImageFromArray(np.ones((2, 2, 2), np.uint8)))


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(FeatureError, match=r"no image type wavelet \(did you mean Wavelet\?\)"):
        RadiomicsSettings(image_types=("wavelet",))
    for wrong in ({"image_types": ()}, {"spacing_mm": (0, 1, 1)}, {"bin_width_hu": 0}, {"padding_mm": -1}):
        with pytest.raises(FeatureError):
            RadiomicsSettings(**wrong)  # type: ignore[arg-type]


def test_nothing_is_said_on_the_terminal(ct: CtVolume, capfd: pytest.CaptureFixture[str]) -> None:
    handlers = list(logging.getLogger("radiomics").handlers)
    compute_radiomics(ct, mask_of(ct, ball(ct)))
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert logging.getLogger("radiomics").handlers == handlers


def test_grid_is_shared_by_the_regions_of_a_ct(ct: CtVolume) -> None:
    small, large = (
        crop_and_resample(ct.image, mask_of(ct, ball(ct, radius)), spacing_mm=(2.0, 2.0, 2.0), padding_mm=4)[0]
        for radius in (5, 12)
    )
    offset = (np.array(small.GetOrigin()) - large.GetOrigin()) / 2
    assert np.allclose(offset, np.rint(offset), atol=1e-6)
    start = np.rint(offset).astype(int)
    box = tuple(slice(int(a), int(a + n)) for a, n in zip(start, small.GetSize(), strict=True))
    assert np.array_equal(sitk.GetArrayFromImage(large[box]), sitk.GetArrayFromImage(small))


def test_real_region(data: Path) -> None:
    ct = read_ct(data / "ct/lung1-001/image")
    mask = read_rtstruct_roi(data / "ct/lung1-001/rtstruct/1-1.dcm", "GTV-1", ct).mask
    result = compute_radiomics(ct, mask)
    assert result.failures == {}
    volume_mm3 = result.values["original_shape_VoxelVolume"]
    assert volume_mm3 == pytest.approx(sitk.GetArrayFromImage(mask).sum() * np.prod(ct.spacing_mm), rel=0.03)


def test_wanted_features_are_those_of_all_and_nothing_else_is_computed(ct: CtVolume) -> None:
    mask = mask_of(ct, ball(ct))
    settings = RadiomicsSettings(image_types=("Original", "Wavelet", "LBP2D"), spacing_mm=None)
    wanted = frozenset({
        "original_shape_MeshVolume", "wavelet-LLH_glcm_Contrast", "wavelet-LLH_glcm_Idmn", "lbp-2D_firstorder_Mean",
    })  # fmt: skip
    whole = radiomics_work(ct, mask, settings)
    all_values = whole.joined(part.compute() for part in whole.parts()).values
    few = radiomics_work(ct, mask, settings, wanted)
    found = few.joined(part.compute() for part in few.parts()).values
    known = {name for name, value in found.items() if np.isfinite(value)}
    assert wanted <= known
    assert {name.rsplit("_", 1)[0] for name in known} == {name.rsplit("_", 1)[0] for name in wanted}
    assert all(found[name] == all_values[name] for name in known)
