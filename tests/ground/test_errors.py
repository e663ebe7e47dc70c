from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from espark.errors import (
    CohortError,
    EsparkError,
    ImageError,
    InputError,
    InputProblems,
    PluginError,
    nearest,
    what_went_wrong,
)
from espark.workspace.patient_files import PatientFiles


def test_a_message_says_what_where_expected_and_what_to_do() -> None:
    error = InputError("the mask is empty", where="p1.nii.gz", expected="a drawn region", action="Draw it again.")
    assert str(error) == "p1.nii.gz: the mask is empty. Expected: a drawn region. Draw it again."


def test_problems_are_numbered_and_counted() -> None:
    problems = InputProblems([CohortError("one"), CohortError("two", where="line 3")])
    assert str(problems) == "2 problems found:\n  1. one.\n  2. line 3: two."
    assert problems.exit_code == 2


def test_no_problem_is_no_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        InputProblems([])


@pytest.mark.parametrize(
    "error",
    [CohortError("a", where="b", expected="c", action="d"), InputProblems([InputError("a", where="b")])],
)
def test_errors_survive_the_way_from_a_worker_process(error: EsparkError) -> None:
    returned = pickle.loads(pickle.dumps(error))
    assert type(returned) is type(error)
    assert str(returned) == str(error)


def test_nearest() -> None:
    assert nearest("tumour_mask", ["tumor_mask", "center"]) == "tumor_mask"
    assert nearest("zzz", ["tumor_mask", "center"]) is None


def test_a_code_follows_the_message_and_survives_the_way_and_a_change_of_place() -> None:
    error = ImageError("the volume is empty", where="a", action="Draw it.", code="E-CT-001")
    assert str(error) == "a: the volume is empty. Draw it. [E-CT-001]"
    for same in (pickle.loads(pickle.dumps(error)), error.at("a")):
        assert (type(same), str(same), same.code) == (ImageError, str(error), "E-CT-001")
    assert str(error.at("b")).startswith("b: the volume is empty.")
    assert EsparkError("anything").code == ""


def test_what_may_be_shared_of_an_error_names_no_file() -> None:
    found = InputError("the file is cut off", where="/data/Smith/ct", expected="Smith", action="Ask.", code="E-CT-024")
    assert what_went_wrong(found) == "the file is cut off. [E-CT-024]"
    assert what_went_wrong(InputProblems([found, found])) == " ".join(["the file is cut off. [E-CT-024]"] * 2)
    assert (
        what_went_wrong(FileNotFoundError(2, "No such file or directory", "/data/Smith")) == "No such file or directory"
    )
    assert what_went_wrong(OSError("/data/Smith")) == "OSError"
    assert what_went_wrong(MemoryError()) == "MemoryError"
    assert what_went_wrong(PluginError("it failed", where="the encoder 'a' of b")) == "the encoder 'a' of b: it failed."


def test_files_of_a_patient_are_called_by_their_fields() -> None:
    files = PatientFiles(ct=Path("/data/Smith, John/ct"), slides=(Path("/data/Smith, John/a b.svs"),))
    text = "Cannot open /data/Smith, John/ct/IM 1.dcm: damaged; '/data/Smith, John/a b.svs' too"
    assert files.without_paths(text) == "Cannot open (ct): damaged; '(slides)' too"
