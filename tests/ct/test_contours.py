"""What the contours of a plane enclose, and which slices planes fill."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from espark.ct.regions.contours import enclosed
from espark.ct.regions.drawn_planes import place
from espark.ct.regions.polygons import fill_even_odd, winding_numbers

SHAPE = (60, 64)


def circle(x: float, y: float, radius: float, points: int = 80) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack((x + radius * np.cos(angle), y + radius * np.sin(angle)), axis=1)


def inside(*contours: np.ndarray, exclusive: bool = False) -> tuple[np.ndarray, Counter[str]]:
    mask, remarks = enclosed(contours, SHAPE, exclusive=exclusive)
    return mask, +remarks


BIG, SMALL = circle(30.3, 30.2, 20), circle(31.2, 29.4, 8)
DISC = inside(BIG)[0]
RING = DISC & ~inside(SMALL)[0]


def test_a_contour_stored_twice_counts_once() -> None:
    for twin in (BIG, BIG[::-1], np.roll(BIG, 7, axis=0), BIG + 0.1, BIG * 1.005, circle(30.3, 30.2, 20, 55)):
        mask, remarks = inside(BIG, twin)
        assert np.array_equal(mask, DISC) and remarks == {"twice": 1}
    mask, remarks = inside(SMALL, BIG, SMALL, BIG)
    assert np.array_equal(mask, RING) and remarks == {"twice": 2, "holes": 1}


def test_a_contour_whose_points_go_round_twice_counts_once() -> None:
    assert np.array_equal(inside(np.concatenate((BIG, BIG)))[0], DISC)
    assert np.array_equal(inside(np.repeat(BIG, 2, axis=0))[0], DISC)


def test_crossing_contours_are_joined_without_a_hole() -> None:
    other = circle(42, 30, 15)
    mask, remarks = inside(BIG, other)
    assert np.array_equal(mask, DISC | inside(other)[0]) and remarks == {"crossing": 1}


def test_an_outline_through_the_centres_of_the_outermost_pixels_gives_back_the_pixels() -> None:
    """As OpenCV traces a mask: the way around a disc along pixel centres, in steps of one pixel."""
    half = {0: 9, 1: 9, 2: 9, 3: 8, 4: 8, 5: 7, 6: 6, 7: 5, 8: 4, 9: 2}
    right = [(30 + half[abs(y)], 30 + y) for y in range(-9, 10)]
    traced = np.array([*right, *((60 - x, y) for x, y in reversed(right))], dtype=np.float64)
    expected = np.zeros(SHAPE, dtype=bool)
    for x, y in right:
        expected[y, 60 - x : x + 1] = True
    for rounding in (0.0, 0.01, -0.01):
        mask, _ = inside(traced + rounding)
        assert np.array_equal(mask, expected)
    lost = fill_even_odd([traced - 0.3], SHAPE)
    assert lost.sum() < expected.sum()


@pytest.mark.parametrize(("x", "y", "radius"), [(30.3, 30.2, 20), (25.123, 31.7, 6.4), (31.5, 29.5, 3.2)])
def test_a_smooth_outline_keeps_its_area_and_grows_with_the_line(x: float, y: float, radius: float) -> None:
    contour = circle(x, y, radius, 400)
    plain = enclosed([contour], SHAPE)[0].sum()
    grown = enclosed([contour], SHAPE, outline="line")[0].sum()
    assert plain == pytest.approx(np.pi * radius**2, rel=0.06)
    assert np.sqrt(grown / np.pi) - radius == pytest.approx(0.4, abs=0.15)


def test_neighbors_that_touch_are_no_holes() -> None:
    left, right = (np.array([(x, 9.5), (x + 15, 9.5), (x + 15, 39.5), (x, 39.5)]) for x in (9.5, 24.5))
    mask, _ = inside(left, right)
    assert mask.sum() == 30 * 30


@pytest.mark.parametrize("thickness", [1.0, 3.0, 10.0])
def test_a_contour_inside_another_is_a_hole_however_thin_the_wall(thickness: float) -> None:
    lumen = circle(30.3, 30.2, 20 - thickness)
    mask, remarks = inside(lumen, BIG)
    assert mask.sum() == pytest.approx(np.pi * (20**2 - (20 - thickness) ** 2), rel=0.03)
    assert remarks == {"holes": 1}


def test_an_island_in_a_hole_is_filled_again() -> None:
    island = circle(31.2, 29.4, 3)
    mask, remarks = inside(island, BIG, SMALL)
    assert np.array_equal(mask, RING | inside(island)[0]) and remarks == {"holes": 1}


@pytest.mark.parametrize("turn", [1, -1], ids=["same way", "other way"])
def test_a_keyhole_is_a_hole_whichever_way_its_loop_turns(turn: int) -> None:
    loop = SMALL[::turn]
    keyhole = np.concatenate((BIG, BIG[:1], loop, loop[:1], BIG[:1]))
    mask, remarks = inside(keyhole)
    assert (mask != RING).sum() == 0 and not remarks


def test_a_stroke_that_crosses_itself_keeps_its_overlap() -> None:
    angle = np.linspace(0, 2.4 * np.pi, 100)
    spiral = np.stack((30 + (18 + angle / 5) * np.cos(angle), 30 + (18 + angle / 5) * np.sin(angle)), axis=1)
    mask, _ = inside(spiral)
    assert np.abs(winding_numbers(spiral, SHAPE)).max() == 2, "the overlap is there"
    assert mask[30, 30] and mask[np.hypot(*(np.indices(SHAPE) - 30)) < 17].all()


def test_exclusive_contours_follow_the_standard() -> None:
    other = circle(42, 30, 15)
    mask, _ = inside(BIG, other, exclusive=True)
    assert np.array_equal(mask, DISC ^ inside(other)[0])


def test_contours_beyond_the_image_are_counted() -> None:
    mask, remarks = inside(circle(2, 30, 10))
    assert remarks == {"beyond": 1} and mask[:, 0].sum() == 19
    along_the_border = np.array([(-0.5, -0.5), (63.5, -0.5), (63.5, 59.5), (-0.5, 59.5)])
    mask, remarks = inside(along_the_border)
    assert not remarks and mask.all()


def test_winding_numbers_have_the_parity_of_crossings() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        polygon = generator.uniform(-5, 65, (9, 2))
        assert np.array_equal(winding_numbers(polygon, SHAPE) % 2 == 1, fill_even_odd([polygon], SHAPE))


def always(one: int, other: int) -> bool:
    return True


def test_planes_twice_as_far_apart_as_slices_fill_every_slice() -> None:
    placement = place(np.arange(3.0, 12, 2), 20, meet=always)
    assert placement.plane_of == {2: 0, 3: 0, 4: 1, 5: 1, 6: 2, 7: 2, 8: 3, 9: 3, 10: 4, 11: 4}
    assert [note.code for note in placement.notes("contours", 2.5)] == ["N-REGION-013"]


def test_planes_between_slices_serve_both_neighbors() -> None:
    placement = place(np.array([2.5, 4.5, 6.5]), 20, meet=always)
    assert placement.plane_of == {2: 0, 3: 0, 4: 1, 5: 1, 6: 2, 7: 2}


@pytest.mark.parametrize(("behind", "bridged"), [(6.0, 1), (7.0, 2), (8.0, 0)])
def test_up_to_two_missing_planes_are_filled(behind: float, bridged: int) -> None:
    placement = place(np.array([3.0, 4, behind, behind + 1]), 20, meet=always)
    assert placement.bridged == bridged
    assert (len(placement.plane_of) == behind - 1) == (bridged > 0)
    assert bool(placement.open_gaps) == (bridged == 0)


def test_parts_beside_each_other_stay_apart() -> None:
    placement = place(np.array([3.0, 4, 6, 7]), 20, meet=lambda one, other: False)
    assert sorted(placement.plane_of) == [3, 4, 6, 7] and placement.notes("contours", 3.0) == ()


def test_finer_planes_give_each_slice_the_nearest() -> None:
    placement = place(np.arange(2.0, 5.01, 0.25), 20, meet=always)
    assert {index: 2 + plane / 4 for index, plane in placement.plane_of.items()} == {2: 2, 3: 3, 4: 4, 5: 5}
    assert [note.code for note in placement.notes("contours", 3.0)] == ["N-REGION-014"]
