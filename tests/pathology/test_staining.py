"""Slides that are not well-stained H&E are named for what they look like; real H&E is not doubted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_slide import write_slide
from test_slide_features import Plain

from espark.errors import SlideError
from espark.notes import codes_of
from espark.pathology.density import glass_color, optical_density
from espark.pathology.features import encode_slide, read_slide_features, write_slide_features
from espark.pathology.slide import open_slide
from espark.pathology.staining import staining_doubts
from espark.pathology.tissue import Ground, find_tissue, label_ground
from espark.types import ByteArray, DoubleArray

HEMATOXYLIN, EOSIN, DAB = (0.65, 0.70, 0.29), (0.07, 0.99, 0.11), (0.27, 0.57, 0.78)
"""Optical densities of the dyes (Ruifrok and Johnston, Anal Quant Cytol Histol 23:291, 2001)."""
REAL = {"cmu-1-small-region.svs": None, "tcga-cr-7395-01a-01-ts1.svs": 0.5, "larynx-20x.tif": None}


def stained(*dyes: tuple[tuple[float, float, float], float], seed: int = 0, glass: int = 240) -> ByteArray:
    """A piece of tissue, 1024 px wide, in the middle of a slide of 2048 px: nuclei in the first dye, the rest between.

    Args:
        dyes: dye and its density (decadic), the first one in nuclei only.
        seed: of the noise.
        glass: brightness of the empty glass.
    """
    rng = np.random.default_rng(seed)
    amount: DoubleArray = np.zeros((2048, 2048, 3))
    nuclei = (rng.random((256, 256)) < 0.25).repeat(4, axis=0).repeat(4, axis=1)
    for number, (dye, density) in enumerate(dyes):
        where = nuclei if number == 0 else np.ones_like(nuclei)
        texture = rng.uniform(0.6, 1.4, (1024, 1024))
        amount[512:1536, 512:1536] += (where * density * texture)[..., None] * np.array(dye)
    noisy = glass * 10.0**-amount + rng.normal(0, 1.5, amount.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def codes(picture: ByteArray, tmp_path: Path) -> str:
    with open_slide(write_slide(tmp_path / "s.tif", picture, (2.0, 2.0))) as slide:
        return codes_of(find_tissue(slide).doubts)


@pytest.mark.parametrize(
    ("dyes", "expected"),
    [
        ([(HEMATOXYLIN, 0.5), (EOSIN, 0.3)], ""),
        ([(HEMATOXYLIN, 0.25), (EOSIN, 0.12)], ""),
        ([(HEMATOXYLIN, 0.9), (EOSIN, 0.1)], ""),
        ([(HEMATOXYLIN, 0.4), (DAB, 0.4)], "D-SLIDE-003"),
        ([(HEMATOXYLIN, 0.3), (DAB, 0.15)], "D-SLIDE-003"),
        ([(DAB, 0.6)], "D-SLIDE-003"),
        ([(HEMATOXYLIN, 0.4), (HEMATOXYLIN, 0.15)], "D-SLIDE-004"),
        ([(HEMATOXYLIN, 0.06), (EOSIN, 0.03)], "D-SLIDE-005"),
        ([(HEMATOXYLIN, 0.02), (EOSIN, 0.01)], "D-SLIDE-005"),
        ([], ""),
    ],
)
def test_what_a_slide_looks_like(
    tmp_path: Path, dyes: list[tuple[tuple[float, float, float], float]], expected: str
) -> None:
    assert codes(stained(*dyes), tmp_path) == expected


def test_fluorescence_has_a_dark_background(tmp_path: Path) -> None:
    assert codes(255 - stained((HEMATOXYLIN, 0.5), (EOSIN, 0.3)), tmp_path) == "D-SLIDE-006"


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("um_per_px", [8.0, 32.0])
def test_real_slides_are_not_doubted(data: Path, name: str, um_per_px: float) -> None:
    with open_slide(data / "slides" / name, mpp=REAL[name]) as slide:
        assert find_tissue(slide, um_per_px=um_per_px).doubts == ()


@pytest.mark.parametrize("name", REAL)
def test_real_slides_that_faded_are_doubted(data: Path, name: str) -> None:
    """Nine tenths of the dye are gone: hardly any tissue is found, but the slide is no empty glass."""
    with open_slide(data / "slides" / name, mpp=REAL[name]) as slide:
        picture, um_per_px = slide.overview(16.0)
    glass = glass_color(picture)
    for left, expected in ((0.5, ""), (0.1, "D-SLIDE-005"), (0.05, "D-SLIDE-005")):
        faded = np.rint(glass * 10 ** (-left * optical_density(picture, glass))).astype(np.uint8)
        tall = np.kron(faded, np.ones((2, 2, 1), np.uint8))  # to the usual 8 µm
        found = label_ground(tall, glass, um_per_px / 2) == Ground.TISSUE
        assert codes_of(staining_doubts(tall[::4, ::4], found[::4, ::4], glass, um_per_px * 2)) == expected, left


def test_real_immunohistochemistry_is_doubted(data: Path) -> None:
    tiles = sorted((data / "slides" / "tiles").glob("kidney-ihc-*.png"))
    assert len(tiles) == 4
    for path in tiles:
        picture = np.asarray(Image.open(path).convert("RGB"))
        everywhere = np.ones(picture.shape[:2], bool)
        doubts = staining_doubts(picture, everywhere, np.full(3, 245.0, np.float32), 8.0)
        assert codes_of(doubts) == "D-SLIDE-004", path.name


def test_real_tiles_of_tissue_are_not_doubted(data: Path) -> None:
    names = ("tissue-*", "high-nuclei-score-level*", "medium-nuclei-score-level*", "liver-level2-1*", "liver-level2-5*")
    paths = [path for name in names for path in sorted((data / "slides" / "tiles").glob(name))]
    assert len(paths) > 10
    for path in paths:
        picture = np.asarray(Image.open(path).convert("RGB").reduce(4))
        everywhere = np.ones(picture.shape[:2], bool)
        assert staining_doubts(picture, everywhere, np.full(3, 240.0, np.float32), 8.0) == (), path.name


@pytest.mark.parametrize(
    ("dyes", "message"),
    [
        ([(HEMATOXYLIN, 0.02), (EOSIN, 0.01)], "no tissue was found on the slide: The stain is pale or faded"),
        ([(DAB, 0.0), (DAB, 0.6)], "Brown staining"),
        ([], "it looks like empty glass"),
    ],
)
def test_a_slide_without_a_usable_tile_says_what_it_looks_like(
    tmp_path: Path, dyes: list[tuple[tuple[float, float, float], float]], message: str
) -> None:
    path = write_slide(tmp_path / "s.tif", stained(*dyes), (0.5, 0.5))
    with open_slide(path) as slide, pytest.raises(SlideError, match=message):
        encode_slide(slide, Plain())


def test_doubts_stay_with_the_features(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "s.tif", stained((HEMATOXYLIN, 0.4), (HEMATOXYLIN, 0.15)), (1.0, 1.0))
    with open_slide(path) as slide:
        features = encode_slide(slide, Plain(), min_tissue=0.1)
    assert codes_of(features.notes) == "D-SLIDE-004"
    write_slide_features(tmp_path / "s.h5", features)
    assert read_slide_features(tmp_path / "s.h5").notes == features.notes


def test_a_coarse_slide_is_refused_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_slide(tmp_path / "s.tif", stained((HEMATOXYLIN, 0.5), (EOSIN, 0.3)), (1.1, 1.1))
    with open_slide(path) as slide:
        monkeypatch.setattr(type(slide), "overview", lambda *_: pytest.fail("the slide was read"))
        with pytest.raises(SlideError, match=r"finest level has 1\.1 µm per pixel") as caught:
            encode_slide(slide, Plain())
    assert caught.value.code == "E-SLIDE-004"
