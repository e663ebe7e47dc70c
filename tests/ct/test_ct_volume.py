"""A region has one volume, whoever measures it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import chest, volume, write_seg
from espark.ct.grid import image_like, volume_ml
from espark.ct.regions.label_map import read_label_map
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import regions_from_masks
from espark.ct.regions.seg import read_seg
from espark.errors import RegionError

SPACING = (0.9766, 0.8123, 2.7)
BLOCK = np.zeros((12, 36, 40), dtype=bool)
BLOCK[3:9, 10:21, 12:27] = True


def of_simpleitk(mask: sitk.Image) -> float:
    """The physical size that SimpleITK itself measures, in ml."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    return float(statistics.GetPhysicalSize(1)) / 1000


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SLP", "PIL"])
def test_every_reader_measures_as_simpleitk_does(tmp_path: Path, axes: str) -> None:
    ct = volume(chest(), SPACING)
    ct = type(ct)(sitk.DICOMOrient(ct.image, axes), ct.source)
    mask = sitk.DICOMOrient(image_like(BLOCK.astype(np.uint8), volume(chest(), SPACING).image), axes)
    expected = of_simpleitk(mask)
    assert expected == pytest.approx(6 * 11 * 15 * 0.9766 * 0.8123 * 2.7 / 1000, rel=1e-9)
    block = sitk.GetArrayFromImage(mask) > 0
    path = tmp_path / "mask.nii.gz"
    sitk.WriteImage(mask, str(path))
    found = (
        volume_ml(int(block.sum()), ct.spacing_mm),
        regions_from_masks(ct, tumor=block).volume_ml("tumor"),
        describe_region(ct, mask).volume_ml,
    )
    assert found == pytest.approx([expected] * len(found), rel=1e-9)
    with pytest.raises(RegionError) as told:
        read_label_map(path, mask, ct).region("xyz")
    assert listed_ml(told.value) == pytest.approx(expected, rel=0.005)


def test_a_seg_lists_the_same_volume(tmp_path: Path) -> None:
    ct = volume(chest(), SPACING)
    path = write_seg(tmp_path / "seg.dcm", {"GTV": BLOCK}, ct.image)
    with pytest.raises(RegionError) as told:
        read_seg(path, "xyz", ct)
    assert listed_ml(told.value) == pytest.approx(of_simpleitk(image_like(BLOCK.astype(np.uint8), ct.image)), rel=0.005)


def listed_ml(error: RegionError) -> float:
    """The volume that an error lists behind the one region that is there."""
    (found,) = re.findall(r"\(([\d.]+) ml\)", str(error))
    return float(found)
