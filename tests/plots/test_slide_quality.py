"""The quality picture shows what is used in full color and the rest by its reason."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, rgb2lab

from espark.pathology.features import REJECT_REASONS
from espark.plots.slides.slide_attribution import CLUSTER_COLORS
from espark.plots.slides.slide_quality import REASONS, quality_overlay, slide_quality_figure

TISSUE = (200, 120, 180)


def slide() -> np.ndarray:
    return np.full((60, 80, 3), TISSUE, np.uint8)


def test_every_reason_has_a_name_and_its_own_colour():
    assert set(REASONS) == set(REJECT_REASONS)
    assert len({color for _, color in REASONS.values()}) == len(REASONS)


def test_places_and_colours():
    used = np.array([[0, 0, 20, 20]])
    left_out = np.array([[20, 0, 20, 20], [39.6, 0.2, 20, 20]])
    picture = quality_overlay(slide(), used, left_out, ("pen", "blur"))
    assert (picture[:20, :20] == TISSUE).all()
    for place, reason in ((np.s_[:20, 20:40], "pen"), (np.s_[:20, 40:60], "blur")):
        expected = 0.4 * np.array(TISSUE) + 0.6 * 255 * np.array(to_rgb(REASONS[reason][1]))
        assert np.abs(picture[place] - expected).max() <= 1
    veiled = 255 - 0.4 * (255 - np.array(TISSUE))
    assert np.abs(picture[30:].astype(float) - veiled).max() <= 1


def test_legend_counts_and_the_bar_is_there(check_saved, words):
    used, left_out = np.array([[0, 0, 20, 20]] * 3), np.array([[20, 0, 20, 20], [40, 0, 20, 20]])
    figure = check_saved(
        lambda: slide_quality_figure(slide(), used, left_out, ("fold", "fold"), um_per_px=50.0, title="p1")
    )
    text = words(figure) + " ".join(entry.get_text() for entry in figure.legends[0].get_texts())
    for said in ("used (3 tiles)", "fold (2)", "1 mm"):
        assert said in text, said
    assert "pen" not in text


def test_a_slide_of_which_nothing_was_left_out(check_saved):
    check_saved(lambda: slide_quality_figure(slide(), np.array([[0, 0, 80, 60]]), np.zeros((0, 4)), (), um_per_px=50.0))


def test_reasons_and_clusters_have_colors_that_differ() -> None:
    """The workbench shows both over one slide. A difference of 15 (CIEDE2000) is seen at a glance."""
    reasons, clusters = ([_lab(color) for color in colors] for colors in (
        [color for _, color in REASONS.values()], CLUSTER_COLORS))  # fmt: skip
    assert min(float(deltaE_ciede2000(one, other)) for one in reasons for other in clusters) > 15
    assert min(float(deltaE_ciede2000(one, other)) for one, other in itertools.combinations(reasons, 2)) > 20


def _lab(color: str) -> np.ndarray:
    return rgb2lab(np.array(to_rgb(color)).reshape(1, 1, 3)).reshape(3)
