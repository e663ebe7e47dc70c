"""Features of a slide: made, written, read back, and taken over from other programs."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pydicom
import pytest
import tifffile
from scipy import ndimage

from espark.cells import CELL_TYPES, COUNTED_CELLS
from espark.errors import FeatureError, SlideError
from espark.pathology.cytology import CellTypePrompt, Cytology
from espark.pathology.features import SlideFeatures, encode_slide, read_slide_features, write_slide_features
from espark.pathology.slide import open_slide
from espark.types import Precision


class MeanColor:
    """An encoder whose vectors can be checked: mean color at length one."""

    name = "mean-color"
    entry = "mean-color"
    weights_hash = ""
    precision: Precision = "float32"
    dim = 3
    tile_px = 256
    mpp = 0.5
    has_text = True

    def encode_tiles(self, tiles: np.ndarray) -> np.ndarray:
        mean = tiles.mean(axis=(1, 2), dtype=np.float64)
        return (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)

    def encode_text(self, phrases: Sequence[str]) -> np.ndarray:
        return np.tile(np.array([[1.0, 0.0, 0.0]], np.float32), (len(phrases), 1))

    def expected_counts(self, features: np.ndarray) -> np.ndarray | None:
        return np.zeros((len(features), len(COUNTED_CELLS)), np.float32)


class Plain(MeanColor):
    name = "plain"
    has_text = False

    def expected_counts(self, features: np.ndarray) -> None:
        return None


@pytest.fixture(scope="module")
def encoded(data: Path) -> SlideFeatures:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        return encode_slide(slide, MeanColor())


def test_rows_belong_together(encoded: SlideFeatures, data: Path) -> None:
    assert len(encoded) == len(encoded.coords) > 20
    assert encoded.cell_types == tuple(entry.key for entry in CELL_TYPES)
    assert encoded.similarity is not None and encoded.expected_counts is not None
    assert encoded.similarity.shape == (len(encoded), 10)
    assert encoded.expected_counts.shape == (len(encoded), 7)
    assert encoded.similarity[:, 0] == pytest.approx(encoded.features[:, 0], abs=1e-6)
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        for row in (0, len(encoded) // 2, len(encoded) - 1):
            x, y = encoded.coords[row].tolist()
            tile = slide.read_tile(x, y, encoded.tile_px_level0, encoded.tile_px)
            assert encoded.features[row] == pytest.approx(MeanColor().encode_tiles(tile[None])[0], abs=1e-6)


class Reader(MeanColor):
    def encode_text(self, phrases: Sequence[str]) -> np.ndarray:
        return np.array([[0, 1, 0] if phrase == "see mucosa" else [1, 0, 0] for phrase in phrases], np.float32)


def test_cell_types_and_prompts_are_those_of_the_file(encoded: SlideFeatures, data: Path) -> None:
    mucosa = CellTypePrompt(key="normal_mucosa", name="mucosa")
    cytology = Cytology(templates=("see {}",), cell_types=(*Cytology().cell_types, mucosa))
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        found = encode_slide(slide, Reader(), cytology=cytology)
    assert found.cell_types == (*(entry.key for entry in CELL_TYPES), "normal_mucosa")
    assert found.similarity is not None
    assert found.similarity[:, -1] == pytest.approx(encoded.features[:, 1], abs=1e-6)


def test_every_tile_with_tissue_is_kept_or_has_a_reason(encoded: SlideFeatures) -> None:
    kept = {tuple(corner) for corner in encoded.coords.tolist()}
    left_out = {tuple(corner) for corner in encoded.rejected_coords.tolist()}
    assert len(encoded.rejected_reasons) == len(encoded.rejected_coords) == len(left_out) > 0
    assert not kept & left_out


def test_provenance_holds_no_path(encoded: SlideFeatures) -> None:
    assert encoded.source == "slide"
    assert (encoded.encoder, encoded.dim, encoded.tile_px, encoded.mpp) == ("mean-color", 3, 256, 0.5)
    assert encoded.slide_mpp == pytest.approx(0.499)
    assert encoded.tile_px_level0 == pytest.approx(256 * 0.5 / 0.499)
    assert encoded.stain == "none"


def same(one: SlideFeatures, other: SlideFeatures) -> bool:
    for field in dataclasses.fields(SlideFeatures):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            if a.dtype != b.dtype or not np.array_equal(a, b):
                return False
        elif a != b:
            return False
    return True


def test_round_trip_and_identical_bytes(encoded: SlideFeatures, tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "one.h5", tmp_path / "b" / "two.h5"
    write_slide_features(first, encoded)
    time.sleep(1.1)  # HDF5 stores times to the second where it is let
    write_slide_features(second, encoded)
    assert first.read_bytes() == second.read_bytes()
    assert same(read_slide_features(first), encoded)
    assert [path.name for path in first.parent.iterdir()] == ["one.h5"]


def test_the_file_is_what_the_design_says(encoded: SlideFeatures, tmp_path: Path) -> None:
    write_slide_features(tmp_path / "s.h5", encoded)
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["features"].dtype == np.float32 and file["features"].shape == (len(encoded), 3)
        assert file["coords"].dtype == np.int32 and file["coords"].shape == (len(encoded), 2)
        assert file["similarity"].dtype == np.float32
        wanted = {
            "encoder", "dim", "tile_px", "mpp", "tile_px_level0", "slide_mpp", "cell_types", "stain", "espark_version",
            "source",
        }  # fmt: skip
        assert wanted <= set(file.attrs)


def test_an_encoder_without_words_leaves_similarity_out(data: Path, tmp_path: Path) -> None:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        encoded = encode_slide(slide, Plain())
    assert encoded.similarity is None and encoded.expected_counts is None and encoded.cell_types == ()
    write_slide_features(tmp_path / "s.h5", encoded)
    assert same(read_slide_features(tmp_path / "s.h5"), encoded)


def test_a_dicom_slide_becomes_features(data: Path, tmp_path: Path) -> None:
    """Its header is made to say 0.5 µm per pixel, which is not true, so that tiles of it exist."""
    header = pydicom.dcmread(data / "slides" / "cptac-brca-dicom-sm.dcm")
    header.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [0.0005, 0.0005]
    header.save_as(tmp_path / "s.dcm")
    with open_slide(tmp_path / "s.dcm") as slide:
        encoded = encode_slide(slide, Plain(), min_tissue=0.2)
    assert len(encoded) > 3
    assert encoded.source == "slide"


def test_progress_and_workers(data: Path, encoded: SlideFeatures) -> None:
    seen: list[tuple[int, int]] = []
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        again = encode_slide(
            slide, MeanColor(), batch=7, workers=3, progress=lambda done, all_: seen.append((done, all_))
        )
    assert same(again, encoded)
    assert seen[-1][0] == seen[-1][1]
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def blank_slide(path: Path, pixels: np.ndarray) -> Path:
    tifffile.imwrite(
        path, pixels, tile=(256, 256), photometric="rgb", metadata=None, resolution=(2e4, 2e4),
        resolutionunit="CENTIMETER",
    )  # fmt: skip
    return path


def test_an_empty_slide_is_an_error_that_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    glass = np.clip(rng.normal(238, 1.5, (1024, 1024, 3)), 0, 255).astype(np.uint8)
    with (
        open_slide(blank_slide(tmp_path / "glass.tif", glass)) as slide,
        pytest.raises(SlideError, match="empty glass"),
    ):
        encode_slide(slide, Plain())


def test_a_slide_out_of_focus_is_an_error_that_counts(data: Path, tmp_path: Path) -> None:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as slide:
        sharp = slide.read_tile(512, 768, 1024, 1024)
    soft = ndimage.gaussian_filter(sharp.astype(float), (5, 5, 0)).astype(np.uint8)
    with open_slide(blank_slide(tmp_path / "soft.tif", soft)) as slide, pytest.raises(SlideError, match=r"\d+ blur"):
        encode_slide(slide, Plain())


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all"])
def test_damaged_features(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.h5"
    path.write_bytes(content)
    with pytest.raises(FeatureError, match="cannot be read"):
        read_slide_features(path)


def test_missing_or_foreign_file_is_not_ours(tmp_path: Path) -> None:
    with pytest.raises(FeatureError):
        read_slide_features(tmp_path / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["features"] = np.zeros((3, 4))
    with pytest.raises(FeatureError, match="espark prepare"):
        read_slide_features(tmp_path / "other.h5")
