"""Damaged files of every kind end in a clear error or a right value: no crash, no hang, no flood, nothing wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz_harness import BAD, FAMILIES, SECONDS, Reading, family_of, run_case

CASES = 300
FOUND = {
    "NRRD": (16, 17),
    "SVS": (24,),
    "HDF5 of espark": (33,),
}
"""Cases that once crashed, hung or gave something wrong."""


def bad(reading: Reading, name: str, numbers: range | tuple[int, ...]) -> list[str]:
    found = [(number, reading.case(name, number)) for number in numbers]
    return [f"{number}: {outcome}" for number, outcome in found if outcome.kind in BAD]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_few_damaged_files(reading: Reading, name: str) -> None:
    assert not bad(reading, name, (*range(3), *FOUND.get(name, ())))


@pytest.mark.slow
@pytest.mark.timeout(CASES * SECONDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_many_damaged_files(reading: Reading, name: str) -> None:
    assert not bad(reading, name, range(CASES))


@pytest.mark.parametrize("name", ["CSV", "TOML", "NIfTI", "HDF5 of espark"])
def test_the_same_number_is_the_same_case(tmp_path: Path, name: str) -> None:
    family = family_of(name)
    contents = []
    for attempt in ("a", "b"):
        (tmp_path / attempt).mkdir()
        family.make(tmp_path / attempt)
        family.damage(tmp_path / attempt, random.Random(f"{name} 1"))
        contents.append({file.name: file.read_bytes() for file in (tmp_path / attempt).iterdir()})
    assert contents[0] == contents[1]


@pytest.mark.parametrize("name", ["CSV", "TOML", "NRRD", "HDF5 of espark", "RTSTRUCT", "SEG", "TIFF"])
def test_what_is_not_damaged_is_read(tmp_path: Path, name: str) -> None:
    family = family_of(name)
    (tmp_path / "whole").mkdir()
    family.make(tmp_path / "whole")
    whole = type(family)(family.make, lambda folder, chance: "", family.read, family.wrong)
    assert run_case(whole, tmp_path / "whole", name, 0).kind == "read"
    crashing = type(family)(family.make, lambda folder, chance: "", lambda folder: 1 / 0, family.wrong)
    assert run_case(crashing, tmp_path / "whole", name, 0).kind == "crash", "a crash is seen"
    wrong = type(family)(family.make, lambda folder, chance: "", family.read, lambda value, folder: "wrong")
    assert run_case(wrong, tmp_path / "whole", name, 0).kind == "silently wrong"
