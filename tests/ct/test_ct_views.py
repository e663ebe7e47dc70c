"""Planes through a region, and regions in numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from ct_phantoms import chest, volume
from espark.ct.files.volume import CtVolume, read_ct
from espark.ct.preview import Plane, three_planes, values_on_plane
from espark.ct.regions.plausibility import describe_region, doubts
from espark.ct.regions.regions import regions_from_masks
from espark.ct.regions.rtstruct import read_rtstruct_roi
from espark.errors import RegionError


def spot() -> CtVolume:
    """Water with a bright spot at the patient's left, front, head."""
    hu = np.zeros((20, 30, 40), dtype=np.int16)
    hu[15, 5, 32] = 3000
    return volume(hu, spacing=(1.0, 1.0, 2.0), origin=(0, 0, 0))


def _brightest(plane: Plane) -> tuple[str, str]:
    """On which sides of the plane's center the spot lies."""
    row, column = np.unravel_index(plane.hu.argmax(), plane.hu.shape)
    left, right, top, bottom = plane.sides
    return (left if column < plane.hu.shape[1] / 2 else right), (top if row < plane.hu.shape[0] / 2 else bottom)


@pytest.mark.parametrize("code", ["LPS", "RAI", "PSL", "LAS"])
def test_planes_lie_as_radiologists_expect(code: str) -> None:
    ct = spot()
    ct = replace(ct, image=sitk.DICOMOrient(ct.image, code))
    axial, coronal, sagittal = three_planes(ct, None, centre=(32, 5, 30))
    assert (axial.sides, coronal.sides, sagittal.sides) == (
        ("R", "L", "A", "P"),
        ("R", "L", "H", "F"),
        ("A", "P", "H", "F"),
    )
    assert _brightest(axial) == ("L", "A")
    assert _brightest(coronal) == ("L", "H")
    assert _brightest(sagittal) == ("A", "H")
    for plane in (axial, coronal, sagittal):
        assert plane.hu[plane.centre_px] == 3000
        assert plane.pixel_mm == 1.0
    assert axial.hu.shape == (30, 40)
    assert coronal.hu.shape == (39, 40)
    assert sagittal.hu.shape == (39, 30)


@pytest.mark.parametrize("code", ["LPS", "RAI", "PSL"])
def test_values_of_another_grid_lie_where_the_planes_show_them(code: str) -> None:
    """A spot on a grid of its own, smaller than the CT and stored otherwise, covers the bright voxel of the CT."""
    ct = spot()
    values = np.zeros((3, 5, 5))
    values[1, 2, 2] = 7.0
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 2.0))
    image.SetOrigin((30, 3, 28))
    image = sitk.DICOMOrient(image, code)
    for plane in three_planes(ct, None, centre=(32, 5, 30)):
        found = values_on_plane(image, plane)
        assert found.shape == plane.hu.shape
        assert found[plane.centre_px] == 7.0 == np.nanmax(found)
        assert plane.hu[found == 7.0].max() == 3000
        assert 5 * 5 <= np.isfinite(found).sum() <= 5 * 7 and not np.isfinite(found[0, 0])


def test_axial_plane_is_the_slice_itself() -> None:
    ct = volume(chest(), spacing=(1.5, 1.5, 3.0))
    tumor = np.zeros(ct.size[::-1], dtype=bool)
    tumor[6:9, 10:15, 20:28] = True
    axial, coronal, _ = three_planes(ct, regions_from_masks(ct, tumor=tumor))
    assert np.array_equal(axial.hu, chest()[7])
    assert np.array_equal(axial.masks["tumor"], tumor[7])
    assert set(axial.masks) == {"tumor"}
    assert coronal.masks["tumor"].sum() == 8 * 6  # 3 slices of 3 mm are 6 pixels of 1.5 mm
    assert three_planes(ct, None, width_mm=30)[1].hu.shape == (21, 21)


def test_plane_goes_through_a_bent_region() -> None:
    ct = volume(chest())
    ring = np.zeros(ct.size[::-1], dtype=bool)
    ring[5, 8:28, 8:28] = True
    ring[5, 12:24, 12:24] = False
    axial = three_planes(ct, regions_from_masks(ct, esophagus=ring))[0]
    assert axial.masks["esophagus"][axial.centre_px]


def test_numbers_of_a_known_box() -> None:
    ct = volume(chest(size=(80, 72, 12)), spacing=(1.5, 1.5, 3.0))
    mask = np.zeros(ct.size[::-1], dtype=np.uint8)
    mask[2:6, 30:34, 44:47] = 1
    mask[8, 60, 39] = 1
    image = sitk.GetImageFromArray(mask)
    image.CopyInformation(ct.image)
    found = describe_region(ct, image)
    assert found.volume_ml == pytest.approx(49 * 1.5 * 1.5 * 3 / 1000)
    assert found.length_mm == 7 * 3.0
    assert found.max_axial_diameter_mm == pytest.approx(np.hypot(3 * 1.5, 2 * 1.5) + 1.5)
    assert found.components == 2
    assert not found.touches_border
    assert found.midline_offset == pytest.approx((45 - 39.5) / 72, abs=0.02)
    assert found.air_share == 0
    assert found.mean_hu == pytest.approx(40, abs=5)
    flipped = describe_region(replace(ct, image=sitk.DICOMOrient(ct.image, "RAI")), sitk.DICOMOrient(image, "RAI"))
    assert flipped == found


def test_shell_of_lung_and_border() -> None:
    ct = volume(chest(size=(80, 72, 12)), spacing=(1.5, 1.5, 3.0))
    in_lung = np.zeros(ct.size[::-1], dtype=np.uint8)
    in_lung[0:3, 34:38, 20:24] = 1
    image = sitk.GetImageFromArray(in_lung)
    image.CopyInformation(ct.image)
    found = describe_region(ct, image)
    assert found.touches_border
    assert found.shell_air_share > 0.9
    assert found.midline_offset < -0.2
    told = " ".join(doubts(found, "tumor"))
    for word in ("volume", "surroundings are lung", "patient's right", "border"):
        assert word in told
    with pytest.raises(RegionError, match="empty"):
        describe_region(ct, image * 0)


def test_a_lung_tumor_is_told_from_an_esophagus(data: Path) -> None:
    ct = read_ct(data / "ct/lung1-001/image")
    found = describe_region(ct, read_rtstruct_roi(data / "ct/lung1-001/rtstruct/1-1.dcm", "GTV-1", ct).mask)
    assert len(doubts(found, "tumor")) >= 2
    assert "left" in " ".join(doubts(found, "tumor"))
    points = np.loadtxt(data / "ct/lung1-001/esophagus_points.csv", delimiter=",", skiprows=1, usecols=(0, 1, 2))
    slices = np.arange(42, 116)
    tube = np.zeros(ct.size[::-1], dtype=np.uint8)
    rows, columns = np.mgrid[:512, :512]
    for z in slices:
        x, y = (np.interp(z, points[:, 0], points[:, column]) for column in (1, 2))
        tube[z] = (rows - y) ** 2 + (columns - x) ** 2 < 8**2
    mask = sitk.GetImageFromArray(tube)
    mask.CopyInformation(ct.image)
    assert doubts(describe_region(ct, mask), "esophagus") == ()
