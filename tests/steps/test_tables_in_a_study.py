"""What `check` says about the tables of a study, and what stops `prepare` too."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from espark.errors import InputProblems, TableError
from espark.notes import Note
from espark.steps.check.check import check, examine
from espark.steps.check.result import CheckResult
from espark.steps.prepare.prepare import prepare
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
STUDY = """
[protocol]
folds = 2

[[clinical]]
name = "stage"
kind = "category"

[[clinical]]
name = "nodes"
kind = "number"
{missing}
[[ct_features]]
file = "radiomics.csv"
"""


def write_study(folder: Path, *, ids: list[str], rows: list[str], missing: str = "", **columns: list[object]) -> Path:
    """A study of tables alone: patients ``ids``, features of ``rows``."""
    n = len(ids)
    cohort = {"patient_id": ids, "center": ["A"] * n, "role": ["development"] * n, "pcr": [n % 2 for n in range(n)]}
    cohort |= {"stage": ["II", "III"] * (n // 2), "nodes": [number % 7 for number in range(n)]} | columns
    pd.DataFrame(cohort).to_csv(folder / "cohort.csv", index=False)
    values = np.random.default_rng(0).normal(size=(len(rows), 3))
    names = [f"original_glcm_{number}" for number in range(3)]
    pd.DataFrame(values, columns=names).assign(patient_id=rows, site="x").to_csv(folder / "radiomics.csv", index=False)
    (folder / "study.toml").write_text(STUDY.format(missing=missing))
    return folder


IDS = [f"{number:03d}" for number in range(1, 25)]


def texts(result: CheckResult, code: str) -> list[str]:
    return [note.text for note in result.notes if note.code == code]


def test_the_account_names_who_has_no_features_and_whose_rows_are_nobodys(tmp_path: Path) -> None:
    result = check(write_study(tmp_path, ids=IDS, rows=[*IDS[2:], "mean", "SD"]), reporter=QUIET)
    assert "radiomics.csv: 24 rows, 3 features; 22 of 24 patients have a row; not features: site" in result.account
    assert texts(result, "N-TABLE-001") == ["radiomics.csv has no row of 001, 002."]
    assert texts(result, "N-TABLE-002") == ["radiomics.csv has rows that belong to no patient in cohort.csv: mean, SD."]
    assert "stage: II 12, III 12" in result.account and "nodes: 0 to 6, median 2.5" in result.account
    assert result.to_json()["account"] == list(result.account)


@pytest.mark.parametrize("spelling", [lambda name: name.lstrip("0"), lambda name: f"{int(name)}.0", "P {}".format])
def test_ids_that_are_only_written_differently_stop_check_and_prepare(tmp_path: Path, spelling) -> None:  # type: ignore[no-untyped-def]
    ids = [f"p-{name}" for name in IDS] if spelling("001").startswith("P") else IDS
    study = write_study(tmp_path, ids=ids, rows=[spelling(name) for name in IDS[:10]] + ids[10:])
    with pytest.raises(
        InputProblems, match=r"10 patients of cohort\.csv have no row because .* are written differently"
    ):
        check(study, reporter=QUIET)
    with pytest.raises(TableError, match=f"{ids[0]} is written {spelling(IDS[0])}"):
        prepare(open_workspace(study), reporter=QUIET)


def test_levels_and_codes_are_doubted(tmp_path: Path) -> None:
    stage: list[object] = ["T3", "t3", "3", "3.0", *["T2"] * 19, ""]
    nodes: list[object] = [*[number % 7 for number in range(20)], 999, 999, 99, 999]
    study = write_study(tmp_path, ids=IDS, rows=IDS, stage=stage, nodes=nodes)
    result = check(study, reporter=QUIET)
    assert "stage: T2 19, T3 1, t3 1, 3 1, 3.0 1; missing 1" in result.account
    (levels,) = texts(result, "D-TABLE-001")
    assert all(f"{level} (1)" in levels for level in ("T3", "t3", "3", "3.0"))
    assert [text.split(",")[0] for text in texts(result, "D-TABLE-002")] == [
        "Column 'nodes' holds 99 once", "Column 'nodes' holds 999 3 times",
    ]  # fmt: skip


def test_a_code_that_study_toml_names_is_missing_and_no_longer_doubted(tmp_path: Path) -> None:
    nodes: list[object] = [*[number % 7 for number in range(20)], 999, 999, -9, 999]
    study = write_study(tmp_path, ids=IDS, rows=IDS, nodes=nodes, missing="missing = [999, -9]")
    result = check(study, reporter=QUIET)
    assert "nodes: 0 to 6, median 3; missing 4" in result.account and not texts(result, "D-TABLE-002")
    assert texts(result, "N-TABLE-007") == ["Column 'nodes': these cells count as missing: 999 (3), -9 (1)."]


def test_codes_among_features_are_doubted(tmp_path: Path) -> None:
    study = write_study(tmp_path, ids=IDS, rows=IDS)
    table = pd.read_csv(study / "radiomics.csv", dtype={"patient_id": str})
    table.loc[3:5, "original_glcm_1"] = -999.0
    table.to_csv(study / "radiomics.csv", index=False)
    assert "original_glcm_1 (-999 3 times)" in texts(check(study, reporter=QUIET), "D-TABLE-002")[0]


def test_what_a_model_cannot_learn_is_said(tmp_path: Path) -> None:
    rows: list[object] = ["development"] * 22 + ["external"] * 2
    ages: list[object] = [str(40 + number) for number in range(24)]
    study = write_study(tmp_path, ids=IDS, rows=IDS, role=rows, center=["A"] * 22 + ["B"] * 2, stage=ages)
    result = check(study, reporter=QUIET)
    assert texts(result, "D-TABLE-005") == ["Column 'stage' is declared as a category, but holds 24 different numbers."]
    assert texts(result, "N-TABLE-009") == [
        "Column 'stage': no development patient has 62, 63, which will count as unknown."
    ]


def test_a_row_without_any_value_is_named(tmp_path: Path) -> None:
    study = write_study(tmp_path, ids=IDS, rows=IDS)
    table = pd.read_csv(study / "radiomics.csv", dtype={"patient_id": str})
    table.loc[3, [name for name in table.columns if name.startswith("original")]] = np.nan
    table.to_csv(study / "radiomics.csv", index=False)
    assert texts(check(study, reporter=QUIET), "N-TABLE-008") == ["radiomics.csv: the rows of 004 hold no value."]


def test_centers_that_may_be_one_are_doubted(tmp_path: Path) -> None:
    result = check(write_study(tmp_path, ids=IDS, rows=IDS, center=["West"] * 23 + ["west "]), reporter=QUIET)
    assert texts(result, "D-TABLE-001") == ["Column 'center' has levels that may be one: West (23), west (1)."]


def test_case_of_ids_shown_with_zeros(data: Path, tmp_path: Path) -> None:
    """The ten patients with a zero in front had lost their features."""
    study = shutil.copytree(data / "cases" / "study-partial-ids", tmp_path / "study")
    result = examine(study, reporter=QUIET)
    assert not any(problem.code.startswith("E-TABLE") for problem in result.problems)
    assert any("24 of 24 patients have a row" in line for line in result.account)


def test_every_note_is_printed(tmp_path: Path) -> None:
    result = check(write_study(tmp_path, ids=IDS, rows=IDS[1:]), reporter=QUIET)
    lines = list(result.lines())
    assert all(line in lines for line in result.account)
    assert f"note: {Note('N-TABLE-001', 'radiomics.csv has no row of 001.')}" in lines
