from __future__ import annotations

from pathlib import Path

import pytest

from espark.errors import CohortError, InputProblems, TableError
from espark.outcome import Outcome
from espark.types import ClinicalColumn
from espark.workspace.cohort import Cohort, read_clinical, read_cohort

PCR = Outcome()
HEADER = "patient_id,center,role,pcr,ct,slides,tumor_mask"
GOOD = ["p1,A,development,1,ct1,s1.svs,m1.nii.gz", "p2,A,development,0,,s1.svs;s2.svs,"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ct1").mkdir()
    for name in ("s1.svs", "s2.svs", "m1.nii.gz", "r.dcm"):
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, rows: list[str], header: str = HEADER, encoding: str = "utf-8") -> Path:
    path = folder / "cohort.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding=encoding)
    return path


def problems(path: Path, *columns: ClinicalColumn) -> list[str]:
    with pytest.raises(InputProblems) as caught:
        read_cohort(path, PCR, columns)
    return [str(problem) for problem in caught.value.problems]


def test_a_good_table(folder: Path) -> None:
    rows = [*GOOD, "p3,A,development,,,,", "p4,B,external,,,s1.svs,", "p5,A,internal_test,1,ct1,,m1.nii.gz"]
    cohort = read_cohort(write(folder, rows), PCR)
    assert [patient.patient_id for patient in cohort.development] == ["p1", "p2"]
    assert [patient.patient_id for patient in cohort.set_aside] == ["p3"]
    assert [patient.patient_id for patient in cohort.used] == ["p1", "p2", "p4", "p5"]
    assert cohort.cohort_names == ("development", "internal_test", "B")
    assert cohort["p1"].files.ct == folder / "ct1"
    assert [slide.name for slide in cohort["p2"].files.slides] == ["s1.svs", "s2.svs"]
    assert cohort["p4"].label is None


def test_excel_leaves_a_byte_order_mark_and_spaces(folder: Path) -> None:
    path = write(folder, [row.replace(",", " , ") for row in GOOD], encoding="utf-8-sig")
    assert len(read_cohort(path, PCR)) == 2


def test_clinical_columns_are_read_by_their_kind(folder: Path) -> None:
    path = write(folder, ["p1,A,development,1,,,,61,m", "p2,A,development,0,,,,,NA"], HEADER + ",age,sex")
    cohort = read_cohort(path, PCR, (ClinicalColumn("age", "number", "years"), ClinicalColumn("sex", "category")))
    assert cohort["p1"].clinical == {"age": 61.0, "sex": "m"}
    assert cohort["p2"].clinical == {"age": None, "sex": None}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["p1,A,development,1,ct9,,m1.nii.gz"], "line 2: 'ct' names ct9, which does not exist"),
        (
            ["p1,A,development,2,,,"],
            "line 2: pcr '2' is not known. Expected: 1 for pathological complete response (pCR), 0 for no pCR, or",
        ),
        (["p1,A,Development,1,,,"], "role 'Development' is not known. Expected: development, internal_test, external"),
        (
            ["p1,A,development,1,,,", "p1,A,development,1,,,"],
            "line 3: patient 'p1' appears twice (first in line 2)",
        ),
        (["p1,A,development,1,,,", "p1,A,external,1,,,"], "has two roles: development (line 2) and external"),
        (["p/1,A,development,1,,,"], "patient_id 'p/1' cannot name a file"),
        (["CON.a,A,development,1,,,"], "patient_id 'CON.a' is a name that Windows keeps for itself"),
        ([".p1,A,development,1,,,"], "patient_id '.p1' cannot name a file"),
        (["p1.,A,development,1,,,"], "ends with a dot"),
        (["p\u202e1,A,development,1,,,"], "cannot name a file"),
        ([f"{'p' * 65},A,development,1,,,"], "has 65 characters, and at most 64 are allowed"),
        (["P1,A,development,1,,,", "p1,B,development,0,,,"], "the ids 'P1' and 'p1' differ only in upper and lower"),
        (["p1,=cmd|' /C calc'!A0,development,1,,,"], "begins with '=', so that a spreadsheet would compute it"),
        (["p1,@SUM(A1),development,1,,,"], "begins with '@'"),
        (["p1,A\u202eB,development,1,,,"], "holds the character U+202E, which cannot be seen"),
        (["p1,A\u200bB,development,1,,,"], "holds the character U+200B, which cannot be seen"),
        ([f"p1,{'A' * 101},development,1,,,"], "has 101 characters, and at most 100 are allowed"),
        (["p1,,development,1,,,"], "center is empty"),
        (["p1,external,development,1,,,"], "center 'external' is the name of a role"),
        (["p1,A,development,1,ct1,,"], "a CT without a region"),
        (["p1,A,development,1,,,m1.nii.gz"], "a region without a CT"),
        (["p1,A,development,1,,s1.svs;s1.svs,"], "the slide s1.svs is named twice"),
        (["p1,A,development,1,,,", "p2,A,development,1,,,"], "every labelled development patient has pcr 1"),
        (["p1,A,external,1,,,"], "no development patient has a label"),
    ],
)
def test_bad_rows(folder: Path, rows: list[str], expected: str) -> None:
    assert any(expected in problem for problem in problems(write(folder, rows)))


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        (HEADER.replace("tumor_mask", "tumour_mask"), "", "unknown column 'tumour_mask'. Did you mean 'tumor_mask'?"),
        (HEADER + ",age", ",61", "unknown column 'age'"),
        (HEADER.replace("slides", "pictures"), "", "column 'slides' is missing"),
        (HEADER + ",slide_mpp", ",half", "slide_mpp 'half' is not a number"),
        (HEADER + ",slide_mpp", ",500", "slide_mpp 500 is not plausible"),
        (HEADER + ",rtstruct", ",r.dcm", "rtstruct without the name of a contour"),
        (HEADER + ",rtstruct,tumor_roi", ",r.dcm,2", "rtstruct without the name of a contour"),
        (HEADER + ",esophagus_roi", ",GTV", "esophagus_roi with neither esophagus_mask nor rtstruct"),
    ],
)
def test_bad_columns(folder: Path, header: str, row: str, expected: str) -> None:
    assert any(expected in problem for problem in problems(write(folder, [GOOD[0] + row], header)))


