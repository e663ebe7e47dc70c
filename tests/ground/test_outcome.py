"""The outcome of a study: its names, and what a study can and cannot call it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from another_outcome import MPR, traces_of_the_default
from espark.cells import BIOMARKERS
from espark.errors import InputError, InputProblems
from espark.outcome import BOTH, NEGATIVE, POSITIVE, Outcome
from espark.workspace.cohort import Patient, read_cohort
from espark.workspace.config import StudyConfig, StudySettings, read_config
from espark.workspace.patient_files import PatientFiles
from espark.workspace.template import config_template

RECURRENCE = Outcome(column="recurrence", name="recurrence", positive="Recurrence", adverse=True)


def config_problems(folder: Path, text: str) -> list[str]:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputProblems) as caught:
        read_config(path)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def test_the_default_is_the_outcome_of_the_paper() -> None:
    outcome = StudyConfig().study.outcome
    assert (outcome.column, outcome.name, outcome.positive) == ("pcr", "pCR", "pathological complete response")
    assert [outcome.set_name(known) for known in (POSITIVE, NEGATIVE, BOTH, "")] == ["pcr", "no_pcr", "pcr;no_pcr", ""]
    assert [
        outcome.columns[neutral]
        for neutral in ["n_positive", "n_negative", "positive_corrected", "negative_worsened", "mean_negative"]
    ] == ["n_pcr", "n_no_pcr", "pcr_corrected", "no_pcr_worsened", "mean_no_pcr"]


def test_every_name_follows_from_the_studys_own() -> None:
    assert (MPR.negation, MPR.heading, MPR.in_full) == ("no MPR", "MPR", "major pathological response (MPR)")
    assert [MPR.word(1), MPR.word(0), MPR.word(None)] == ["MPR", "no MPR", "not known"]
    assert MPR.set_name(BOTH) == "mpr;no_mpr"
    for names in (MPR.columns, *MPR.values.values()):
        assert all("mpr" in name for name in names.values()) and len(set(names.values())) == len(names)
    assert not traces_of_the_default(MPR.model_dump_json())


def test_a_line_begins_with_a_capital_unless_the_name_has_its_own() -> None:
    assert Outcome().heading == "pCR" and MPR.heading == "MPR"
    assert RECURRENCE.heading == "Recurrence" and RECURRENCE.negation == "no recurrence"
    assert RECURRENCE.in_full == RECURRENCE.term == "recurrence", "what says the same twice is said once"


def test_a_table_comes_back_from_its_file_with_neutral_names() -> None:
    table = pd.DataFrame(
        {
            "patient_id": ["a", "b", "c"], "label": [1, 0, 1], "n_positive": [2, 2, 2],
            "conformal_set": [BOTH, "", NEGATIVE], "metric": ["positive_favorable", "auc", "sensitivity"],
        }
    )  # fmt: skip
    stored = MPR.named(table)
    assert list(stored) == ["patient_id", "mpr", "n_mpr", "conformal_set", "metric"]
    assert stored["conformal_set"].tolist() == ["mpr;no_mpr", "", "no_mpr"]
    assert stored["metric"].tolist() == ["mpr_favorable", "auc", "sensitivity"]
    pd.testing.assert_frame_equal(MPR.neutral(stored, Path("t.csv")), table)


def test_a_table_of_another_outcome_is_refused() -> None:
    stored = Outcome().named(pd.DataFrame({"label": [1], "conformal_set": [POSITIVE]}))
    with pytest.raises(InputError, match="does not contain the outcome MPR") as caught:
        MPR.neutral(stored, Path("predictions/espark.csv"))
    assert caught.value.where == "predictions/espark.csv" and "espark train" in str(caught.value)


def test_an_adverse_outcome_is_expected_on_the_other_side() -> None:
    for entry in BIOMARKERS.values():
        assert entry.expected_side(adverse=False) == entry.favorable != entry.expected_side(adverse=True)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"column": "MPR"}, "cannot name a column"),
        ({"column": "2year"}, "cannot name a column"),
        ({"column": "two words"}, "cannot name a column"),
        ({"column": "center"}, "'center' is already a column"),
        ({"column": "prediction"}, "'prediction' is already a column"),
        ({"column": "models"}, "'n_models' is already a column"),
        ({"name": " "}, "is empty"),
        ({"name": "a\nb"}, "one line"),
        ({"name": "x" * 21, "positive": "y"}, "21 characters"),
        ({"name": "MPR"}, "positive still describes pCR"),
        ({"name": "MPR", "positive": "p", "definition": Outcome().definition}, "definition still describes pCR"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(changes: dict[str, str], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Outcome(**changes)


def test_another_outcome_never_has_the_definition_of_the_default() -> None:
    assert Outcome(name="MPR", positive="major pathological response").definition == ""
    assert Outcome(column="response").definition == Outcome().definition, "the same outcome in another column"


def test_no_column_that_a_patient_or_a_prediction_has_can_be_the_outcome(finished_columns: set[str]) -> None:
    for column in finished_columns:
        with pytest.raises(ValidationError, match="already a column"):
            Outcome(column=column)


@pytest.fixture
def finished_columns() -> set[str]:
    """Columns that stand beside the outcome in ``cohort.csv`` and ``predictions/``."""
    from espark.steps.train.predictions import _COLUMNS

    of_patients = {field.name for field in fields(Patient)} - {"label", "clinical", "files"}
    of_patients |= {field.name for field in fields(PatientFiles)} - {"slide_names", "rejected_by"}
    return of_patients | set(_COLUMNS) - {"label"}


def test_the_template_writes_the_section_and_reads_it_back(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(config_template(StudySettings(outcome=MPR, disease="gastric cancer")), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert "\n[study.outcome]\n" in text and 'column = "mpr"' in text
    study = read_config(path).study
    assert (study.outcome, study.disease) == (MPR, "gastric cancer")


def test_problems_of_the_section_name_their_line(tmp_path: Path) -> None:
    text = '[study]\nname = "x"\n\n[study.outcome]\ncolumn = "role"\nname = ""\n'
    said = config_problems(tmp_path, text)
    assert said[0].startswith(", line 5: 'study.outcome.column': 'role' is already a column")
    assert said[1].startswith(", line 6: 'study.outcome.name': it is empty")
    [unknown] = config_problems(tmp_path, '[study.outcome]\ncolum = "mpr"\n')
    assert unknown == ", line 2: unknown key 'study.outcome.colum'. Did you mean 'column'?"
    [mixed] = config_problems(tmp_path, '[study]\n[study.outcome]\nname = "MPR"\n')
    assert mixed.startswith(", line 2: 'study.outcome': name is 'MPR', but positive still describes pCR")


def test_a_clinical_column_cannot_be_the_outcome(tmp_path: Path) -> None:
    text = '[study.outcome]\ncolumn = "mpr"\n[[clinical]]\nname = "mpr"\n'
    assert "'mpr' is the outcome" in config_problems(tmp_path, text)[0]


def test_the_cohort_is_read_by_the_studys_column(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    rows = ["patient_id,center,role,mpr,ct,slides", "p1,A,development,1,,", "p2,A,development,0,,", "p3,A,external,,,"]
    path.write_text("\n".join(rows), encoding="utf-8")
    assert [patient.label for patient in read_cohort(path, MPR)] == [1, 0, None]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            ["p1,A,development,yes,,"],
            "mpr 'yes' is not known. Expected: 1 for major pathological response (MPR), 0 for",
        ),
        (["p1,A,development,1,,"], "every labelled development patient has mpr 1"),
        (["p1,A,development,,,"], "no development patient has a label. Expected: mpr 0 or 1"),
    ],
)
def test_problems_of_a_cohort_name_the_studys_column(tmp_path: Path, rows: list[str], expected: str) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text("\n".join(["patient_id,center,role,mpr,ct,slides", *rows]), encoding="utf-8")
    with pytest.raises(InputProblems) as caught:
        read_cohort(path, MPR)
    assert expected in str(caught.value) and not traces_of_the_default(str(caught.value))


def test_a_cohort_with_the_column_of_another_outcome_says_where_the_name_is_given(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text("patient_id,center,role,response,ct,slides\np1,A,development,1,,\n", encoding="utf-8")
    with pytest.raises(InputProblems) as caught:
        read_cohort(path, MPR)
    said = str(caught.value)
    assert "unknown column 'response'" in said and "column 'mpr' is missing" in said and "[study.outcome]" in said
