from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from espark.plots.scale_bar import draw_scale_bar, round_length
from espark.plots.style import PALETTE, new_figure, save_figure, styled


def test_a_saved_figure_has_its_size_in_print(tmp_path):
    svg, png = save_figure(new_figure(3.35, 2.0), tmp_path / "figure.v1", dpi=300)
    assert (svg.name, png.name) == ("figure.v1.svg", "figure.v1.png")
    with Image.open(png) as picture:
        assert picture.size == (1005, 600)
        assert set(picture.info) == {"dpi"}
    text = svg.read_text()
    assert "<dc:date>" not in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.v1.png", "figure.v1.svg"]


def test_the_style_leaves_the_callers_settings_alone():
    before = dict(mpl.rcParams)

    @styled
    def draw() -> float:
        return float(mpl.rcParams["font.size"])

    with mpl.rc_context({"font.size": 31.0, "svg.hashsalt": "other"}):
        assert draw() == 8.0
        assert mpl.rcParams["font.size"] == 31.0
    assert dict(mpl.rcParams) == before


def test_the_callers_settings_do_not_change_the_bytes(tmp_path):
    def draw() -> Figure:
        figure = new_figure(2, 2)
        figure.add_subplot().plot([0, 1], [0, 1])
        return figure

    plain = save_figure(styled(draw)(), tmp_path / "plain", dpi=50)
    with mpl.rc_context({"lines.linewidth": 9, "svg.fonttype": "none", "savefig.transparent": True}):
        other = save_figure(styled(draw)(), tmp_path / "other", dpi=50)
    assert [path.read_bytes() for path in plain] == [path.read_bytes() for path in other]


_IN_ANOTHER_PROCESS = """
import hashlib, os, random
import kiwisolver
from another_outcome import MPR
from espark.plots.ct.ct_pair import ct_pair_figure
from espark.plots.style import figure_svg, new_figure, styled
from espark.plots.ct.voxel_maps import voxel_map_figure
from test_ct_explanation_figures import FEATURES, paired, shown

@styled
def nested():
    figure = new_figure(5, 3)
    for part in figure.subfigures(1, 2, width_ratios=[2.7, 1]):
        for inner in part.subfigures(2, 1):
            for axes in inner.subplots(1, 2):
                axes.imshow([[0, 1], [2, 3]])
                axes.set_ylabel("a long name\\nin two lines")
    return figure

pair = [paired("a", {"tumor": FEATURES, "esophagus": []}), paired("b", {"tumor": FEATURES, "esophagus": FEATURES[:1]})]
maps = [shown(), shown("original_glszm_ZoneEntropy", "esophagus")]
random.seed(os.environ["PYTHONHASHSEED"])
for draw in (nested, lambda: ct_pair_figure(pair, MPR), lambda: voxel_map_figure(maps, title="P001")):
    # The solver of layouts goes by the addresses of its variables: here they lie elsewhere in every process.
    junk = [kiwisolver.Variable(str(place)) for place in range(random.randint(0, 5000))]
    random.shuffle(junk)
    del junk[::2]
    print(hashlib.sha256(figure_svg(draw()).encode()).hexdigest())
"""


def test_another_process_draws_the_same_bytes():
    """Addresses and the order of sets differ from process to process; what is drawn must not."""
    drawn = []
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", _IN_ANOTHER_PROCESS], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        drawn.append(done.stdout.split())
    assert len(drawn[0]) == len(set(drawn[0])) == 3
    assert drawn[0] == drawn[1]


def test_pyplot_is_never_imported():
    """Figures are made without pyplot, so that no backend is chosen for the caller."""
    code = (
        "import sys, importlib, pkgutil, espark.plots as p\n"
        "[importlib.import_module(f'espark.plots.{m.name}') for m in pkgutil.iter_modules(p.__path__)]\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_words_are_shown_as_they_are(tmp_path):
    """Dollar signs are no mathematics, and a script without a font is no failure."""

    @styled
    def draw() -> Figure:
        figure = new_figure(2, 1)
        figure.add_subplot().set_title("center_$1 of 2$ \U00012000")
        return figure

    assert all(path.stat().st_size for path in save_figure(draw(), tmp_path / "words", dpi=50))


def test_colour_blind_readers_tell_the_first_six_colours_apart():
    """As seen without red cones (Viénot, Brettel & Mollon 1999)."""
    to_dichromat = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
    linear = np.array([mpl.colors.to_rgb(color) for color in PALETTE[:6]]) ** 2.2
    seen = np.clip(linear @ to_dichromat.T, 0, 1) ** (1 / 2.2)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)
    assert distances[np.triu_indices(6, 1)].min() > 0.29


@pytest.mark.parametrize(("extent", "length"), [(23.0, 5.0), (100.0, 20.0), (3.9, 0.5), (4.0, 1.0), (0.08, 0.02)])
def test_scale_bars_have_round_lengths(extent, length):
    assert round_length(extent) == pytest.approx(length)


def test_a_scale_bar_is_as_long_as_it_says():
    axes = new_figure(2, 2).add_subplot()
    axes.imshow(np.zeros((100, 200)))
    draw_scale_bar(axes, length_px=40, text="20 mm", width_px=200, height_px=100, color="white")
    (bar,) = axes.patches
    assert bar.get_width() == 40
    assert axes.texts[0].get_text() == "20 mm"
