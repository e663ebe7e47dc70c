"""Radiomics against the consensus values of the Image Biomarker Standardization Initiative.

Every feature that PyRadiomics defines is compared: 11 of shape, 17 of first order, 74 of texture, on the digital
phantom and on the CT phantom in configurations A to E (A and B within slices, C to E in 3-D). Image and mask are
resampled by espark; the feature values are PyRadiomics'. Two steps of IBSI that PyRadiomics has no setting for are
done here: re-segmentation by range and outliers together, and grey levels counted from the range's lower bound.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ibsi_reference import CONVERSIONS, matching_tags, reference_values
from radiomics import getFeatureClasses, imageoperations

from espark.ct.grid import image_like
from espark.ct.resample import crop_and_resample

_CLASSES = ("shape", "firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm")


@dataclass(frozen=True)
class Configuration:
    """How the CT phantom is processed.

    Attributes:
        file: reference values.
        spacing_mm: grid (x, y, z); None keeps the phantom's.
        linear: linear interpolation, else cubic splines.
        flat: texture within slices.
        hu: range of the re-segmentation.
        outliers: also leave out voxels more than 3 standard deviations from the mean.
        bin_width: width of the bins, counted from the range's lower bound; None for 32 bins.
    """

    file: str
    spacing_mm: tuple[float, float, float] | None
    linear: bool
    flat: bool
    hu: tuple[float, float] | None = None
    outliers: bool = False
    bin_width: float | None = None


CONFIGURATIONS = {
    "A": Configuration("ibsi_1_chest_config_a.csv", None, True, True, hu=(-500, 400), bin_width=25),
    "B": Configuration("ibsi_1_chest_config_b.csv", (2, 2, 3), True, True, hu=(-500, 400)),
    "C": Configuration("ibsi_1_chest_config_c.csv", (2, 2, 2), True, False, hu=(-1000, 400), bin_width=25),
    "D": Configuration("ibsi_1_chest_config_d.csv", (2, 2, 2), True, False, outliers=True),
    "E": Configuration("ibsi_1_chest_config_e.csv", (2, 2, 2), False, False, hu=(-1000, 400), outliers=True),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("radiomics")
    logger.disabled = True
    logging.getLogger("radiomics.glcm").disabled = True
    yield
    logger.disabled = False
    logging.getLogger("radiomics.glcm").disabled = False


def features(
    monkeypatch: pytest.MonkeyPatch,
    image: sitk.Image,
    whole: np.ndarray,
    kept: np.ndarray,
    levels: np.ndarray,
    flat: bool,
) -> dict[str, float]:
    """PyRadiomics' features of given grey levels, by ``<class>_<name>``; shape is that of the whole region."""

    def given_levels(_: np.ndarray, inside: np.ndarray, **__: object) -> tuple[np.ndarray, None]:
        return np.where(inside, levels, 0).astype(int), None

    monkeypatch.setattr(imageoperations, "binImage", given_levels)
    found = {}
    for kind in _CLASSES:
        mask = image_like((whole if kind == "shape" else kept).astype(np.uint8), image)
        calculator = getFeatureClasses()[kind](image, mask, label=1, force2D=flat)
        found |= {f"{kind}_{name}": float(value) for name, value in calculator.execute().items()}
    return found


def disagreements(
    found: dict[str, float], voxels: int, references: dict[str, tuple[float, float]], flat: bool
) -> list[str]:
    """Features outside the tolerance, which is at least half a unit of the reference's third digit."""
    wrong = []
    for feature, tag in matching_tags(flat).items():
        reference, tolerance = references[tag]
        value = CONVERSIONS[feature](found[feature], voxels) if feature in CONVERSIONS else found[feature]
        rounding = 0.5 * 10.0 ** (np.floor(np.log10(abs(reference))) - 2) if reference else 0.0
        if not abs(value - reference) <= max(tolerance, rounding) * (1 + 1e-9):
            wrong.append(f"{feature} ({tag}): {value:.5g}, consensus {reference:g} ± {tolerance:g}")
    return wrong


@pytest.mark.parametrize("flat", [False, True])
def test_digital_phantom(data: Path, monkeypatch: pytest.MonkeyPatch, flat: bool) -> None:
    folder = data / "ibsi/digital_phantom"
    image = sitk.ReadImage(str(folder / "phantom.nii.gz"))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "mask.nii.gz"))) > 0
    levels = sitk.GetArrayFromImage(image)
    references = reference_values(data / "ibsi/reference_values/ibsi_1_dig_phantom.csv")
    found = features(monkeypatch, sitk.Cast(image, sitk.sitkFloat64), mask, mask, levels, flat)
    assert len(matching_tags(flat)) == 102
    assert disagreements(found, int(mask.sum()), references, flat) == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_ct_phantom(data: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    configuration = CONFIGURATIONS[name]
    folder = data / "ibsi/ct_phantom"
    image, region = crop_and_resample(
        sitk.ReadImage(str(folder / "phantom.nii.gz")),
        sitk.ReadImage(str(folder / "mask.nii.gz")),
        spacing_mm=configuration.spacing_mm,
        padding_mm=10,
        linear=configuration.linear,
    )
    grey, whole = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(region) > 0
    kept = whole.copy()
    if configuration.hu is not None:
        kept &= (grey >= configuration.hu[0]) & (grey <= configuration.hu[1])
    if configuration.outliers:
        mean, deviation = grey[kept].mean(), grey[kept].std()
        kept &= np.abs(grey - mean) <= 3 * deviation
    if configuration.hu is not None and configuration.bin_width is not None:
        levels = np.floor((grey - configuration.hu[0]) / configuration.bin_width) + 1
    else:
        low, high = grey[kept].min(), grey[kept].max()
        levels = np.minimum(np.floor(32 * (grey - low) / (high - low)) + 1, 32)
    references = reference_values(data / "ibsi/reference_values" / configuration.file)
    assert whole.sum() == references["morph_mask_vox_count_interp_roi"][0]
    assert kept.sum() == references["int_mask_vox_count_reseg_roi"][0]
    found = features(monkeypatch, image, whole, kept, levels, configuration.flat)
    assert disagreements(found, int(whole.sum()), references, configuration.flat) == []
