"""One set of files and one check, whether a cohort or `predict` brings them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from espark.errors import InputProblems, SlideError
from espark.outcome import Outcome
from espark.pathology.resolution.plausible_mpp import PLAUSIBLE_MPP, implausible_mpp, is_plausible_mpp
from espark.steps.predict.new_patient import NewPatient, check_given, option
from espark.workspace.cohort import read_cohort
from espark.workspace.patient_files import PatientFiles, contradictions, unusable_files

ROW = "p1,A,development,1"
COLUMNS = ("ct", "slides", "tumor_mask", "esophagus_mask", "rtstruct", "tumor_roi", "esophagus_roi", "slide_mpp")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("ct", "s.svs", "tumor.nii.gz", "esophagus.nii.gz", "r.dcm"):
        (tmp_path / name).touch()
    return tmp_path


def of_row(folder: Path, given: dict[str, str]) -> list[str]:
    """What is wrong with a row of a cohort."""
    cells = ",".join(given.get(column, "") for column in COLUMNS)
    second = "p2,A,development,0" + "," * len(COLUMNS)
    table = f"patient_id,center,role,pcr,{','.join(COLUMNS)}\n{ROW},{cells}\n{second}\n"
    (folder / "cohort.csv").write_text(table)
    return _said(lambda: read_cohort(folder / "cohort.csv", Outcome(), masks_required=False))


def of_new(folder: Path, given: dict[str, str]) -> list[str]:
    """What is wrong with the same files of a new patient."""
    named: dict[str, object] = {
        field: float(value) if field == "slide_mpp" else value if field.endswith("_roi") else folder / value
        for field, value in given.items()
    }
    slides = (named.pop("slides"),) if "slides" in named else ()
    patient = NewPatient(**named, slides=slides, clinical={"age": "63"})  # type: ignore[arg-type]
    return [text.replace(f"{folder}/", "") for text in _said(lambda: check_given(patient))]


def _said(check: Callable[[], object]) -> list[str]:
    try:
        check()
    except InputProblems as error:
        return [problem.found for problem in error.problems]
    return []


@pytest.mark.parametrize(
    "given",
    [
        {"ct": "gone", "tumor_mask": "tumor.nii.gz"},
        {"slides": "gone.svs"},
        {"tumor_mask": "tumor.nii.gz"},
        {"ct": "ct", "rtstruct": "r.dcm"},
        {"ct": "ct", "tumor_mask": "tumor.nii.gz", "rtstruct": "r.dcm", "tumor_roi": "GTV"},
        {"ct": "ct", "tumor_mask": "tumor.nii.gz", "esophagus_roi": "organ"},
        {"slides": "s.svs", "slide_mpp": "42.3"},
        {"ct": "gone", "rtstruct": "r.dcm", "slide_mpp": "0.01"},
    ],
)
def test_a_row_and_a_new_patient_meet_the_same_errors(files: Path, given: dict[str, str]) -> None:
    of_cohort = of_row(files, given)
    assert of_cohort
    assert of_new(files, given) == [_with_options(text) for text in of_cohort]


def _with_options(text: str) -> str:
    """A message on columns of a cohort, on the options of `predict` instead."""
    by_length = sorted(COLUMNS, key=len, reverse=True)
    return re.sub(
        rf"(?<![a-z])'?({'|'.join(by_length)})\b", lambda found: found[0].replace(found[1], option(found[1])), text
    )


@pytest.mark.parametrize(
    "given",
    [
        {"ct": "ct", "tumor_mask": "tumor.nii.gz"},
        {"ct": "ct", "rtstruct": "r.dcm", "tumor_roi": "GTV"},
        {"ct": "ct", "esophagus_mask": "esophagus.nii.gz", "rtstruct": "r.dcm", "tumor_roi": "2", "slides": "s.svs"},
        {"slides": "s.svs", "slide_mpp": "0.25"},
    ],
)
def test_what_goes_together_is_accepted_by_both(files: Path, given: dict[str, str]) -> None:
    assert of_row(files, given) == of_new(files, given) == []


def test_a_ct_without_a_region_is_wrong_only_where_nothing_segments_it(files: Path) -> None:
    bare = PatientFiles(ct=files / "ct")
    assert not list(contradictions(bare, masks_required=False))
    (problem,) = contradictions(bare, masks_required=True)
    assert problem.found == "a CT without a region"


def test_every_missing_file_is_named(files: Path) -> None:
    given = PatientFiles(ct=files / "a", slides=(files / "b", files / "s.svs", files / "c"), rtstruct=files / "d")
    relative = [problem.found for problem in unusable_files(given, root=files)]
    assert relative == [
        f"'{field}' names {name}, which does not exist"
        for field, name in zip(("ct", "rtstruct", "slides", "slides"), "adbc", strict=True)
    ]
    found = [problem.found for problem in unusable_files(given)]
    assert len(found) == 4
    assert all(str(files / name) in " ".join(found) for name in "abcd")


def test_one_range_of_resolutions() -> None:
    low, high = PLAUSIBLE_MPP
    assert all(map(is_plausible_mpp, (low, 0.2, 0.5, 8.0, high)))
    # 25400 µm an inch: prints and screens are no microscopes.
    assert not any(map(is_plausible_mpp, (0.0, -1.0, low / 1.01, high * 1.01, 25400 / 600, 25400 / 72, float("nan"))))
    assert isinstance(implausible_mpp(42.0), SlideError)


def test_a_new_patient_is_filled_by_name_alone() -> None:
    with pytest.raises(TypeError):
        NewPatient(Path("ct"))  # type: ignore[misc]
    with pytest.raises(TypeError):
        PatientFiles(Path("ct"))  # type: ignore[misc]
    given = NewPatient(ct=Path("ct"), slides=(Path("a"), Path("b")), segmenter_weights=Path("w"))
    assert given.by_option() == {
        "--ct": Path("ct"), "--segmenter-weights": Path("w"), "--slide (1)": Path("a"), "--slide (2)": Path("b"),
    }  # fmt: skip
