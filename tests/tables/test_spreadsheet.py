"""Workbooks: ids as Excel shows them, values as it computed them."""

from __future__ import annotations

import datetime
import re
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from espark.errors import TableError
from espark.notes import codes_of
from espark.tables.read import read_table
from espark.tables.spreadsheet import shown_number
from espark.tables.table import Table


def workbook(
    path: Path, rows: list[list[Any]], formats: dict[str, str] | None = None, sheets: tuple[str, ...] = ()
) -> Path:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    for cell, number_format in (formats or {}).items():
        sheet[cell].number_format = number_format
    for name in sheets:
        book.create_sheet(name)
    book.save(path)
    return path


def read(tmp_path: Path, rows: list[list[Any]], formats: dict[str, str] | None = None) -> Table:
    return read_table(workbook(tmp_path / "t.xlsx", rows, formats), key="id")


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (8, "000", "008"),
        (1234, "000", "1234"),
        (8, "General", "8"),
        (8.0, "0", "8"),
        (8, "0.00", "8"),
        (1234, "#,##0", "1234"),
        (8, '"P"000', "P008"),
        (8, "\\P-000", "P-008"),
        (12345, "000-00", "123-45"),
        (8, "000;-000", "008"),
        (8, "[$-409]000", "008"),
        (8, "@", "8"),
        ("008", "General", "008"),
        (" 008\u00a0", "General", "008"),
        (8.5, "General", "8.5"),
    ],
)
def test_ids_are_taken_as_excel_shows_them(tmp_path: Path, value: Any, number_format: str, shown: str) -> None:
    assert read(tmp_path, [["id ", "a"], [value, 1]], {"A2": number_format}).ids("id") == (shown,)


@pytest.mark.parametrize("code", ["# ??/??", "0.00E+00", "[<=999]000;0000", "yyyy"])
def test_a_format_that_is_not_known_is_no_guess(code: str) -> None:
    assert shown_number(8, code) is None


@pytest.mark.parametrize(
    ("value", "number_format", "message"),
    [
        (datetime.datetime(2024, 4, 3), "d-mmm", "because a spreadsheet changed it"),
        (1234567890123456789, "0", "15 digits"),
        ("1.23457E+12", "@", "changed by a spreadsheet"),
        (8, "# ??/??", "espark does not know"),
    ],
)
def test_ids_that_a_spreadsheet_changed_are_refused(
    tmp_path: Path, value: Any, number_format: str, message: str
) -> None:
    with pytest.raises(TableError, match=message) as caught:
        read(tmp_path, [["id", "a"], [value, 1]], {"A2": number_format}).ids("id")
    assert caught.value.code == "E-TABLE-010"


def test_values_come_back_to_the_last_bit(tmp_path: Path) -> None:
    values = [2.040919121385182, 1e-300, -7, 3, None, "NA", "2.5"]
    found = read(tmp_path, [["id", "a"], *([str(index), value] for index, value in enumerate(values))])
    numbers = found.number_column("a").tolist()
    assert numbers[:4] == [2.040919121385182, 1e-300, -7.0, 3.0] and numbers[6] == 2.5
    assert all(number != number for number in numbers[4:6])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("=1/0", "formula that was never computed"),
        ("63,5", "Write decimals with a point"),
        (datetime.datetime(2024, 4, 3), "A spreadsheet changed it to a date"),
        ("<0.5", "below or above a limit"),
        ("much", "not a finite number"),
        ("1_000", "not a finite number"),
        ("1e999", "not a finite number"),
    ],
)
def test_a_cell_that_is_not_a_number_is_an_error_with_its_place(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(TableError, match=message) as caught:
        read(tmp_path, [["id", "a"], ["1", 1.0], ["2", value]]).number_column("a")
    assert "row 3" in str(caught.value) or "cell B3" in str(caught.value)


def test_an_excel_error_is_named_and_not_available_is_missing(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["id", "a"], ["1", "#N/A"]])
    assert read_table(path, key="id").rows == (("1", ""),)
    with pytest.raises(TableError, match=r"cell B2: the cell shows #DIV/0!"):
        read(tmp_path, [["id", "a"], ["1", "#DIV/0!"]])


def test_merged_ids_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"row 3 has no patient.*merged cells"):
        read(tmp_path, [["id", "a"], ["1", 1], [None, 2]]).ids("id")


def test_per_cent_beside_plain_numbers_is_doubted(tmp_path: Path) -> None:
    mixed = read(tmp_path, [["id", "a", "b"], ["1", 0.45, 0.1], ["2", 45, 0.2]], {"B2": "0%", "C2": "0%", "C3": "0.0%"})
    assert [note.code for note in mixed.notes] == ["D-TABLE-003"] and "'a'" in mixed.notes[0].text


def test_the_first_sheet_is_read_and_the_others_are_noted(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["id", "a"], ["1", 1]], sheets=("more",))
    assert codes_of(read_table(path, key="id").notes) == "N-TABLE-006"


def test_a_wrong_size_of_the_sheet_hides_no_row(tmp_path: Path) -> None:
    """WPS and some exporters write A1 as the used part of every sheet."""
    path = workbook(tmp_path / "t.xlsx", [["id", "a"], ["1", 1], ["2", 2]])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', content))
    assert read_table(path, key="id").rows == (("1", "1"), ("2", "2"))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\xd0\xcf\x11\xe0 encrypted", b"PK\x03\x04 cut off"])
def test_damaged_workbooks(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(TableError, match="cannot be read"):
        read_table(tmp_path / "t.xlsx", key="id")


def test_a_workbook_that_was_cut_anywhere_is_an_error(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "t.xlsx", [["id", "a"], *([str(number), number] for number in range(50))]).read_bytes()
    for share in range(1, 10):
        (tmp_path / "t.xlsx").write_bytes(whole[: len(whole) * share // 10])
        with pytest.raises(TableError):
            read_table(tmp_path / "t.xlsx", key="id")


def test_real_cases(data: Path) -> None:
    cases = data / "cases" / "tables"
    assert read_table(cases / "ids-shown-as-000.xlsx", key="patient_id").ids("patient_id") == (
        "008", "009", "010", "011", "012",
    )  # fmt: skip
    trailing = read_table(cases / "header-with-trailing-space.csv", key="patient_id")
    assert trailing.ids("patient_id") == ("008", "009", "010", "011", "012")
    assert trailing.number_column("original_firstorder_Mean").tolist() == [10.5, 11.5, 12.5, 13.5, 14.5]
    with pytest.raises(TableError, match="column 'original_firstorder_Mean' appears twice"):
        read_table(cases / "column-twice.csv", key="patient_id")


@pytest.mark.parametrize(("name", "rows"), [("esophageal-immunotherapy-75", 75), ("esophageal-pdl1-219", 219)])
def test_real_tables(data: Path, name: str, rows: int) -> None:
    found = read_table(data / "tables" / f"{name}.xlsx", key="id")
    assert len(found.ids("id")) == rows and found.notes == ()
    assert found.number_column("Age").min() > 18
