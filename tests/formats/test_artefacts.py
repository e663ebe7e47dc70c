"""What is declared about the files of a study is what a study contains."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from espark.formats import ARTEFACTS, artefact_of
from espark.formats.artefact import OUTCOME, Artefact, Column
from espark.formats.columns import SHARED
from simulated_study import finished_study, simulated_trial

IMAGES = ("ct/", "slides/", "masks/")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_study(simulated_trial(tmp_path_factory))


def _names(path: Path) -> list[str]:
    return list(pd.read_csv(path, nrows=0)) if path.suffix == ".csv" else list(pq.read_schema(path).names)


def test_every_file_of_a_study_is_declared_with_its_columns(finished: Path) -> None:
    paths = [path for path in finished.rglob("*") if path.is_file()]
    names = {path.relative_to(finished).as_posix(): path for path in paths}
    ours = {name: path for name, path in names.items() if not name.startswith(IMAGES)}
    assert not [name for name in ours if artefact_of(name) is None]
    tables = {name: (entry, path) for name, path in ours.items() if (entry := artefact_of(name)) and entry.columns}
    assert len(tables) > 20
    strange = {name: entry.strange(_names(path)) for name, (entry, path) in tables.items()}
    assert not {name: problems for name, problems in strange.items() if problems}


def test_every_table_of_a_study_is_declared_as_a_table(finished: Path) -> None:
    tables = [path for folder in ("evaluation", "explain", "predictions", "prepared")
              for path in (finished / folder).glob("*") if path.suffix in (".csv", ".parquet")]  # fmt: skip
    undeclared = [
        name for path in tables
        if (entry := artefact_of(name := path.relative_to(finished).as_posix())) is None or not entry.columns
    ]  # fmt: skip
    assert tables and not undeclared


def test_a_column_that_is_not_declared_is_seen() -> None:
    entry = Artefact("x.csv", "train", "", (Column(f"n_{OUTCOME}", "integer", ""), Column("a", "text", "")))
    assert entry.strange(["n_mpr", "b"], outcome="mpr") == ["not declared: b", "missing: a"]
    assert entry.strange(["n_mpr", "a"], outcome="mpr") == []


def test_one_name_has_one_meaning() -> None:
    for entry in ARTEFACTS:
        names = [column.name for column in entry.columns]
        assert len(names) == len(set(names)), entry.pattern
        for column in entry.columns:
            shared = SHARED.get(column.name)
            assert shared is None or column.kind == shared.kind, (entry.pattern, column.name)


def test_patterns_do_not_reach_into_folders() -> None:
    assert artefact_of("models/espark/fold-00.safetensors") == artefact_of("models/espark/fold-01.safetensors")
    assert artefact_of("predictions/espark-members.csv") != artefact_of("predictions/espark.csv")
    assert artefact_of("elsewhere/espark.csv") is None
