"""From probabilities to one esophagus: the course bridges gaps, and lone finds elsewhere do not count."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.clean import clean_esophagus, clean_tumor, largest_component
from espark.ct.segmentation.path import find_course
from espark.ct.segmentation.wall import thick_part, wall_thickness
from espark.wording import percent


def tube(*, slices: int = 60, gap: tuple[int, int] | None = None) -> np.ndarray:
    """An oblique esophagus of 5 × 5 voxels from slice 5 to 54, at p = 0.9."""
    probability = np.full((slices, 40, 40), 0.01, np.float32)
    for z in range(5, 55):
        x = 12 + z // 5
        probability[z, 18:23, x - 2 : x + 3] = 0.9
    if gap is not None:
        probability[gap[0] : gap[1]] = 0.01
    return probability


def test_the_course_follows_the_tube() -> None:
    course = find_course(tube())
    assert course is not None
    assert (course.first, course.last) == (5, 54)
    span = np.arange(5, 55)
    assert np.abs(course.rows[span] - 20).max() <= 1
    assert np.abs(course.columns[span] - (12 + span // 5)).max() <= 1


@pytest.mark.parametrize("length", [3, 8, 15])
def test_a_gap_behind_the_heart_is_bridged(length: int) -> None:
    cleaned, bridged, doubts = clean_esophagus(tube(gap=(25, 25 + length)))
    assert cleaned is not None and bridged == length and not doubts
    slices = (cleaned >= 0.5).any(axis=(1, 2))
    assert slices[5:55].all() and not slices[:5].any() and not slices[55:].any()
    middle = 25 + length // 2
    places = np.argwhere(cleaned[middle] >= 0.5).mean(axis=0)
    assert places == pytest.approx([20, 12 + middle // 5], abs=1.5)


@pytest.mark.parametrize(("length", "words"), [(20, ()), (21, (f"{percent(0.42)} of its length is a bridge",))])
def test_an_esophagus_that_is_mostly_bridge_is_doubtful(length: int, words: tuple[str, ...]) -> None:
    cleaned, bridged, doubts = clean_esophagus(tube(gap=(20, 20 + length)))
    assert cleaned is not None and bridged == length and doubts == words


def test_a_lone_find_far_away_is_left_out() -> None:
    probability = tube(slices=120)
    probability[110:113, 5:9, 30:34] = 0.95
    probability[30:34, 2:6, 35:39] = 0.95
    cleaned, _, _ = clean_esophagus(probability)
    assert cleaned is not None
    assert not (cleaned[60:] > 0).any() and not (cleaned[:, :10] > 0).any()


def test_nothing_is_found_in_nothing() -> None:
    assert clean_esophagus(np.full((20, 16, 16), 0.1, np.float32)) == (None, 0, ())


def test_a_tumor_lies_in_the_esophagus_and_is_not_tiny() -> None:
    esophagus, _, _ = clean_esophagus(tube())
    assert esophagus is not None
    tumor = np.zeros_like(esophagus)
    tumor[20:30, 18:23, 12:22] = 0.8
    tumor[20:40, 30:38, 2:10] = 0.9
    found, _ = clean_tumor(tumor, esophagus)
    assert found is not None and (found[20:30] >= 0.5).any() and not (found[:, 30:] > 0).any()
    tiny = np.zeros_like(esophagus)
    tiny[30, 20, 18] = 0.9
    assert clean_tumor(tiny, esophagus) == (None, ())
    assert clean_tumor(np.zeros_like(esophagus), esophagus) == (None, ())


def two_places(first: float, second: float) -> np.ndarray:
    """A tumor probability: 75 voxels (2 ml) at ``first``, and 100 voxels further up at ``second``."""
    tumor = np.zeros((60, 40, 40), np.float32)
    tumor[15:18, 18:23, 13:18] = first
    tumor[40:44, 18:23, 18:23] = second
    return tumor


def test_the_tumor_is_where_most_probability_lies_not_where_most_voxels_are() -> None:
    esophagus, _, _ = clean_esophagus(tube())
    assert esophagus is not None
    found, doubts = clean_tumor(two_places(0.99, 0.55), esophagus)
    assert found is not None and (found[15:18] > 0).any() and not (found[40:44] > 0).any()
    assert len(doubts) == 1 and "another place" in doubts[0]  # 55 against 74.25


@pytest.mark.parametrize(("first", "second", "words"), [
    (0.99, 0.1, ()),
    (0.94, 0.1, ()),
    (0.92, 0.1, ("nowhere exceeds 0.92",)),
    (0.95, 0.95, (f"another place in the esophagus has {percent(0.75)}",)),
    (0.7, 0.52, ("nowhere exceeds 0.70", "another place")),
])  # fmt: skip
def test_a_faint_tumor_or_one_with_a_rival_is_doubtful(first: float, second: float, words: tuple[str, ...]) -> None:
    esophagus, _, _ = clean_esophagus(tube())
    assert esophagus is not None
    found, doubts = clean_tumor(two_places(first, second), esophagus)
    assert found is not None
    assert len(doubts) == len(words) and all(word in doubt for word, doubt in zip(words, doubts, strict=True))


def test_the_largest_component_stays() -> None:
    mask = np.zeros((6, 6, 6), bool)
    mask[0, 0, :2] = mask[3:5, 3:5, 3:5] = True
    assert largest_component(mask).sum() == 8
    assert not largest_component(np.zeros((2, 2, 2), bool)).any()


def organ(wall_mm: float, *, tumor: slice | None = None) -> tuple[CtVolume, np.ndarray]:
    """A straight esophagus with air in its lumen (radius 4 mm), slices of 3 mm, 1 mm pixels; a tumor of wall 14 mm."""
    y, x = np.mgrid[-25:26, -25:26]
    away = np.hypot(y, x)
    outer = np.full(50, 4.0 + wall_mm)
    if tumor is not None:
        outer[tumor] = 18.0
    esophagus = np.zeros((60, 51, 51), bool)
    esophagus[5:55] = away[None] < outer[:, None, None]
    hu = np.where(esophagus, 40, -80).astype(np.int16)
    hu[5:55][np.broadcast_to(away < 4.0, (50, 51, 51))] = -900
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing((1.0, 1.0, 3.0))
    return CtVolume(image, "nifti"), esophagus


def test_wall_thickness_in_mm() -> None:
    ct, esophagus = organ(3.0)
    wall = wall_thickness(ct, esophagus)
    assert wall[5:55] == pytest.approx(np.full(50, 3.0), abs=0.3)
    assert not wall[:5].any() and not wall[55:].any()


def test_a_thick_part_is_proposed_as_tumor() -> None:
    ct, esophagus = organ(3.0, tumor=slice(20, 35))
    proposed = thick_part(ct, esophagus)
    assert proposed is not None
    slices = np.flatnonzero(proposed.any(axis=(1, 2)))
    assert abs(slices[0] - 25) <= 1 and abs(slices[-1] - 39) <= 1
    assert not (proposed & ~esophagus).any()


def test_a_normal_or_short_wall_proposes_nothing() -> None:
    ct, esophagus = organ(3.0)
    assert thick_part(ct, esophagus) is None
    ct, esophagus = organ(3.0, tumor=slice(20, 21))
    assert thick_part(ct, esophagus) is None
    assert thick_part(ct, np.zeros_like(esophagus)) is None
