"""The list of mutants fits the code as it is, so that `make mutants` can be run at any time."""

from __future__ import annotations

import ast

import pytest

from mutants import MOST_MISSED, MUTANTS, ROOT, Mutant, complaints, places

ROOMS = {
    "ground", "workspace", "models", "ct", "pathology", "statistics", "training", "bundle", "explain", "plots",
    "report", "simulate", "steps", "estimators",
}  # fmt: skip


def test_there_are_thirty_over_all_rooms() -> None:
    assert len(MUTANTS) >= 30 and len({mutant.text for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.room for mutant in MUTANTS} == ROOMS
    assert len(MUTANTS) - MOST_MISSED >= 28


def test_each_stands_in_one_place_and_its_tests_are_there() -> None:
    assert complaints(MUTANTS) == []


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.breaks)
def test_each_is_a_change_that_python_can_read(mutant: Mutant) -> None:
    [place] = places(mutant.text)
    before = (ROOT / place).read_text(encoding="utf-8")
    after = before.replace(mutant.text, mutant.replacement)
    assert ast.dump(ast.parse(after)) != ast.dump(ast.parse(before))


def test_what_no_longer_fits_the_code_is_named() -> None:
    stale = Mutant("ct", "this line is nowhere", "", "nothing", ("test_nowhere.py",))
    twice = Mutant("ct", "from __future__ import annotations", "", "everything", ("test_mutants.py",))
    found = complaints((stale, twice))
    assert found[0].startswith("snippet not found in src: 'this line is nowhere'")
    assert found[1] == "test file not found: test_nowhere.py (nothing)"
    assert found[2].startswith(f"snippet found {len(places(twice.text))} times instead of once in src")
