"""Single tiles, their truth and their captions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from espark.cells import COUNTED_CELLS
from espark.simulate.histology.caption import phrases
from espark.simulate.histology.nuclei_kinds import KINDS, RADIUS_UM
from espark.simulate.histology.paint import paint
from espark.simulate.histology.stain_style import slide_style
from espark.simulate.histology.tile import TileTruth, caption, random_scene, simulate_tile


def truth(counts: dict[str, int] | None = None, **areas: float) -> TileTruth:
    every = dict.fromkeys(COUNTED_CELLS, 0) | (counts or {})
    return TileTruth(every, 0, 0, 0, 0, 1.0, areas)


def test_same_seed_same_tile() -> None:
    first, first_truth = simulate_tile(np.random.default_rng(8))
    second, second_truth = simulate_tile(np.random.default_rng(8))
    assert np.array_equal(first, second)
    assert first_truth == second_truth
    assert first.shape == (256, 256, 3)
    assert first.dtype == np.uint8


@pytest.mark.parametrize("mpp", [0.3, 0.9])
def test_a_tile_covers_its_extent(mpp: float) -> None:
    """The same number of cells per area, whatever the resolution."""
    totals = [
        sum(simulate_tile(np.random.default_rng(seed), size=128, mpp=mpp)[1].counts.values()) for seed in range(12)
    ]
    assert 1500 < np.median(totals) / (128 * mpp * 1e-3) ** 2 < 9000


def test_mpp_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="mpp"):
        simulate_tile(np.random.default_rng(0), mpp=5.0)


def test_every_counted_cell_occurs() -> None:
    totals = dict.fromkeys(COUNTED_CELLS, 0)
    for seed in range(60):
        for cell, number in simulate_tile(np.random.default_rng(seed), size=128, mpp=0.9)[1].counts.items():
            totals[cell] += number
    assert min(totals.values()) > 20, totals


def test_style_changes_the_picture_but_not_the_truth() -> None:
    styles = [slide_style(index) for index in range(2)]
    tiles = [simulate_tile(np.random.default_rng(4), style=style) for style in styles]
    assert tiles[0][1] == tiles[1][1]
    assert np.abs(tiles[0][0].astype(float).mean((0, 1)) - tiles[1][0].mean((0, 1))).max() > 4


def test_windows_of_a_scene_fit_without_a_seam() -> None:
    scene = random_scene(np.random.default_rng(6), 160.0)
    whole, tissue = paint(scene, (0.0, 0.0), (300, 300), 0.5)
    part, part_tissue = paint(scene, (40.0, 60.0), (160, 140), 0.5)
    assert np.allclose(tissue[80:240, 120:260], part_tissue, atol=1e-3)
    difference = np.abs(whole[:, 80:240, 120:260] - part)
    # Borders of cell bodies may fall on the next pixel of their grid.
    assert difference.mean() < 0.01
    assert np.quantile(difference, 0.99) < 0.08


def test_a_window_may_be_a_single_row() -> None:
    """As happens where the edge of a fragment just enters a window of the slide."""
    scene = random_scene(np.random.default_rng(9), 150.0)  # with tumor
    whole, _ = paint(scene, (0.0, 0.0), (300, 300), 0.5)
    row, _ = paint(scene, (40.0, 0.0), (1, 300), 0.5)
    assert row.shape == (3, 1, 300)
    assert np.abs(row[:, 0] - whole[:, 80]).max() < 0.05


def test_counted_nuclei_are_not_painted_over() -> None:
    """Hardly any counted nucleus has its centre under a nucleus that was stamped later."""
    hidden = total = 0
    for seed in range(25):
        cells = random_scene(np.random.default_rng(seed), 170.0).cells
        assert cells is not None
        counted = np.flatnonzero([KINDS[kind].cell is not None for kind in cells.kind])
        points = np.stack([cells.y, cells.x], 1)
        tree = cKDTree(points)
        for index in counted:
            near = [other for other in tree.query_ball_point(points[index], 3.5) if other > index]
            reach = 0.6 * RADIUS_UM[cells.kind[near]]
            hidden += bool((np.hypot(*(points[near] - points[index]).T) < reach).any())
        total += len(counted)
    assert hidden / total < 0.03


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (truth({"lymphocyte": 60}), "lymphocyte"),
        (truth({"neutrophil": 40}), "neutrophil"),
        (truth({"well_differentiated_tumor_cell": 60}, tumor=0.9, well=0.9, keratin=0.1), "keratin"),
        (truth({"poorly_differentiated_tumor_cell": 120}, tumor=0.9, poor=0.9), "poorly differentiated"),
        (truth({"stromal_cell": 30}, stroma=0.95), "stroma"),
        (truth({"squamous_cell": 90}, squamous=0.9), "squamous"),
        (truth({"endothelial_cell": 20}, vessel=0.1), "endothelial"),
        (truth(necrosis=0.8), "necro"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_phrases_name_what_is_there(shown: TileTruth, words: str) -> None:
    rng = np.random.default_rng(0)
    said = " ".join(" ".join(phrases(shown, rng)) for _ in range(10))
    assert words in said


def test_captions_name_nothing_that_is_not_there() -> None:
    rng = np.random.default_rng(1)
    said = " ".join(caption(truth({"stromal_cell": 30}, stroma=0.95), rng) for _ in range(60))
    for word in ("lymphocyte", "neutrophil", "carcinoma", "tumor", "necro", "keratin", "squamous"):
        assert word not in said


def test_captions_differ_in_wording() -> None:
    shown = truth({"lymphocyte": 60, "stromal_cell": 30}, stroma=0.9)
    rng = np.random.default_rng(2)
    assert len({caption(shown, rng) for _ in range(60)}) > 20
