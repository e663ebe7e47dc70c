"""The notebooks run from top to bottom, and contain no outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

from simulated_study import finished_study, simulated_trial

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


def _cells(name: str) -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_contains_no_outputs(name: str) -> None:
    code = [cell for cell in _cells(name) if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPARK_STUDY", str(finished_study(simulated_trial(tmp_path_factory))))
    mpl.use("agg")
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(_cells(name)):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{name}.ipynb[{number}]", "exec"), names)
    assert len(names) > 3
