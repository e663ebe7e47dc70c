"""CSV as people save it."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from espark.errors import TableError
from espark.notes import codes_of
from espark.tables.read import read_table
from espark.tables.table import Table

PLAIN = "patient_id,age,site\n008,63.5,West\n009,,A\n"
READ = (("008", "63.5", "West"), ("009", "", "A"))


def table(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, key="patient_id")


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        "\n\n" + PLAIN + "\n,,\n  ,,\n",
        PLAIN.removesuffix("\n"),
        PLAIN.replace("patient_id", " patient_id\u00a0").replace("008", "\u00a0008 "),
        PLAIN.replace("site", '"site"').replace("West", '"West"'),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        "sep=;\n" + PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", ";").replace("63.5", "63,5"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "\t").encode("utf-16"),
        "patient_id,age,site,,\n008,63.5,West,,\n009,,A,,\n",
    ],
)
def test_every_spelling_of_one_table_reads_alike(tmp_path: Path, content: str | bytes) -> None:
    found = table(tmp_path, content)
    assert found.header == ("patient_id", "age", "site") and found.rows == READ


def test_a_comma_at_the_end_of_every_line_shifts_no_column(tmp_path: Path) -> None:
    found = table(tmp_path, "patient_id,age,site\n008,63.5,West,\n009,,A,\n")
    assert found.rows == READ and codes_of(found.notes) == "N-TABLE-003"


def test_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    found = table(tmp_path, 'patient_id,site\n008,"two\nlines"\n\n009,A\n')
    assert found.numbers == (2, 5) and found.rows[0] == ("008", "two\nlines")


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("008,63,5,West\n009,1,A\n", 2),  # 63,5 is two cells
        ("008,1,A\n009,2,Hospital, West\n", 3),
        ("008,63,5,\n009,,A\n", 2),  # the surplus cell is empty, but age is wrong
        ("1,008,63.5,West\n2,009,1,A\n", 2),  # row names of R
    ],
)
def test_a_surplus_cell_is_an_error_with_its_line(tmp_path: Path, rows: str, line: int) -> None:
    with pytest.raises(TableError, match=rf"t\.csv, line {line}: the line has 4 cells, .* 3 columns") as caught:
        table(tmp_path, "patient_id,age,site\n" + rows)
    assert caught.value.code == "E-TABLE-004"


def test_short_lines_are_noted_and_a_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    found = table(tmp_path, "patient_id,age,site\n008\n009,1,A\n")
    assert found.rows[0] == ("008", "", "") and "line 2" in found.notes[0].text
    with pytest.raises(TableError, match=r"line 3: the file is cut off: the last line has 2 of 3 cells"):
        table(tmp_path, "patient_id,age,site\n008,1,A\n009,14.")


@pytest.mark.parametrize(
    ("header", "name"),
    [("patient_id,f,f", "f"), ("patient_id,f, f", "f"), ("patient_id,patient_id,f", "patient_id")],
)
def test_a_column_twice_is_an_error(tmp_path: Path, header: str, name: str) -> None:
    with pytest.raises(TableError, match=f"column '{name}' appears twice"):
        table(tmp_path, f"{header}\n1,2,3\n")


def test_an_open_quote_does_not_swallow_rows(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="line 3: the quotes"):
        table(tmp_path, 'patient_id,site\n008,A\n009,"West\n010,B\n')


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("63,5;1,25", ("63.5", "1.25")),
        ("0,123;7", ("0.123", "7")),
        ("1,5e-3;7", ("1.5e-3", "7")),
        ('"a,b";7,5', ("a,b", "7.5")),
    ],
)
def test_decimal_commas_between_semicolons(tmp_path: Path, cells: str, expected: tuple[str, str]) -> None:
    found = table(tmp_path, f"patient_id;a;b\n008;{cells}\n")
    assert found.rows[0][1:] == expected and codes_of(found.notes) == "N-TABLE-005"


@pytest.mark.parametrize("cells", ["1,234;12,345", "63,5;1.25", "1,234;0.5", "1.234;12.345"])
def test_a_mark_that_may_be_of_thousands_is_refused(tmp_path: Path, cells: str) -> None:
    with pytest.raises(TableError, match="a separator of decimals or of thousands") as caught:
        table(tmp_path, f"patient_id;a;b\n008;{cells}\n")
    assert caught.value.code == "E-TABLE-011"


def test_both_marks_in_one_number_are_no_number(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"holds '1\.299,99', which is not a finite number"):
        table(tmp_path, "patient_id;a\n008;1.299,99\n").number_column("a")


def test_points_between_tabs_are_decimals(tmp_path: Path) -> None:
    assert table(tmp_path, "patient_id\ta\n008\t1.234\n").number_column("a").tolist() == [1.234]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "gbk"])
def test_other_encodings_are_refused_by_name(tmp_path: Path, encoding: str) -> None:
    center = "食管" if encoding == "gbk" else "München"
    with pytest.raises(TableError, match=r"line 2: the file is not UTF-8.*Latin-1.*CSV UTF-8") as caught:
        table(tmp_path, f"patient_id,site\n008,{center}\n".encode(encoding))
    assert caught.value.code == "E-TABLE-003"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04rest", "a workbook"),
        (b"\xd0\xcf\x11\xe0rest", "old or password-protected"),
        (b"<html><table></table></html>", "web page"),
        (b"\x1f\x8brest", "compressed"),
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"patient_id,a\n1,\x002\n1,3\n", "zero bytes"),
    ],
)
def test_other_files_under_the_name_of_a_csv(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(TableError, match=what) as caught:
        table(tmp_path, content)
    assert caught.value.code == "E-TABLE-002"


@pytest.mark.parametrize("suffix", ["xls", "xlsb", "ods", "sav", "rds", "json", "txt"])
def test_other_formats_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(TableError, match="save it as XLSX or as CSV UTF-8"):
        table(tmp_path, PLAIN, f"t.{suffix}")


def test_a_missing_table_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "t.xls").touch()
    with pytest.raises(TableError, match=r"There is t\.xls"):
        read_table(tmp_path / "t.csv", key="patient_id")


@pytest.mark.parametrize("title", ["Table 1: features,,\n", "# exported 2024-04-03\n", "Features; of the tumor\n\n"])
def test_a_title_above_the_header_is_named(tmp_path: Path, title: str) -> None:
    with pytest.raises(TableError, match=r"the first line is not the header: line \d holds 'patient_id'") as caught:
        table(tmp_path, f"{title}patient_id,age,site\n008,1,A\n")
    assert caught.value.code == "E-TABLE-012"


def test_a_title_above_the_header_of_a_sheet_is_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Table 1"], ["patient_id", "a"], ["008", 1]):
        book.worksheets[0].append(row)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(TableError, match=r"no column 'patient_id'.*Row 2 has it"):
        read_table(tmp_path / "t.xlsx", key="patient_id").ids("patient_id")
