"""A step that is killed at a write, or meets a full disk there, ends with the same bytes once it runs again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from fault_harness import STEPS, Killed, Stages, Tally, at_write, content, copied, full, killed, outcome, run_step

from espark.errors import WriteError

Fault = tuple[str, Callable[[Path], BaseException], type[BaseException]]

KILL: Fault = ("killed before a write", killed, Killed)
FULL: Fault = ("full disk at a write", full, WriteError)


def try_writes(stages: Stages, folder: Path, tally: Tally, faults: Iterable[tuple[int, Fault]]) -> None:
    """Stop each step at some of its writes.

    Args:
        stages: the study before and after each step.
        folder: where it is tried.
        tally: counts what comes of it.
        faults: numbers of writes, rising, each with its fault; those above the last write of a step are left out.
    """
    for step, stage in stages.items():
        sound = content(stage.after)
        for number, (name, raises, expected) in faults:
            tried = copied(stage.before, folder / "tried")
            try:
                with at_write(number, raises):
                    run_step(tried, step)
                break  # the step has fewer writes
            except expected as error:
                if isinstance(error, WriteError):
                    assert re.search(r"the disk is full: .* free, and the study may need .* more", error.found)
            tally.add(f"{name}, {step}", outcome(tried, [step], sound), f"write {number}")


def test_some_writes(feature_stages: Stages, tmp_path: Path) -> None:
    tally = Tally()
    try_writes(feature_stages, tmp_path, tally, [(2, KILL), (15, FULL)])
    assert len(tally.rows) == 2 * len(STEPS) and not tally.others, tally.table()


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("fault", "numbers"), [(KILL, range(1, 1000)), (FULL, range(1, 1000, 3))])
def test_every_write(feature_stages: Stages, tmp_path: Path, tally: Tally, fault: Fault, numbers: range) -> None:
    try_writes(feature_stages, tmp_path, tally, [(number, fault) for number in numbers])
    assert not tally.others, "\n".join(tally.others)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_writes_of_steps_that_read_images(image_stages: Stages, tmp_path: Path, tally: Tally) -> None:
    """The first patient's writes, and some of the other patients'."""
    stages = {step: stage for step, stage in image_stages.items() if step in ("prepare", "explain")}
    numbers = [*range(1, 10), *range(10, 1000, 15)]
    try_writes(stages, tmp_path, tally, [(number, KILL) for number in numbers])
    assert not tally.others, "\n".join(tally.others)
