"""Virtual slides: the file, its truth, and how the truth follows the latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import pytest
import tifffile

from espark.cells import COUNTED_CELLS
from espark.simulate.histology.fragment import lay_out
from espark.simulate.slides.simulated_slide import SlideLatents, simulate_slide, slide_style

LATENTS = SlideLatents(
    well_fraction=0.6,
    lymphocytes_per_mm2=700.0,
    neutrophils_per_mm2=180.0,
    stroma_fraction=0.4,
    vessels_per_mm2=40.0,
    necrosis_fraction=0.06,
)
PLAIN = replace(slide_style(0), artefact_rate=0.0)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    path = tmp_path_factory.mktemp("slide") / "one.tif"
    return path, simulate_slide(path, LATENTS, PLAIN, np.random.default_rng(5), tiles=40)


def nlr(table: pd.DataFrame) -> float:
    return float(table["n_neutrophil"].sum() / table["n_lymphocyte"].sum())


def well_share(table: pd.DataFrame) -> float:
    well = table["n_well_differentiated_tumor_cell"].sum()
    return float(well / (well + table["n_poorly_differentiated_tumor_cell"].sum()))


def test_openslide_reads_the_pyramid(slide: tuple[Path, pd.DataFrame]) -> None:
    with openslide.OpenSlide(slide[0]) as opened:
        assert opened.level_count == 4
        assert opened.level_downsamples == pytest.approx((1.0, 2.0, 4.0, 8.0))
        assert float(opened.properties["openslide.mpp-x"]) == pytest.approx(0.5)
        assert float(opened.properties["openslide.mpp-y"]) == pytest.approx(0.5)
        assert min(opened.dimensions) > 1000
        assert max(opened.dimensions) >= 2048


def test_levels_show_the_same_tissue(slide: tuple[Path, pd.DataFrame]) -> None:
    with openslide.OpenSlide(slide[0]) as opened:
        means = []
        for level, (width, height) in enumerate(opened.level_dimensions):
            picture = np.asarray(opened.read_region((0, 0), level, (width, height)).convert("RGB"))
            means.append(picture.mean((0, 1)))
    assert np.ptp(means, axis=0).max() < 1.5


def test_the_file_says_that_it_is_simulated_and_holds_no_time(slide: tuple[Path, pd.DataFrame]) -> None:
    with tifffile.TiffFile(slide[0]) as opened:
        tags = opened.pages[0].tags
        assert "ESPARK SIMULATED" in tags["ImageDescription"].value
        assert "DateTime" not in tags


def test_same_seed_same_bytes(slide: tuple[Path, pd.DataFrame], tmp_path: Path) -> None:
    again = simulate_slide(tmp_path / "two.tif", LATENTS, PLAIN, np.random.default_rng(5), tiles=40)
    pd.testing.assert_frame_equal(slide[1], again)
    assert (tmp_path / "two.tif").read_bytes() == slide[0].read_bytes()


def test_tiles_lie_on_the_grid_once(slide: tuple[Path, pd.DataFrame]) -> None:
    table = slide[1]
    assert list(table.columns) == ["x", "y", *(f"n_{cell}" for cell in COUNTED_CELLS), "tissue_fraction", "artefact"]
    assert (table["x"] % 256 == 0).all()
    assert (table["y"] % 256 == 0).all()
    assert not table.duplicated(["x", "y"]).any()
    assert table["tissue_fraction"].between(0, 1).all()
    assert 28 <= (table["tissue_fraction"] > 0.3).sum() <= 56


def test_tissue_fraction_is_that_of_the_picture(slide: tuple[Path, pd.DataFrame]) -> None:
    path, table = slide
    listed = {(row.x, row.y): row.tissue_fraction for row in table.itertuples()}
    with openslide.OpenSlide(path) as opened:
        width, height = opened.dimensions
        picture = np.asarray(opened.read_region((0, 0), 0, (width, height)).convert("RGB")).astype(int)
    glass = np.median(picture.reshape(-1, 3), axis=0)
    colored = np.abs(picture - glass).max(2) > 14
    differences = []
    for y in range(0, height - 255, 256):
        for x in range(0, width - 255, 256):
            seen = colored[y : y + 256, x : x + 256].mean()
            # Clefts and lumens are tissue to the truth and glass to the eye.
            differences.append(seen - listed.get((x, y), 0.0))
    assert max(differences) < 0.06
    assert abs(np.mean(differences)) < 0.06


def test_counts_are_of_nuclei_that_can_be_seen(slide: tuple[Path, pd.DataFrame]) -> None:
    """Tiles with more counted nuclei hold more hematoxylin (red light absorbed)."""
    path, table = slide
    full = table[table["tissue_fraction"] > 0.95]
    cells = full[[f"n_{cell}" for cell in COUNTED_CELLS]].sum(axis=1)
    with openslide.OpenSlide(path) as opened:
        red = [
            np.asarray(opened.read_region((row.x, row.y), 0, (256, 256)).convert("RGB"))[..., 0].mean()
            for row in full.itertuples()
        ]
    assert np.corrcoef(cells, red)[0, 1] < -0.35


@pytest.mark.parametrize(
    ("well", "lymphocytes", "neutrophils"), [(0.15, 400.0, 350.0), (0.5, 1500.0, 60.0), (0.9, 250.0, 120.0)]
)
def test_counts_follow_the_latents(tmp_path: Path, well: float, lymphocytes: float, neutrophils: float) -> None:
    latents = replace(LATENTS, well_fraction=well, lymphocytes_per_mm2=lymphocytes, neutrophils_per_mm2=neutrophils)
    rng = np.random.default_rng(11)
    table = simulate_slide(tmp_path / "s.tif", latents, PLAIN, rng, tiles=40)
    assert nlr(table) == pytest.approx(neutrophils / lymphocytes, rel=0.10)
    assert well_share(table) == pytest.approx(well, abs=0.06)


def test_area_shares_follow_the_latents() -> None:
    _, fragments = lay_out(LATENTS, np.random.default_rng(3), 150 * 256**2)
    stroma = dead = total = 0
    for fragment in fragments:
        fields = fragment.scene.fields
        host = fields["tissue"] > 0
        for name in ("squamous", "muscle"):
            if name in fields:
                host &= fields[name] < 0
        total += int(host.sum())
        stroma += int((host & (fields["nest"] < 0)).sum())
        dead += int((host & (fields["necrosis"] > 0)).sum())
    assert stroma / total == pytest.approx(LATENTS.stroma_fraction, abs=0.05)
    assert dead / total == pytest.approx(LATENTS.necrosis_fraction, abs=0.02)


def test_tiles_range_from_pure_to_mixed(slide: tuple[Path, pd.DataFrame]) -> None:
    full = slide[1][slide[1]["tissue_fraction"] > 0.9]
    tumor = full["n_well_differentiated_tumor_cell"] + full["n_poorly_differentiated_tumor_cell"]
    share = tumor / (tumor + full["n_stromal_cell"])
    assert share.max() > 0.95
    assert share.min() < 0.35
    assert full["n_lymphocyte"].max() > 4 * max(full["n_lymphocyte"].median(), 1)


@pytest.mark.parametrize(
    "wrong", [{"well_fraction": 1.2}, {"stroma_fraction": -0.1}, {"lymphocytes_per_mm2": -1.0}], ids=str
)
def test_impossible_latents_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(LATENTS, **wrong)


def test_extreme_latents_are_drawn(tmp_path: Path) -> None:
    latents = SlideLatents(0.0, 0.0, 600.0, 0.0, 0.0, 0.3)
    table = simulate_slide(tmp_path / "s.tif", latents, PLAIN, np.random.default_rng(2), tiles=12)
    assert table["n_lymphocyte"].sum() == 0
    assert table["n_neutrophil"].sum() > 0
    assert well_share(table) < 0.05


def test_a_slide_needs_tiles(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tiles"):
        simulate_slide(tmp_path / "s.tif", LATENTS, PLAIN, np.random.default_rng(2), tiles=0)
