"""Agreement of masks, against values worked out by hand and against another library."""

from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from espark.statistics.overlap import mean_estimate, overlap


def cube(start: int, side: int, shape: int = 24) -> np.ndarray:
    mask = np.zeros((shape,) * 3, bool)
    mask[start : start + side, 6:16, 6:16] = True
    return mask


def test_a_mask_agrees_with_itself() -> None:
    found = overlap(cube(4, 8), cube(4, 8), (1.0, 1.0, 1.0))
    assert (found.dice, found.surface_dice, found.hd95_mm) == (1.0, 1.0, 0.0)


def test_a_shift_is_measured_in_mm() -> None:
    """Shifted by 2 slices of 2.5 mm: the two end faces are 5 mm away, the side walls of both overlap but for them."""
    found = overlap(cube(4, 8), cube(6, 8), (2.5, 1.0, 1.0))
    assert found.dice == pytest.approx(2 * 6 / 16)
    assert found.hd95_mm == pytest.approx(5.0)
    assert overlap(cube(4, 8), cube(6, 8), (2.5, 1.0, 1.0), tolerance_mm=5.0).surface_dice == 1.0
    # Of each surface, the far end face (100 voxels) and the ring of the next slice but one stay beyond 3 mm.
    surface = 2 * 100 + 6 * 36
    beyond = 100
    assert found.surface_dice == pytest.approx(1 - beyond / surface, abs=0.01)


def test_agreement_does_not_depend_on_order_or_place() -> None:
    one, other = cube(4, 8), cube(7, 9)
    assert overlap(one, other, (2.0, 1.0, 1.0)) == overlap(other, one, (2.0, 1.0, 1.0))
    moved = [np.roll(mask, 2, axis=0) for mask in (one, other)]
    assert overlap(moved[0], moved[1], (2.0, 1.0, 1.0)) == overlap(one, other, (2.0, 1.0, 1.0))


def test_dice_is_that_of_simpleitk() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.random((12, 14, 16)) > 0.6 for _ in range(2))
    measure = sitk.LabelOverlapMeasuresImageFilter()
    measure.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (one, other)))
    assert overlap(one, other, (1.0, 1.0, 1.0)).dice == pytest.approx(measure.GetDiceCoefficient())


def test_nothing_found_counts_as_nothing() -> None:
    found = overlap(np.zeros((24,) * 3, bool), cube(4, 8), (1.0, 1.0, 1.0))
    assert (found.dice, found.surface_dice) == (0.0, 0.0) and math.isnan(found.hd95_mm)
    with pytest.raises(ValueError, match="truth is empty"):
        overlap(cube(4, 8), np.zeros((24,) * 3, bool), (1.0, 1.0, 1.0))


def test_mean_with_its_interval() -> None:
    mean = mean_estimate([0.7, 0.8, 0.9, math.nan])
    assert (mean.n, mean.value) == (3, pytest.approx(0.8))
    assert mean.ci_high - mean.value == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-5)
    assert math.isnan(mean_estimate([0.5]).ci_low) and mean_estimate([0.5]).value == 0.5
    assert not mean_estimate([]).available
