from __future__ import annotations

import pickle

import pytest

from espark.errors import CohortError, EsparkError, ImageError, InputError, InputProblems, nearest


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
