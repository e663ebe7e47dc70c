"""Whether a slide looks like known tissue: distances, contradictory tiles, limits, and the shipped statistics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from espark.cells import COUNTED_CELLS
from espark.errors import InputError
from espark.files import save_tensors
from espark.pathology.cells.known_tissue import STATISTICS, KnownTissue, known_tissue
from espark.pathology.encoders.load import load_encoder
from espark.pathology.features import SlideFeatures, encode_slide
from espark.pathology.slide import open_slide
from espark.pretrain.make_known_tissue import fit_known_tissue


def counts(*, lymphocytes: float, well: float, poorly: float, tiles: int = 1) -> np.ndarray:
    row = dict.fromkeys(COUNTED_CELLS, 0.0) | {
        "lymphocyte": lymphocytes, "well_differentiated_tumor_cell": well, "poorly_differentiated_tumor_cell": poorly,
    }  # fmt: skip
    return np.tile(np.array([row[cell] for cell in COUNTED_CELLS], np.float32), (tiles, 1))


KNOWN = KnownTissue(
    "weights", np.array([1.0, 0.0], np.float32), np.diag([1.0, 0.5]).astype(np.float32), both_cells=10.0,
    distance_limit=1.5, contradictory_limit=0.25,
)  # fmt: skip


def test_the_distance_is_that_of_mahalanobis() -> None:
    """Against SciPy, for correlated vectors; the mean square over the tiles of the fit is 1."""
    from scipy.spatial.distance import cdist

    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(4000, 3)) @ rng.normal(size=(3, 3)) + 5).astype(np.float32)
    covariance = np.cov(vectors.T.astype(np.float64))
    precision = np.linalg.inv(covariance)
    known = KnownTissue("", vectors.mean(axis=0), np.linalg.cholesky(precision).astype(np.float32), 1.0)
    expected = cdist(vectors, vectors.mean(axis=0, keepdims=True), "mahalanobis", VI=precision)[:, 0] / np.sqrt(3)
    assert known.distances(vectors) == pytest.approx(expected, rel=1e-3)
    assert np.mean(known.distances(vectors) ** 2) == pytest.approx(1, abs=0.01)


def test_both_grades_of_tumor_cells_count_together_and_either_cell_alone_is_no_contradiction() -> None:
    assert KNOWN.contradictory(counts(lymphocytes=20, well=6, poorly=6)).tolist() == [True]
    assert KNOWN.contradictory(counts(lymphocytes=20, well=6, poorly=3)).tolist() == [False]
    assert KNOWN.contradictory(counts(lymphocytes=9, well=60, poorly=60)).tolist() == [False]


def test_a_slide_is_judged_by_its_median_tile_and_its_share_of_contradictory_tiles() -> None:
    near, far = [1.0, 0.0], [10.0, 0.0]
    quiet, mixed = counts(lymphocytes=0, well=0, poorly=0), counts(lymphocytes=20, well=20, poorly=0)
    one_far = KNOWN.judge(np.array([near, near, far], np.float32), np.repeat(quiet, 3, axis=0))
    assert one_far.reliable and one_far.distance == pytest.approx(0)
    two_far = KNOWN.judge(np.array([near, far, far], np.float32), np.repeat(quiet, 3, axis=0))
    assert [note.code for note in two_far.notes] == ["D-SLIDE-007"]
    assert two_far.distance == pytest.approx(9 / np.sqrt(2))
    quarter = KNOWN.judge(np.array([near] * 4, np.float32), np.concatenate([mixed, quiet, quiet, quiet]))
    assert quarter.reliable and quarter.contradictory == 0.25
    half = KNOWN.judge(np.array([near] * 4, np.float32), np.concatenate([mixed, mixed, quiet, quiet]))
    assert [note.code for note in half.notes] == ["D-SLIDE-008"]
    assert "In 50\u202f% of the tiles" in half.notes[0].text


def slide(rng: np.random.Generator, shift: float = 0.0) -> SlideFeatures:
    features = rng.normal(shift, 1, (60, 4)).astype(np.float32)
    found = rng.gamma(2, 5, (60, len(COUNTED_CELLS))).astype(np.float32)
    none = np.zeros((0, 2), np.int32)
    return SlideFeatures(
        features,
        np.zeros((60, 2), np.int32),
        None,
        found,
        None,
        none,
        (),
        "e",
        256,
        0.5,
        256.0,
        0.5,
        (),
        "none",
        "",
        "s",
    )


def test_limits_let_about_five_of_a_hundred_known_slides_fail_and_find_another_tissue() -> None:
    rng = np.random.default_rng(1)
    slides = [slide(rng) for _ in range(400)]
    drawn = [slide(rng) for _ in range(20)]
    vectors, cells = (
        np.concatenate([getattr(part, name) for part in drawn]) for name in ("features", "expected_counts")
    )
    known, alarms = fit_known_tissue("w", vectors, cells, slides)
    assert 0.0 < alarms < 0.12
    strange = slide(rng, shift=3.0)
    assert not known.judge(strange.features, strange.expected_counts).reliable  # type: ignore[arg-type]


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    KNOWN.save(tmp_path / "known.safetensors")
    found = KnownTissue.load(tmp_path / "known.safetensors")
    assert (found.encoder_weights, found.both_cells, found.distance_limit, found.contradictory_limit) == (
        "weights", 10.0, 1.5, 0.25,
    )  # fmt: skip
    assert np.array_equal(found.whitening, KNOWN.whitening)
    save_tensors(tmp_path / "other.safetensors", {})
    with pytest.raises(InputError, match="no statistics of known tissue"):
        KnownTissue.load(tmp_path / "other.safetensors")


def test_the_shipped_statistics_belong_to_the_shipped_weights() -> None:
    """When this fails, the encoder was fitted again: run python -m espark.pretrain.make_known_tissue TRIAL."""
    weights = load_encoder("espark-mini", precision="float32").weights_hash
    known = known_tissue(weights)
    assert known is not None
    assert known.encoder_weights == weights
    assert 0 < known.distance_limit < np.inf and 0 < known.contradictory_limit < 1
    assert STATISTICS.stat().st_size < 1_000_000
    assert known_tissue("other weights") is None


def test_the_cells_of_a_benign_slide_are_not_reliable(data: Path) -> None:
    with open_slide(data / "slides" / "cmu-1-small-region.svs") as opened:
        found = encode_slide(opened, load_encoder("espark-mini", precision="float32"), workers=1)
    assert not found.cells_reliable
    assert "D-SLIDE-007" in [note.code for note in found.notes]
    unchecked = replace(found, encoder_weights="another encoder")
    assert unchecked.reliability is None and unchecked.cells_reliable and not unchecked.notes
