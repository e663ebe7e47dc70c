"""Regions moved by a distance, drawn again, and seen on thicker slices."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.regions.perturbation import move_contour, smallest_step_mm
from espark.ct.regions.redrawn import redrawings
from espark.ct.regions.regions import regions_from_masks
from espark.ct.regions.ring import with_ring

RADIUS = 12.0


def ball(spacing: tuple[float, float, float], radius: float = RADIUS) -> np.ndarray:
    """(z, y, x) True inside a ball in a box of 60 mm."""
    x, y, z = ((np.arange(round(60 / mm)) - (round(60 / mm) - 1) / 2) * mm for mm in spacing)
    inside: np.ndarray = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < radius**2
    return inside


def as_mask(inside: np.ndarray, spacing: tuple[float, float, float]) -> sitk.Image:
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.SetSpacing(spacing)
    return mask


def volume(mask: sitk.Image) -> float:
    return float(sitk.GetArrayViewFromImage(mask).sum() * np.prod(mask.GetSpacing()))


@pytest.mark.parametrize("mm", [1.0, -1.0, 2.0, -2.0])
def test_a_ball_grows_and_shrinks_by_the_distance(mm: float) -> None:
    spacing = (0.5, 0.5, 0.5)
    moved = volume(move_contour(as_mask(ball(spacing), spacing), mm))
    assert (3 * moved / (4 * np.pi)) ** (1 / 3) == pytest.approx(RADIUS + mm, abs=spacing[0] / 2)


def test_what_would_vanish_stays() -> None:
    tube = np.zeros((20, 20, 20), dtype=bool)
    tube[:, 10, 10] = True
    kept = move_contour(as_mask(tube, (1, 1, 1)), -2.0)
    assert np.array_equal(sitk.GetArrayFromImage(kept) > 0, tube)


@pytest.mark.parametrize("spacing", [(0.7, 0.7, 3.0), (2.0, 2.0, 2.0), (4.0, 4.0, 1.5), (3.9, 3.9, 3.0)])
def test_a_step_moves_the_surface_within_every_slice_however_large_the_voxels(
    spacing: tuple[float, float, float],
) -> None:
    mask = as_mask(ball(spacing), spacing)
    step = smallest_step_mm(mask, 1.0)
    wider, narrower = (sitk.GetArrayFromImage(move_contour(mask, mm)) for mm in (step, -step))
    middle = sitk.GetArrayFromImage(mask)[mask.GetSize()[2] // 2]
    assert wider[len(wider) // 2].sum() > middle.sum() > narrower[len(narrower) // 2].sum()
    assert step == pytest.approx(max(1.0, max(spacing[:2]) - min(spacing) / 2))


def ct_of(spacing: tuple[float, float, float]) -> CtVolume:
    """Slice number k has the value 10 k."""
    shape = ball(spacing).shape
    voxels = np.broadcast_to(10 * np.arange(shape[0])[:, None, None], shape).astype(np.int16)
    image = sitk.GetImageFromArray(voxels.copy())
    image.SetSpacing(spacing)
    return CtVolume(image, "nifti")


def test_a_patient_is_drawn_in_five_ways_and_the_ring_moves_along() -> None:
    spacing = (1.0, 1.0, 2.0)
    ct = ct_of(spacing)
    tumor, esophagus = ball(spacing), ball(spacing, 15)
    regions, _ = with_ring(ct, regions_from_masks(ct, tumor=tumor, esophagus=esophagus), 4.0)
    drawn = list(redrawings(ct, regions, ring_mm=4.0))
    assert [one.name for one in drawn] == [
        "a contour 1 mm wider", "a contour 1 mm narrower", "a contour drawn again (1)", "a contour drawn again (2)",
        "slices of 4 mm",
    ]  # fmt: skip
    for one in drawn:
        assert set(one.masks) == set(regions.scales)
        parts = {scale: sitk.GetArrayFromImage(mask) > 0 for scale, mask in one.masks.items()}
        assert not (parts["tumor"] & ~parts["esophagus"]).any()
        if one.ct is ct:
            assert not (parts["tumor"] & parts["peritumoral"]).any()
    wide, narrow = (volume(one.masks["tumor"]) for one in drawn[:2])
    assert wide > volume(regions.mask("tumor")) > narrow
    again = list(redrawings(ct, regions, ring_mm=4.0))
    for first, second in zip(drawn, again, strict=True):
        for scale, mask in first.masks.items():
            assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(second.masks[scale]))


def test_thick_slices_are_means_in_the_right_place() -> None:
    spacing = (1.0, 1.0, 1.25)
    ct = ct_of(spacing)
    regions = regions_from_masks(ct, tumor=ball(spacing))
    thick = list(redrawings(ct, regions))[-1]
    assert thick.name == "slices of 5 mm"
    values = sitk.GetArrayFromImage(thick.ct.image)
    assert np.array_equal(values[:, 0, 0], 10 * (4 * np.arange(len(values)) + 1.5))
    first = thick.ct.image.TransformIndexToPhysicalPoint((0, 0, 0))
    assert first == pytest.approx((0, 0, 1.5 * 1.25))
    assert volume(thick.masks["tumor"]) == pytest.approx(volume(regions.mask("tumor")), rel=0.1)


def test_slices_that_are_thick_already_stay() -> None:
    spacing = (1.0, 1.0, 5.0)
    ct = ct_of(spacing)
    assert len(list(redrawings(ct, regions_from_masks(ct, tumor=ball(spacing))))) == 4