def test_everything_is_told_at_once(folder: Path) -> None:
    rows = ["p1,A,development,9,gone,,", "p1,A,extrenal,1,,gone.svs,", "p3,A,development,0,,,"]
    said = problems(write(folder, rows, HEADER.replace("center", "centre")))
    for part in ("'centre'", "pcr '9'", "names gone,", "role 'extrenal'", "Did you mean 'external'", "names gone.svs"):
        assert any(part in problem for problem in said), (part, said)


def test_a_center_may_be_called_na_and_a_category_none(folder: Path) -> None:
    rows = ["p1,NA,development,1,none,,,none,NA,999", "p2,None,development,0,,,,mild,severe,61"]
    columns = (
        ClinicalColumn("pain", "category"),
        ClinicalColumn("cough", "category"),
        ClinicalColumn("age", "number", missing=("999",)),
    )
    cohort = read_cohort(write(folder, rows, HEADER + ",pain,cough,age"), PCR, columns)
    assert [patient.center for patient in cohort] == ["NA", "None"] and cohort["p1"].files.ct is None
    assert cohort["p1"].clinical == {"pain": "none", "cough": None, "age": None}
    assert [note.text for note in cohort.notes] == [
        "Column 'cough': these cells count as missing: NA (1).",
        "Column 'age': these cells count as missing: 999 (1).",
    ]


@pytest.mark.parametrize(("missing", "value"), [(None, None), ((), "NA"), (("unknown",), "NA"), (("NA",), None)])
def test_what_counts_as_missing_in_a_category_can_be_said(
    folder: Path, missing: tuple[str, ...] | None, value: str | None
) -> None:
    rows = ["p1,A,development,1,,,,NA", "p2,A,development,0,,,,yes"]
    cohort = read_cohort(write(folder, rows, HEADER + ",x"), PCR, (ClinicalColumn("x", "category", missing=missing),))
    assert cohort["p1"].clinical == {"x": value}


def test_a_code_counts_however_the_number_is_written(folder: Path) -> None:
    nodes = ClinicalColumn("nodes", "number", missing=("-9", "999"))
    rows = [f"p{n},A,development,{n % 2},,,,{text}" for n, text in enumerate(["-9.0", "999", "9", "NA", "\u22129"])]
    cohort = read_cohort(write(folder, rows, HEADER + ",nodes"), PCR, (nodes,))
    assert [patient.clinical["nodes"] for patient in cohort] == [None, None, 9.0, None, -9.0]
    assert read_clinical((nodes,), {"nodes": "999"}, where="here") == (None,)


def test_pcr_none_is_not_guessed(folder: Path) -> None:
    assert any(
        "pcr 'none' is not known" in problem for problem in problems(write(folder, ["p1,A,development,none,,,"]))
    )


def test_a_column_without_a_name_counts_only_where_it_holds_something(folder: Path) -> None:
    assert len(read_cohort(write(folder, [f"{row},," for row in GOOD], HEADER + ",,"), PCR)) == 2
    assert any(
        "column 8 has no name" in text for text in problems(write(folder, [f"{row},x" for row in GOOD], HEADER + ","))
    )


