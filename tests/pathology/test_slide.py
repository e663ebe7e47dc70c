"""Slides: real ones of every kind at hand, and small ones made here whose every pixel is known."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import openslide
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import generate_uid

from espark.errors import SlideError
from espark.pathology.slide import open_slide, slide_files

REAL = {
    "cmu-1-small-region.svs": ((2220, 2967), 0.499),
    "larynx-20x.tif": ((13440, 15072), 0.586),
    "cptac-brca-dicom-sm.dcm": ((1680, 1547), 15.821),
}


def write_slide(
    path: Path, pixels: np.ndarray, mpp: tuple[float, float] | None, description: str = "made here"
) -> Path:
    """A tiled TIFF without compression, with or without a resolution."""
    resolution = None if mpp is None else (1e4 / mpp[0], 1e4 / mpp[1])
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", description=description.encode(), metadata=None,
        resolution=resolution, resolutionunit=None if mpp is None else "CENTIMETER",
    )  # fmt: skip
    return path


@pytest.fixture
def checkered() -> np.ndarray:
    """512 × 768 px: a constant tint with one black square of 64 px whose corner is at (x, y) = (320, 128)."""
    pixels = np.full((512, 768, 3), (200, 120, 180), np.uint8)
    pixels[128:192, 320:384] = 0
    return pixels


@pytest.mark.parametrize("name", REAL)
def test_real_slides_open(data: Path, name: str) -> None:
    dimensions, mpp = REAL[name]
    with open_slide(data / "slides" / name) as slide:
        assert slide.dimensions == dimensions
        assert slide.mpp == pytest.approx(mpp, rel=1e-4)
        assert not slide.simulated
        picture, um_per_px = slide.thumbnail(300)
        assert max(picture.shape) == 300
        assert um_per_px * 300 == pytest.approx(mpp * max(dimensions), rel=1e-4)


def test_missing_resolution_is_asked_for(data: Path) -> None:
    path = data / "slides" / "tcga-cr-7395-01a-01-ts1.svs"
    with pytest.raises(SlideError, match=r"slide_mpp in cohort\.csv, or with --slide-mpp"):
        open_slide(path)
    with open_slide(path, mpp=0.5) as slide:
        assert slide.mpp == 0.5
        assert slide.notes == ()


@pytest.mark.parametrize("mpp", [0.0, -0.5, 42.3, 500.0, float("nan"), float("inf")])
def test_impossible_resolution_is_refused(data: Path, mpp: float) -> None:
    with pytest.raises(SlideError, match=r"slide_mpp .* is not plausible"):
        open_slide(data / "slides" / "cmu-1-small-region.svs", mpp=mpp)


def test_broken_and_missing_files(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SlideError, match="not a readable slide"):
        open_slide(data / "slides" / "broken.svs")
    with pytest.raises(SlideError, match="missing"):
        open_slide(tmp_path / "nothing.svs")
    with pytest.raises(SlideError, match="no DICOM"):
        open_slide(tmp_path)


def lower_level(source: Path, target: Path) -> None:
    """Write the next level of a DICOM slide's pyramid: half the size, same series."""
    with openslide.OpenSlide(source) as slide:
        whole = slide.read_region((0, 0), 0, slide.dimensions).convert("RGB").reduce(2)
    header = pydicom.dcmread(source)
    side, (columns, rows) = header.Rows, (-(-whole.width // header.Columns), -(-whole.height // header.Rows))
    frames = []
    for index in range(rows * columns):
        left, top = index % columns * side, index // columns * side
        buffer = io.BytesIO()
        whole.crop((left, top, left + side, top + side)).save(buffer, "JPEG", quality=90)
        frames.append(buffer.getvalue())
    header.PixelData = encapsulate(frames)
    header.NumberOfFrames = len(frames)
    header.TotalPixelMatrixColumns, header.TotalPixelMatrixRows = whole.size
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    spacing = header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    spacing.PixelSpacing = [2 * value for value in spacing.PixelSpacing]
    header.save_as(target)


def test_a_dicom_file_and_its_folder_are_the_same_slide(data: Path, tmp_path: Path) -> None:
    top, low = tmp_path / "b.dcm", tmp_path / "a.dcm"
    shutil.copyfile(data / "slides" / "cptac-brca-dicom-sm.dcm", top)
    lower_level(top, low)
    (tmp_path / "readme.txt").write_text("not DICOM")
    pictures = []
    for path in (tmp_path, top, low):
        with open_slide(path) as slide:
            assert slide.dimensions == (1680, 1547)
            assert slide.mpp == pytest.approx(15.821, rel=1e-4)
            assert slide._downsamples == pytest.approx((1.0, 2.0), rel=1e-2)
            pictures.append(slide.read_tile(400, 700, 512, 256))
    assert np.array_equal(pictures[0], pictures[1]) and np.array_equal(pictures[0], pictures[2])


def test_a_folder_with_two_dicom_slides_is_refused(data: Path, tmp_path: Path) -> None:
    source = data / "slides" / "cptac-brca-dicom-sm.dcm"
    shutil.copyfile(source, tmp_path / "one.dcm")
    other = pydicom.dcmread(source)
    other.SeriesInstanceUID = generate_uid()
    other.save_as(tmp_path / "two.dcm")
    with pytest.raises(SlideError, match="2 DICOM slides"):
        open_slide(tmp_path)
    with open_slide(tmp_path / "two.dcm") as slide:
        assert slide.dimensions == (1680, 1547)


def test_an_mrxs_slide_is_its_folder_too(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    assert slide_files(tmp_path / "s.mrxs") == (tmp_path / "s.mrxs", tmp_path / "s")
    assert slide_files(tmp_path / "s.svs") == (tmp_path / "s.svs",)


@pytest.mark.parametrize("size", [218.43, 218.01, 300.7, 437.0])
def test_both_resamplings_agree(data: Path, size: float) -> None:
    """A tile that begins on a whole pixel goes through torch, any other through Pillow."""
    path = data / "slides" / "larynx-20x.tif"
    with open_slide(path) as slide, openslide.OpenSlide(path) as bare:
        tile = slide.read_tile(6000, 7000, size, 256)
        region = bare.read_region((6000, 7000), 0, (int(np.ceil(size)),) * 2).convert("RGB")
    expected = region.resize((256, 256), Image.Resampling.BICUBIC, box=(0, 0, size, size))
    assert tile.flags["C_CONTIGUOUS"]
    assert np.abs(tile.astype(int) - np.asarray(expected)).max() <= 2


def test_truncated_file_says_so_when_it_is_read(tmp_path: Path) -> None:
    path = write_slide(
        tmp_path / "whole.tif", np.random.default_rng(0).integers(0, 255, (2048, 2048, 3), np.uint8), (0.5, 0.5)
    )
    cut = tmp_path / "cut.tif"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SlideError, match=r"cut\.tif"), open_slide(cut) as slide:
        slide.read_tile(1700, 1700, 256, 256)


def test_simulated_slides_are_recognized(tmp_path: Path, checkered: np.ndarray) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", checkered, (0.5, 0.5), "ESPARK SIMULATED slide")) as slide:
        assert slide.simulated


def test_tile_at_native_resolution_is_untouched(data: Path) -> None:
    path = data / "slides" / "cmu-1-small-region.svs"
    with open_slide(path) as slide, openslide.OpenSlide(path) as bare:
        expected = np.asarray(bare.read_region((1111, 1777), 0, (256, 256)).convert("RGB"))
        assert np.array_equal(slide.read_tile(1111, 1777, 256, 256), expected)


def test_halving_averages_and_keeps_places(tmp_path: Path, checkered: np.ndarray) -> None:
    with open_slide(write_slide(tmp_path / "s.tif", checkered, (0.25, 0.25))) as slide:
        tile = slide.read_tile(256, 64, 256, 128)
    dark = tile.mean(axis=2) < 80
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert (rows[0], rows[-1]) == (32, 63)
    assert (columns[0], columns[-1]) == (32, 63)
    assert np.array_equal(tile[:16].reshape(-1, 3), np.full((16 * 128, 3), (200, 120, 180)))


@pytest.mark.parametrize("size", [218.43, 256.0, 300.7, 437.0])
def test_resampled_tile_agrees_with_an_independent_resampling(data: Path, size: float) -> None:
    path = data / "slides" / "larynx-20x.tif"
    with open_slide(path) as slide, openslide.OpenSlide(path) as bare:
        tile = slide.read_tile(6000.0, 7000.0, size, 256).astype(float)
        region = bare.read_region((6000, 7000), 0, (round(size), round(size))).convert("RGB")
    expected = np.asarray(region.resize((256, 256), Image.Resampling.LANCZOS)).astype(float)
    assert np.corrcoef(tile.ravel(), expected.ravel())[0, 1] > 0.985
    assert abs(tile.mean() - expected.mean()) < 1.0


def test_levels_agree_on_where_things_are(data: Path) -> None:
    """A square read from a low level shows the same as the square read from level 0 and then reduced."""
    with open_slide(data / "slides" / "larynx-20x.tif") as slide:
        small = slide.read_tile(5000, 6000, 2048, 128).astype(float)
        large = slide.read_tile(5000, 6000, 2048, 2048)
    reduced = np.asarray(Image.fromarray(large).resize((128, 128), Image.Resampling.BOX)).astype(float)
    inner = np.s_[2:-2, 2:-2]
    moved = {
        (dy, dx): np.abs(np.roll(small, (dy, dx), (0, 1)) - reduced)[inner].mean()
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert min(moved, key=lambda shift: moved[shift]) == (0, 0)
    assert np.corrcoef(small.ravel(), reduced.ravel())[0, 1] > 0.9


def test_outside_the_slide_is_white(data: Path) -> None:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        assert (slide.read_tile(5000, 5000, 256, 256) == 255).all()
        assert (slide.read_tile(2220, 100, 256, 128) == 255).all()


def test_overviews_of_any_size(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(100, 200, (301, 277, 3), np.uint8)
    with open_slide(write_slide(tmp_path / "s.tif", pixels, (0.5, 0.5))) as slide:
        for longest in range(20, 301, 7):
            picture, um_per_px = slide.thumbnail(longest)
            assert picture.shape == (longest, round(277 / (301 / longest)), 3)
            assert um_per_px == pytest.approx(0.5 * 301 / longest)


def test_overview_in_blocks_has_no_seams(tmp_path: Path) -> None:
    y, x = np.mgrid[:2304, :2560]
    pixels = np.stack([x * 255 // 2560, y * 255 // 2304, np.full_like(x, 128)], axis=-1).astype(np.uint8)
    with open_slide(write_slide(tmp_path / "ramp.tif", pixels, (0.5, 0.5))) as slide:
        picture, um_per_px = slide.overview(1.0)
    assert picture.shape == (1152, 1280, 3)
    assert um_per_px == pytest.approx(1.0)
    assert np.abs(np.diff(picture.astype(int), axis=1)).max() <= 2
    assert np.abs(np.diff(picture.astype(int), axis=0)).max() <= 2


@pytest.mark.parametrize("size", [218.43, 256.0, 437.0, 512.0, 1748.0])
def test_tiles_read_together_are_those_read_alone(data: Path, size: float) -> None:
    """On whole pixels and between them, at the edge of the slide and beyond it."""
    with open_slide(data / "slides" / "larynx-20x.tif") as slide:
        width, height = slide.dimensions
        corners = [(6000.0, 7000.0), (6218.0, 7000.0), (6000.4, 7000.7), (width - size / 2, 7000.0), (width, height)]
        together = slide.read_tiles(corners, size, 128)
        for (x, y), tile in zip(corners, together, strict=True):
            assert np.array_equal(tile, slide.read_tile(x, y, size, 128)), (x, y)
        assert (together[-1] == 255).all()
        assert slide.read_tiles([], size, 128).shape == (0, 128, 128, 3)
