"""CT planes and slides: contours, bars and heatmaps lie where the numbers say."""

from __future__ import annotations

import numpy as np
import pytest

from espark.ct.preview import Plane
from espark.plots.ct.planes import ct_planes_figure
from espark.plots.slides.thumbnail import (
    attention_percentile,
    heatmap_overlay,
    slide_heatmap_figure,
    tile_gallery_figure,
)


def plane(name: str, *, size: int = 80, pixel_mm: float = 1.0, tumor: bool = True) -> Plane:
    mask = np.zeros((size, size), dtype=bool)
    mask[20:41, 30:61] = tumor
    sides = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}[name]
    hu = np.linspace(-1000, 1000, size * size, dtype=np.float32).reshape(size, size)
    return Plane(name, hu, {"tumor": mask}, pixel_mm, (30, 45), (0.0, 0.0, 0.0), tuple(sides))


@pytest.fixture
def planes() -> list[Plane]:
    return [plane("axial"), plane("coronal"), plane("sagittal")]


def test_contours_run_around_the_region(planes, check_saved):
    figure = check_saved(lambda: ct_planes_figure(planes, title="P001"))
    for axes in figure.axes:
        (contours,) = axes.collections
        vertices = np.concatenate([path.vertices for path in contours.get_paths()])
        assert vertices.min(axis=0).tolist() == [29.5, 19.5]
        assert vertices.max(axis=0).tolist() == [60.5, 40.5]


def test_planes_have_window_letters_and_a_bar_in_mm(planes, check_saved, words):
    figure = check_saved(lambda: ct_planes_figure(planes))
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(-160, 240)] * 3
    letters = ["".join(text.get_text() for text in axes.texts[:4]) for axes in figure.axes]
    assert letters == ["RLAP", "RLHF", "APHF"]
    assert [axes.patches[0].get_width() for axes in figure.axes] == [20.0] * 3
    text = words(figure)
    assert "20 mm" in text and "window 400 HU, level 40 HU" in text and "tumor" in text
    wide = ct_planes_figure([plane("axial", pixel_mm=4.0)])
    assert wide.axes[0].patches[0].get_width() == 50 / 4
    assert "50 mm" in words(wide)


def test_found_and_given_outlines_are_told_apart(planes, words):
    compared = ct_planes_figure(planes, reference=planes, title="P1")
    assert {"found", "as given", "P1"} <= set(words(compared).split("\n"))
    assert "found" not in words(ct_planes_figure(planes))


def test_an_absent_region_is_not_in_the_legend(words):
    text = words(ct_planes_figure([plane("axial", tumor=False)]))
    assert "tumor" not in text
    assert "no CT" in words(ct_planes_figure([]))


def test_attention_percentiles_are_ranks():
    ranks = attention_percentile(np.array([0.1, np.nan, 0.4, 0.1, 0.3]))
    assert ranks == pytest.approx([37.5, np.nan, 100, 37.5, 75], nan_ok=True)
    assert np.isnan(attention_percentile(np.full(3, np.nan))).all()
    assert attention_percentile(np.zeros(0)).size == 0


def test_neighbouring_tiles_meet_and_unused_tiles_stay_clear():
    rectangles = np.array([[0, 0, 3.5, 3.5], [3.5, 0, 3.5, 3.5], [7, 0, 3.5, 3.5], [0.2, 8.1, 0.1, 0.1]])
    overlay = heatmap_overlay(10, 12, rectangles, np.array([10.0, 90.0, np.nan, 50.0]))
    covered = overlay[:, :, 3] > 0
    assert covered[:4, :7].sum() == covered[:5].sum() == 28
    assert not covered[:8, 7:].any()
    assert covered[8, 0] and covered[5:].sum() == 1
    assert (overlay[0, 0, :3] != overlay[0, 6, :3]).any()


def test_a_tile_over_the_edge_is_cut():
    overlay = heatmap_overlay(4, 4, np.array([[3, -2, 5, 4]]), np.array([100.0]))
    assert (overlay[:, :, 3] > 0).sum() == 2


@pytest.mark.parametrize("shape", [(40, 60), (30, 120), (90, 30)])
def test_slide_figure_has_both_pictures_and_a_true_bar(shape, check_saved, words):
    thumbnail = np.full((*shape, 3), 200, dtype=np.uint8)
    rectangles = np.array([[2, 2, 5, 5], [7, 2, 5, 5]])
    draw = lambda: slide_heatmap_figure(thumbnail, rectangles, np.array([0.2, 0.8]), um_per_px=100.0, title="s1")  # noqa: E731
    figure = check_saved(draw)
    assert len(figure.axes[0].images) == 1
    assert len(figure.axes[1].images) == 2
    assert (np.asarray(figure.axes[0].images[0].get_array()) == thumbnail).all()
    label = figure.axes[0].texts[0].get_text()
    assert figure.axes[0].patches[0].get_width() * 0.1 == pytest.approx(float(label.removesuffix(" mm")))
    assert "Attention (percentile of 2 tiles)" in words(figure)


def test_a_slide_without_attended_tiles_is_drawn_plain():
    thumbnail = np.full((20, 20, 3), 200, dtype=np.uint8)
    figure = slide_heatmap_figure(thumbnail, np.zeros((0, 4)), np.zeros(0), um_per_px=50.0)
    assert not np.asarray(figure.axes[1].images[1].get_array()).any()


def test_gallery_shows_each_tile_with_its_title(check_saved, words):
    tiles = [np.full((32, 32, 3), value, dtype=np.uint8) for value in (10, 90, 200, 250, 60)]
    titles = [f"{rank}. lymphocyte\npercentile {100 - rank}" for rank in range(1, 6)]
    figure = check_saved(lambda: tile_gallery_figure(tiles, titles, um_per_px=0.5))
    assert [axes.get_title() for axes in figure.axes] == titles
    assert [int(np.asarray(axes.images[0].get_array())[0, 0, 0]) for axes in figure.axes] == [10, 90, 200, 250, 60]
    assert figure.axes[0].patches[0].get_width() == 10
    assert "5 µm" in words(figure)
    assert "no tiles" in words(tile_gallery_figure([], [], um_per_px=0.5))
    with pytest.raises(ValueError, match="as many titles"):
        tile_gallery_figure(tiles, titles[:2], um_per_px=0.5)
