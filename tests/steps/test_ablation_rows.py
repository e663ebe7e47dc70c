"""The rows of `ablation.csv` that another command wrote stay as they are, and go when they were damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from espark.errors import InputError
from espark.steps.ablate import cell_ablation
from espark.workspace.config import StudyConfig
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace

PREDICTED = [("NA", "none", "predict", 0.1 + 0.2, 0.0, 0.0, 0.0), ("01", "t_cell", "predict", 0.7, -0.1, -0.2, 1e-17)]
RETRAINED = [("NA", "t_cell", "retrain", 2 / 3, float("nan"), float("nan"), float("nan"))]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    layout = StudyLayout(tmp_path)
    for path in (layout.config, layout.cohort):
        path.touch()
    monkeypatch.setattr(cell_ablation, "_retrained_is_current", lambda _: True)
    found = Workspace(layout, StudyConfig(), cohort=None)  # type: ignore[arg-type]
    cell_ablation._write_mode(found, "retrain", RETRAINED)
    cell_ablation._write_mode(found, "predict", PREDICTED)
    return found


def rows(workspace: Workspace) -> list[str]:
    return workspace.layout.explanation("ablation.csv").read_text(encoding="utf-8").splitlines()[1:]


def test_rows_of_both_modes_stay_to_the_last_digit(workspace: Workspace) -> None:
    before = rows(workspace)
    assert len(before) == 3 and "NA,none,predict,0.30000000000000004,0.0,0.0,0.0" in before
    for mode, given in (("predict", PREDICTED), ("retrain", RETRAINED), ("predict", PREDICTED)):
        cell_ablation._write_mode(workspace, mode, given)
        assert rows(workspace) == before


@pytest.mark.parametrize("spoil", [lambda text: text[:-12], lambda text: text.replace("0.666", "0.966"), lambda _: ""])
def test_damaged_rows_go_and_the_command_that_makes_them_is_named(
    workspace: Workspace, caplog: pytest.LogCaptureFixture, spoil: object
) -> None:
    path = workspace.layout.explanation("ablation.csv")
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]
    with caplog.at_level(logging.WARNING, logger="espark"):
        cell_ablation._write_mode(workspace, "predict", PREDICTED)
    assert [row.split(",")[2] for row in rows(workspace)] == ["predict", "predict"]
    assert "espark ablate --cell-types" in caplog.text


def test_a_damaged_table_is_named_where_it_is_read(workspace: Workspace) -> None:
    from espark.workspace.stored import stored_table

    path = workspace.layout.explanation("ablation.csv")
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"ablation\.csv: the table cannot be read .*Run `espark explain"):
        stored_table(workspace.layout, path)
