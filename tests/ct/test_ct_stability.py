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
