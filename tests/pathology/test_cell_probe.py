"""A probe that reads cells from tile vectors: what it learns, what it gives, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from espark.cells import CELL_TYPES, COUNTED_CELLS
from espark.errors import EncoderError, InputError
from espark.pathology.cells.cell_probe import CellProbe
from espark.steps.teach import Lesson, Taught, agreement_with_teacher, fit_probe

DIM = 12
KEYS = tuple(entry.key for entry in CELL_TYPES)


def lesson(*, noise: float, patients: int = 10, tiles: int = 60) -> Lesson:
    """Counts that are a linear mixture of the vectors, with noise."""
    rng = np.random.default_rng(0)
    counts = rng.gamma(2, 5, (patients * tiles, len(COUNTED_CELLS)))
    mixed = counts @ rng.normal(size=(len(COUNTED_CELLS), DIM)) + 3
    features = (mixed + noise * rng.normal(size=mixed.shape)).astype(np.float32)
    return Lesson(features, counts, np.repeat(np.arange(patients), tiles), "a teacher")


def test_counts_that_are_linear_in_the_vectors_are_found_again() -> None:
    known = lesson(noise=0.0)
    probe = fit_probe(known, "weights")
    assert probe.counts(known.features) == pytest.approx(known.counts, abs=0.5)
    agreement, nlr = agreement_with_teacher(known)
    assert min(agreement.values()) > 0.99 and nlr > 0.95
    assert Taught(Path("probe"), 600, 10, agreement, nlr).agrees
    assert not Taught(Path("probe"), 600, 10, agreement, 0.2).agrees


def test_vectors_that_know_nothing_of_the_cells_do_not_agree() -> None:
    known = lesson(noise=0.0)
    rng = np.random.default_rng(1)
    blind = Lesson(rng.normal(size=known.features.shape).astype(np.float32), known.counts, known.groups, "a teacher")
    agreement, _ = agreement_with_teacher(blind)
    assert max(map(abs, agreement.values())) < 0.2
    assert not Taught(Path("probe"), 600, 10, agreement, float("nan")).agrees


def test_a_count_is_never_negative() -> None:
    probe = CellProbe("w", "t", np.eye(7, dtype=np.float32), np.zeros(7, np.float32))
    assert probe.counts(np.array([[-3, 2, 0, 0, 0, 0, 0]], np.float32)).tolist() == [[0, 2, 0, 0, 0, 0, 0]]


def test_a_cell_type_is_as_similar_as_its_cells_are_many() -> None:
    probe = CellProbe("w", "t", np.zeros((1, 7), np.float32), np.zeros(7, np.float32))
    counts = np.zeros((3, 7), np.float32)
    counts[1, COUNTED_CELLS.index("lymphocyte")] = 9
    counts[1, COUNTED_CELLS.index("neutrophil")] = 10
    counts[2, COUNTED_CELLS.index("well_differentiated_tumor_cell")] = 9999
    found = probe.similarity(counts, KEYS)
    assert found[0].tolist() == [0.0] * len(KEYS)
    assert found[1, KEYS.index("immune_cell")] == pytest.approx(np.log(20) / np.log(501))
    assert found[1, KEYS.index("lymphocyte")] < found[1, KEYS.index("neutrophil")] < found[1, KEYS.index("immune_cell")]
    assert found[2, KEYS.index("tumor_cell")] == found[2, KEYS.index("squamous_cell_carcinoma")] == 1.0
    with pytest.raises(EncoderError, match="does not count cells of the type 'mast_cell'"):
        probe.similarity(counts, (*KEYS, "mast_cell"))


def test_a_probe_is_stored_byte_by_byte_and_knows_its_encoder(tmp_path: Path) -> None:
    probe = fit_probe(lesson(noise=0.1), "a" * 64)
    for name in ("one", "two"):
        probe.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = CellProbe.load(tmp_path / "one")
    assert np.array_equal(found.weights, probe.weights) and found.teacher == "a teacher"
    assert len(found.identity) == 64
    found.check_encoder("uni", "a" * 64)
    with pytest.raises(EncoderError, match="other weights than those of uni"):
        found.check_encoder("uni", "b" * 64)


def test_a_missing_or_wrong_file_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="espark encoder teach"):
        CellProbe.load(tmp_path / "nothing")
    CellProbe("w", "t", np.full((2, 7), np.nan, np.float32), np.zeros(7, np.float32)).save(tmp_path / "nan")
    with pytest.raises(InputError, match="not a cell probe"):
        CellProbe.load(tmp_path / "nan")
