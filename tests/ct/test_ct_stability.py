"""Perturbed contours, and what they do to features."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.regions.perturbation import perturb_contour


def ball(radius: float = 14.0) -> sitk.Image:
    z, y, x = (np.arange(n) - n / 2 for n in (24, 50, 50))
    inside = (3 * z[:, None, None]) ** 2 + y[:, None] ** 2 + x**2 < radius**2
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing((1, 1, 3))
    return image


def test_contours_move_by_about_the_given_distance() -> None:
    mask = sitk.GetArrayFromImage(ball()) > 0
    radii = []
    for seed in range(30):
        moved = sitk.GetArrayFromImage(perturb_contour(ball(), generator=np.random.default_rng(seed))) > 0
        assert moved.any()
        radii.append((3 * moved.sum() * 3 / (4 * np.pi)) ** (1 / 3))
        overlap = 2 * (moved & mask).sum() / (moved.sum() + mask.sum())
        assert 0.85 < overlap < 1
    assert np.mean(radii) == pytest.approx(14, abs=0.4)
    assert 0.05 < np.std(radii) < 1


def displacement(spacing: tuple[float, float, float], seed: int, **settings: float) -> np.ndarray:
    """(y, x) in mm, how far the flat top of a block of 120 × 120 mm moves up; spacing is (x, y, z)."""
    x, y, z = (round(extent / mm) for extent, mm in zip((120, 120, 24), spacing, strict=True))
    block = np.zeros((z, y, x), dtype=np.uint8)
    block[: z // 2] = 1
    mask = sitk.GetImageFromArray(block)
    mask.SetSpacing(spacing)
    moved = perturb_contour(mask, generator=np.random.default_rng(seed), **settings)
    return (sitk.GetArrayFromImage(moved).sum(axis=0) - float(z // 2)) * spacing[2]


SPACINGS = [(2.0, 2.0, 0.5), (3.0, 1.5, 0.5), (1.5, 3.0, 0.25)]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sd_mm", [1.0, 2.0])
def test_the_displacement_is_in_mm_whatever_the_voxels(spacing: tuple[float, float, float], sd_mm: float) -> None:
    moved = np.concatenate([displacement(spacing, seed, sd_mm=sd_mm) for seed in range(6)])
    assert moved.std() == pytest.approx(sd_mm, rel=0.15)
    assert moved.mean() == pytest.approx(0, abs=0.2 * sd_mm)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("smooth_mm", [6.0, 12.0])
def test_places_within_the_smoothing_distance_move_together(
    spacing: tuple[float, float, float], smooth_mm: float
) -> None:
    """White noise smoothed with a Gaussian of SD s correlates by exp(-d² / 4s²): 1/e at the smoothing distance."""
    moved = [displacement(spacing, seed, smooth_mm=smooth_mm) for seed in range(12)]
    for axis, mm in ((1, spacing[0]), (0, spacing[1])):
        step = round(smooth_mm / mm)
        near, far = (np.concatenate([np.roll(part, shift, axis).ravel() for part in moved]) for shift in (step, 0))
        assert np.corrcoef(near, far)[0, 1] == pytest.approx(np.exp(-1), abs=0.15)


def test_same_seed_same_contour_and_no_displacement_no_change() -> None:
    first, second = (perturb_contour(ball(), generator=np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))
    still = perturb_contour(ball(), generator=np.random.default_rng(4), sd_mm=0)
    assert np.array_equal(sitk.GetArrayFromImage(still), sitk.GetArrayFromImage(ball()))


def test_a_tiny_region_never_vanishes() -> None:
    voxel = np.zeros((5, 5, 5), dtype=np.uint8)
    voxel[2, 2, 2] = 1
    for seed in range(20):
        moved = perturb_contour(sitk.GetImageFromArray(voxel), generator=np.random.default_rng(seed), sd_mm=3)
        assert sitk.GetArrayFromImage(moved).any()
