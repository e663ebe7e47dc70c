"""Where the wall of an esophagus is thick: in mm, whatever the slices."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.wall import thick_part, wall_thickness

PIXEL_MM, LENGTH_MM, AIR_HU = 0.5, 120.0, -900
Piece = tuple[float, float, float]


def esophagus(slice_mm: float, *pieces: Piece, lumen_mm: float = 4.0) -> tuple[CtVolume, np.ndarray]:
    """A straight tube around air whose wall is 3 mm thick, and thicker in pieces: from, to (mm) and thickness."""
    heights = (np.arange(round(LENGTH_MM / slice_mm)) + 0.5) * slice_mm
    wall = np.full(len(heights), 3.0)
    for start, stop, thickness in pieces:
        wall[(heights >= start) & (heights < stop)] = thickness
    places = (np.arange(80) - 39.5) * PIXEL_MM
    radius = np.hypot(places[:, None], places)
    inside = radius[None] <= lumen_mm + wall[:, None, None]
    hu = np.where(radius <= lumen_mm, AIR_HU, 40)[None].repeat(len(heights), axis=0)
    image = sitk.GetImageFromArray(hu.astype(np.int16))
    image.SetSpacing((PIXEL_MM, PIXEL_MM, slice_mm))
    return CtVolume(image, "nifti"), inside


def extent(part: np.ndarray | None, slice_mm: float) -> tuple[float, float] | None:
    """From where to where a part reaches, in mm."""
    if part is None:
        return None
    slices = np.flatnonzero(part.any(axis=(1, 2)))
    return slices[0] * slice_mm, (slices[-1] + 1) * slice_mm


@pytest.mark.parametrize("lumen_mm", [0.0, 3.0, 6.0])
def test_the_wall_is_outer_minus_inner_radius(lumen_mm: float) -> None:
    found = wall_thickness(*esophagus(5.0, (40, 80, 8.0), lumen_mm=lumen_mm))
    np.testing.assert_allclose(found[:8], 3.0, atol=0.15)
    np.testing.assert_allclose(found[8:16], 8.0, atol=0.15)


def test_slices_without_esophagus_have_no_wall() -> None:
    ct, inside = esophagus(5.0)
    inside[10:] = False
    assert (wall_thickness(ct, inside)[10:] == 0).all()


@pytest.mark.parametrize("slice_mm", [0.5, 1.25, 2.5, 5.0])
def test_a_thick_part_is_found_at_its_place_whatever_the_slices(slice_mm: float) -> None:
    found = extent(thick_part(*esophagus(slice_mm, (50, 80, 9.0))), slice_mm)
    assert found == pytest.approx((50, 80), abs=slice_mm + 1.5)


@pytest.mark.parametrize("slice_mm", [0.5, 1.0])
def test_short_ridges_are_smoothed_away_over_millimeters(slice_mm: float) -> None:
    """Each is 3 mm long with 6 mm between: not a tumor, though each slice of it is thick and gaps would be bridged."""
    ridges = [(start, start + 3.0, 7.0) for start in (45.0, 54.0, 63.0)]
    assert thick_part(*esophagus(slice_mm, *ridges)) is None


@pytest.mark.parametrize("slice_mm", [1.0, 3.0])
def test_gaps_of_9_mm_are_bridged_and_larger_ones_are_not(slice_mm: float) -> None:
    """Of two parts the longer one is proposed."""
    near = thick_part(*esophagus(slice_mm, (30, 51, 9.0), (57, 72, 9.0)))
    assert extent(near, slice_mm) == pytest.approx((30, 72), abs=slice_mm + 1.5)
    far = thick_part(*esophagus(slice_mm, (30, 51, 9.0), (75, 90, 9.0)))
    assert extent(far, slice_mm) == pytest.approx((30, 51), abs=slice_mm + 1.5)


def test_a_part_shorter_than_12_mm_and_a_wall_that_is_thick_all_along_are_not_proposed() -> None:
    assert thick_part(*esophagus(1.0, (50, 58, 9.0))) is None
    assert thick_part(*esophagus(1.0, (0, LENGTH_MM, 9.0))) is None
    ct, inside = esophagus(1.0, (50, 80, 9.0))
    assert thick_part(ct, np.zeros_like(inside)) is None
