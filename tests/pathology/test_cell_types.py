"""Similarity to cell types, cut-offs and selection."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from espark.cells import CELL_TYPES, PROMPT_TEMPLATES
from espark.errors import EncoderError
from espark.pathology.cell_types import best_tiles, cell_type_similarity, fit_cutoffs, passed_cutoffs, text_embeddings
from espark.types import Precision


class WordCounter:
    """An encoder whose text vectors can be worked out by hand."""

    name = "word-counter"
    entry = "word-counter"
    weights_hash = ""
    precision: Precision = "float32"
    dim = 2
    tile_px = 256
    mpp = 0.5
    has_text = True

    def encode_tiles(self, tiles: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def encode_text(self, phrases: Sequence[str]) -> np.ndarray:
        vectors = np.array([[len(phrase), phrase.count("e") + 1] for phrase in phrases], np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def expected_counts(self, features: np.ndarray) -> None:
        return None


class Speechless(WordCounter):
    name = "speechless"
    has_text = False


def test_embedding_is_the_mean_over_templates_at_length_one() -> None:
    found = text_embeddings(WordCounter(), names=("neutrophil",), templates=("{}", "see {}"))
    parts = WordCounter().encode_text(["neutrophil", "see neutrophil"])
    mean = parts.mean(axis=0)
    assert found[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_there_are_22_templates_and_10_types_in_the_published_order() -> None:
    assert len(PROMPT_TEMPLATES) == len(set(PROMPT_TEMPLATES)) == 22
    assert all(template.count("{}") == 1 for template in PROMPT_TEMPLATES)
    assert text_embeddings(WordCounter()).shape == (len(CELL_TYPES), 2) == (10, 2)


def test_an_encoder_without_text_says_so() -> None:
    with pytest.raises(EncoderError, match="no text side"):
        text_embeddings(Speechless())


def test_similarity_is_the_dot_product() -> None:
    rng = np.random.default_rng(0)
    tiles, words = rng.normal(size=(5, 8)).astype(np.float32), rng.normal(size=(3, 8)).astype(np.float32)
    found = cell_type_similarity(tiles, words)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.einsum("nd,cd->nc", tiles, words), abs=1e-5)


@pytest.mark.parametrize("quantile", [0.5, 0.85, 0.99])
def test_fitted_cutoffs_pass_the_configured_share(quantile: float) -> None:
    similarity = np.random.default_rng(1).normal(size=(2000, 10)).astype(np.float32)
    share = passed_cutoffs(similarity, fit_cutoffs(similarity, quantile)).mean(axis=0)
    assert share == pytest.approx(1 - quantile, abs=0.002)


def test_cutoffs_need_tiles_and_a_proper_quantile() -> None:
    with pytest.raises(ValueError, match="at least one tile"):
        fit_cutoffs(np.empty((0, 10), np.float32), 0.85)
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_cutoffs(np.zeros((4, 10), np.float32), 85)


def test_a_tile_may_pass_several_cutoffs() -> None:
    similarity = np.array([[0.9, 0.9], [0.9, 0.1], [0.1, 0.1], [0.5, 0.5]], np.float32)
    cutoffs = np.array([0.5, 0.5], np.float32)
    assert passed_cutoffs(similarity, cutoffs).sum(axis=1).tolist() == [2, 1, 0, 0]


def test_the_best_tiles_are_those_nearest_to_any_cutoff() -> None:
    similarity = np.array([[0.1, 0.4], [0.3, 0.0], [0.0, 0.0], [0.2, 0.1]], np.float32)
    cutoffs = np.array([0.5, 0.5], np.float32)
    assert best_tiles(similarity, cutoffs, 0.5).tolist() == [True, True, False, False]
    assert best_tiles(similarity, cutoffs, 0.15).tolist() == [True, False, False, False]
    assert best_tiles(similarity[:1], cutoffs, 0.15).tolist() == [True]
    assert best_tiles(np.zeros((20, 2), np.float32), cutoffs, 0.15).tolist() == [True] * 3 + [False] * 17
