"""A step that is killed at a write, or meets a full disk there, ends with the same bytes once it runs again."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from harness import STEPS, Killed, Tally, at_write, content, copied, full, killed, outcome, run_step

from espark.errors import WriteError

Fault = tuple[str, Callable[[Path], BaseException], type[BaseException]]

KILL: Fault = ("killed before a write", killed, Killed)
FULL: Fault = ("full disk at a write", full, WriteError)


def stages(study: Path, folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Each step with the study before and after it."""
    before = copied(study, folder / "raw")
    for step in STEPS:
        after = copied(before, folder / step)
        run_step(after, step)
        yield step, before, after
        before = after


def try_writes(study: Path, folder: Path, tally: Tally, faults: Mapping[int, Fault] | Fault) -> None:
    """Stop each step at some of its writes: with the given fault at each number, or with one fault at every write."""
    for step, before, after in stages(study, folder):
        sound = content(after)
        every = zip(itertools.count(1), itertools.repeat(faults), strict=False)
        for number, (name, raises, expected) in faults.items() if isinstance(faults, Mapping) else every:
            tried = copied(before, folder / "tried")
            try:
                with at_write(number, raises):
                    run_step(tried, step)
                break  # the step has fewer writes
            except expected as error:
                if isinstance(error, WriteError):
                    assert re.search(r"the disk is full: .* free, and the study may need .* more", error.found)
            tally.add(f"{name}, {step}", outcome(tried, [step], sound), f"write {number}")


def test_some_writes(features: Path, tmp_path: Path) -> None:
    tally = Tally()
    try_writes(features, tmp_path, tally, {1: FULL, 3: KILL, 20: FULL, 22: KILL})
    assert len(tally.rows) == 2 * len(STEPS) and not tally.others, tally.table()


@pytest.mark.slow
@pytest.mark.parametrize("fault", [KILL, FULL], ids=["killed", "full"])
def test_every_write(features: Path, tmp_path: Path, tally: Tally, fault: Fault) -> None:
    try_writes(features, tmp_path, tally, fault)
    assert not tally.others, "\n".join(tally.others)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_write_of_a_study_with_images(images: Path, tmp_path: Path, tally: Tally) -> None:
    try_writes(images, tmp_path, tally, KILL)
    assert not tally.others, "\n".join(tally.others)