def test_european_and_utf16_tables(folder: Path) -> None:
    age = ClinicalColumn("age", "number", "years")
    text = "\n".join([f"{HEADER},age", *(f"{row},63.5" for row in GOOD)]).replace("s1.svs;s2.svs", '"s1.svs;s2.svs"')
    european = text.replace(",", ";").replace("63.5", "63,5")
    for content in (european.encode(), european.encode("utf-16"), text.replace(",", "\t").encode("utf-16")):
        (folder / "cohort.csv").write_bytes(content)
        cohort = read_cohort(folder / "cohort.csv", PCR, (age,))
        assert [patient.clinical["age"] for patient in cohort] == [63.5, 63.5]
        assert len(cohort["p2"].files.slides) == 2


def test_cases_of_cohorts(data: Path) -> None:
    cases = data / "cases" / "tables"
    named = read_cohort(cases / "cohort-center_NA.csv", PCR, imageless=True)
    assert [patient.center for patient in named] == ["NA", "NA"]
    with pytest.raises(TableError, match=r"line 2: the line has 5 cells, but the header has 4 columns"):
        read_cohort(cases / "cohort-unquoted_comma_in_center.csv", PCR, imageless=True)


def test_clinical_values_of_a_patient_without_a_table() -> None:
    columns = (ClinicalColumn("age", "number", "years"), ClinicalColumn("sex", "category"))
    assert read_clinical(columns, {"sex": "m"}, where="here") == (None, "m")
    assert read_clinical(columns, {"age": "61", "sex": "NA"}, where="here") == (61.0, None)
    with pytest.raises(InputProblems) as caught:
        read_clinical(columns, {"age": "old", "sexx": "m"}, where="here")
    assert [problem.found for problem in caught.value.problems] == [
        "unknown clinical column 'sexx'", "age 'old' is not a number",
    ]  # fmt: skip


def test_a_declared_clinical_column_must_be_there_and_hold_numbers(folder: Path) -> None:
    age = ClinicalColumn("age", "number", "years")
    assert any("column 'age' is missing" in problem for problem in problems(write(folder, GOOD), age))
    path = write(folder, [f"{row},old" for row in GOOD], HEADER + ",age")
    assert (
        sum("age 'old' is not a number. Expected: a number in years" in problem for problem in problems(path, age)) == 2
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "table is empty"),
        (HEADER + "\n", "holds no patients"),
        (HEADER.replace(",", ";"), "holds no patients"),
    ],
)
def test_no_table(folder: Path, text: str, expected: str) -> None:
    (folder / "cohort.csv").write_text(text, encoding="utf-8")
    with pytest.raises((CohortError, TableError), match=expected):
        read_cohort(folder / "cohort.csv", PCR)


def test_not_utf8_and_missing(folder: Path) -> None:
    (folder / "cohort.csv").write_bytes(HEADER.encode() + b"\np1,M\xfcnchen,development,1,,,\n")
    with pytest.raises(TableError, match="UTF-8"):
        read_cohort(folder / "cohort.csv", PCR)
    with pytest.raises(CohortError, match="espark init"):
        read_cohort(folder / "none.csv", PCR)
    (folder / "none.xlsx").touch()
    with pytest.raises(CohortError, match=r"Save none\.xlsx as CSV UTF-8"):
        read_cohort(folder / "none.csv", PCR)


def test_an_unknown_patient_names_the_nearest(folder: Path) -> None:
    cohort: Cohort = read_cohort(write(folder, [row.replace("p1", "patient-01") for row in GOOD]), PCR)
    with pytest.raises(CohortError, match="Did you mean 'patient-01'"):
        cohort["patient-1"]


def test_the_name_of_a_region_for_all_patients_gives_way_to_the_row(folder: Path) -> None:
    header = HEADER + ",rtstruct,tumor_roi"
    rows = [
        "p1,A,development,1,ct1,,m1.nii.gz,,",
        "p2,A,development,0,ct1,,m1.nii.gz,,2",
        "p3,A,development,0,ct1,,,r.dcm,",
        "p4,A,development,0,ct1,,m1.nii.gz,,-",
        "p5,A,development,0,,,,,",
    ]
    path = write(folder, rows, header)
    named = {patient.patient_id: patient.files.tumor_roi for patient in read_cohort(path, PCR, rois={"tumor": "GTV"})}
    assert named == {"p1": "GTV", "p2": "2", "p3": "GTV", "p4": None, "p5": None}
    cohort = read_cohort(path, PCR, rois={"tumor": "GTV", "esophagus": ""})
    assert all(patient.files.esophagus_roi is None for patient in cohort)
    assert any("rtstruct without the name" in problem for problem in problems(path))
