"""Tissue, glass and ink: real tiles with their verdicts, and pictures made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from espark.pathology.density import glass_color, is_stained, optical_density
from espark.pathology.morphology import _largest
from espark.pathology.slide import open_slide
from espark.pathology.tile_quality import TileVerdict, _shrunk, blurred_shares, judge_tiles
from espark.pathology.tissue import Ground, Tissue, find_tissue, label_ground

KEEP = ("tissue-", "high-nuclei-score-level", "medium-nuclei-score-level", "low-nuclei-score-level", "liver-")
LEAVE_OUT = ("almost-white-", "no-tissue")
# Listed among the tiles to keep, but every pixel of it lies between 241 and 245: it shows empty glass.
BLANK = "liver-level2-38626-13514-39426-14315.png"


def tile_paths(data: Path, prefixes: tuple[str, ...]) -> list[Path]:
    found = [path for path in sorted((data / "slides" / "tiles").glob("*.png")) if path.name.startswith(prefixes)]
    assert found
    return found


def judge(rgb: np.ndarray, glass: np.ndarray | None = None) -> TileVerdict:
    """A tile by itself; its own glass where none is given."""
    return judge_tiles(rgb[None], glass=glass_color(rgb) if glass is None else glass)[0]


def rgb_of(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_tiles_with_tissue_are_kept(data: Path) -> None:
    verdicts = {path.name: judge(rgb_of(path)) for path in tile_paths(data, KEEP) if path.name != BLANK}
    assert len(verdicts) >= 14
    assert {name: verdict.reason for name, verdict in verdicts.items() if not verdict.keep} == {}


def test_the_blank_tile_is_blank(data: Path) -> None:
    rgb = rgb_of(data / "slides" / "tiles" / BLANK)
    assert rgb.min() >= 241
    assert judge(rgb).reason == "glass"


def test_tiles_without_tissue_are_left_out(data: Path) -> None:
    for path in tile_paths(data, LEAVE_OUT):
        assert not judge(rgb_of(path)).keep, path.name


def test_pen_is_flagged_and_only_pen(data: Path) -> None:
    tiles = data / "slides" / "tiles"
    flagged = {path.name for path in tiles.glob("*.png") if judge(rgb_of(path)).reason == "pen"}
    assert {path.name for path in tiles.glob("*-pen*.png")} <= flagged
    unjudged = {path.name for path in tiles.glob("kidney-ihc-*")}
    assert flagged - unjudged == {path.name for path in tiles.glob("*-pen*.png")}


@pytest.mark.parametrize("sigma", [2.0, 3.0, 5.0])
def test_blur_is_flagged(data: Path, sigma: float) -> None:
    with open_slide(data / "slides" / "larynx-20x.tif") as slide:
        tile = slide.read_tile(4374, 8748, 218.4, 256)
    assert judge(tile).keep
    soft = ndimage.gaussian_filter(tile.astype(float), (sigma, sigma, 0)).astype(np.uint8)
    assert judge(soft).reason == "blur"
    partly = tile.copy()
    partly[:, :128] = soft[:, :128]
    assert judge(partly).reason == "blur"
    hardly = tile.copy()
    hardly[:64, :128] = soft[:64, :128]
    assert judge(hardly).keep


def test_focus_hardly_depends_on_the_dye(data: Path) -> None:
    tile = rgb_of(data / "slides" / "tiles" / "medium-nuclei-score-level1-2.png").astype(float)
    soft = ndimage.gaussian_filter(tile, (3, 3, 0))
    everywhere = np.ones((64, 64), bool)
    for strength in (0.4, 1.0):
        pale, pale_soft = ((255 - (255 - picture) * strength).astype(np.uint8) for picture in (tile, soft))
        assert blurred_shares(pale[None], everywhere[None])[0] < 0.05
        assert blurred_shares(pale_soft[None], everywhere[None])[0] > 0.95


def test_the_edge_of_the_tissue_is_not_out_of_focus(data: Path) -> None:
    """The step from tissue to glass outweighs all detail; only blocks that tissue covers are judged."""
    tile = rgb_of(data / "slides" / "tiles" / "medium-nuclei-score-level1-2.png")[:256, :256].copy()
    glass = np.array([243, 241, 243], np.uint8)
    tile[:, 100:] = glass
    verdict = judge(tile, glass=glass.astype(np.float32))
    assert verdict.keep
    assert is_stained(optical_density(tile[:, :90], glass.astype(np.float32))).mean() > 0.9


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_pale_tissue_is_kept(data: Path, strength: float) -> None:
    """A section that took up a quarter of the dye is still tissue."""
    tile = rgb_of(data / "slides" / "tiles" / "tissue-level0-7352-11762-7864-12274.png")
    glass = glass_color(tile)
    pale = glass * 10 ** (-strength * optical_density(tile, glass))
    assert judge(np.rint(pale).clip(0, 255).astype(np.uint8)).keep


def test_glass_color_ignores_what_was_never_scanned() -> None:
    picture = np.full((100, 100, 3), 255, np.uint8)
    picture[:, 40:] = (238, 236, 237)
    picture[30:60, 60:90] = (180, 90, 150)
    assert glass_color(picture).tolist() == [238, 236, 237]


def test_glass_of_any_tone_is_not_tissue() -> None:
    rng = np.random.default_rng(0)
    for tone in ((255, 255, 255), (245, 243, 240), (228, 232, 235), (215, 212, 220)):
        noisy = np.clip(rng.normal(tone, 1.5, (128, 128, 3)), 0, 255).astype(np.uint8)
        assert (label_ground(noisy, glass_color(noisy), 8.0) == Ground.GLASS).all(), tone


def drawn_slide() -> tuple[np.ndarray, dict[str, tuple[slice, slice]]]:
    """A low-resolution picture with tissue, four inks, gray dirt and a fold in known places."""
    picture = np.full((240, 400, 3), (242, 240, 241), np.uint8)
    places = {
        "tissue": np.s_[20:120, 20:200],
        "pale": np.s_[140:220, 20:120],
        "red": np.s_[20:50, 240:340],
        "green": np.s_[60:90, 240:340],
        "blue": np.s_[100:130, 240:340],
        "black": np.s_[140:170, 240:340],
        "gray": np.s_[180:210, 240:340],
        "fold": np.s_[60:66, 40:180],
    }
    colors = {
        "tissue": (205, 130, 180), "pale": (232, 214, 228), "red": (215, 40, 45), "green": (50, 150, 110),
        "blue": (45, 80, 190), "black": (28, 26, 30), "gray": (150, 149, 150), "fold": (96, 38, 84),
    }  # fmt: skip
    for name, place in places.items():
        picture[place] = colors[name]
    return picture, places


def test_every_ground_is_found_where_it_lies() -> None:
    picture, places = drawn_slide()
    labels = label_ground(picture, glass_color(picture), 8.0)
    expected = {
        "tissue": Ground.TISSUE, "pale": Ground.TISSUE, "red": Ground.PEN, "green": Ground.PEN, "blue": Ground.PEN,
        "black": Ground.PEN, "gray": Ground.BUBBLE, "fold": Ground.FOLD,
    }  # fmt: skip
    for name, ground in expected.items():
        part = labels[places[name]]
        if name == "tissue":
            part = part[:35]
        assert (part == ground).mean() > 0.95, name


def textured(shape: tuple[int, int], density: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    """Optical density of a section whose thickness and cells vary as at 8 µm per pixel."""
    rng = np.random.default_rng(seed)
    amount = 1 + 0.10 * rng.normal(size=shape) + 0.3 * ndimage.gaussian_filter(rng.normal(size=shape), 5)
    return np.maximum(amount, 0.3)[..., None] * np.array(density)


def picture_of(density: np.ndarray) -> np.ndarray:
    return np.clip(242.0 * 10**-density, 0, 255).astype(np.uint8)


def test_a_thin_fold_is_found_and_a_dense_nest_is_not() -> None:
    density = textured((200, 200), (0.10, 0.35, 0.12))
    y, x = np.mgrid[:200, :200]
    fold = (np.abs(y - 60 - 12 * np.sin(x / 25)) < 2) & (x > 40) & (x < 160)
    nest = (y - 140) ** 2 + (x - 100) ** 2 < 20**2
    density[fold] *= 2.25
    density[nest] += np.array([0.25, 0.25, 0.10])
    labels = label_ground(picture_of(density), np.full(3, 242.0, np.float32), 8.0)
    assert (labels[fold] == Ground.FOLD).mean() > 0.8
    assert (labels[nest] == Ground.TISSUE).mean() > 0.98
    assert (labels[~fold] == Ground.FOLD).mean() < 0.01


@pytest.mark.parametrize("where", [(100, 100), (100, 30)])
def test_a_bubble_is_found_on_tissue_and_at_its_edge(where: tuple[int, int]) -> None:
    density = textured((200, 200), (0.10, 0.35, 0.12))
    density[:, :30] = 0.0
    y, x = np.mgrid[:200, :200]
    distance = np.hypot(y - where[0], x - where[1])
    density[distance < 14] *= 0.6
    density[np.abs(distance - 15) < 0.9] += 0.22
    labels = label_ground(picture_of(density), np.full(3, 242.0, np.float32), 8.0)
    assert (labels[distance < 14] == Ground.BUBBLE).mean() > 0.95
    assert (labels[distance > 22] == Ground.BUBBLE).mean() == 0.0


@pytest.mark.parametrize("ink", [(0.95, 0.70, 0.11), (0.9, 0.9, 0.86), (0.10, 0.95, 0.80), (0.95, 0.22, 0.62)])
def test_ink_is_found_on_tissue_as_on_glass(ink: tuple[float, float, float]) -> None:
    density = textured((200, 200), (0.10, 0.35, 0.12))
    density[:, :100] = 0.0
    density[90:110, 50:150] += np.array(ink)
    labels = label_ground(picture_of(density), np.full(3, 242.0, np.float32), 8.0)
    assert (labels[90:110, 50:150] == Ground.PEN).all()
    assert (labels[:80] == Ground.PEN).sum() == 0


def test_specks_are_left_out_and_lumens_are_filled() -> None:
    picture = np.full((100, 100, 3), 242, np.uint8)
    picture[10:80, 10:80] = (200, 120, 170)
    picture[40:45, 40:45] = 242
    picture[90:94, 90:94] = (200, 120, 170)
    labels = label_ground(picture, glass_color(picture), 8.0)
    assert (labels[10:80, 10:80] == Ground.TISSUE).all()
    assert (labels[88:, 88:] == Ground.GLASS).all()


def test_fraction_weighs_overlap_exactly() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[:, 5:] = Ground.TISSUE
    tissue = Tissue(labels=labels, um_per_px=8.0, px_level0=16.0, glass=np.full(3, 240.0, np.float32))
    corners = np.array([[0, 0], [80, 0], [40, 0], [72, 40], [76, 3]], np.float32)
    assert tissue.fraction_in(corners, 80.0).tolist() == pytest.approx([0.0, 1.0, 0.5, 0.9, 0.95], abs=1e-6)
    assert tissue.fraction_in(corners, 80.0, Ground.GLASS) == pytest.approx(
        1.0 - tissue.fraction_in(corners, 80.0), abs=1e-6
    )


def test_tissue_of_real_slides(data: Path) -> None:
    """Areas that a look at the slides confirms, within a tenth."""
    for name, mpp, area in (
        ("larynx-20x.tif", None, 41.7),
        ("cmu-1-small-region.svs", None, 0.64),
        ("tcga-cr-7395-01a-01-ts1.svs", 0.5, 2.53),
    ):
        with open_slide(data / "slides" / name, mpp=mpp) as slide:
            assert find_tissue(slide).area_mm2 == pytest.approx(area, rel=0.1), name


def test_tiles_judged_together_are_judged_as_alone(data: Path) -> None:
    glass = np.array([240.0, 238.0, 241.0], np.float32)
    pictures = [Image.open(path).convert("RGB") for path in sorted((data / "slides" / "tiles").glob("*.png"))]
    for side in (256, 250):  # 250 px is no multiple of the block that is averaged
        tiles = np.stack([np.asarray(picture.resize((side, side))) for picture in pictures])
        together = judge_tiles(tiles, glass=glass)
        assert together == [judge(tile, glass=glass) for tile in tiles]
        assert {verdict.reason for verdict in together} >= {"tissue", "glass", "pen"}
    assert judge_tiles(tiles[:0], glass=glass) == []


def test_averaged_blocks_are_those_of_pillow() -> None:
    tiles = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(tile).reduce(4)) for tile in tiles])
    assert np.array_equal(_shrunk(tiles, 64), expected)


def test_largest_value_of_each_piece() -> None:
    rng = np.random.default_rng(0)
    pieces, n = ndimage.label(rng.random((60, 70)) > 0.6)
    values = rng.random(pieces.shape)
    expected = ndimage.maximum(values, pieces, np.arange(1, n + 1))
    assert np.array_equal(_largest(values, pieces, n), expected)
