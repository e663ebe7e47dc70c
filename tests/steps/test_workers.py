"""Jobs side by side; little is imported here, because every worker imports this file."""

from __future__ import annotations

import os

from espark.work.workers import side_by_side


def _inner(_: int) -> int:
    return os.getpid()


def _outer(_: int) -> list[int]:
    return [os.getpid(), *side_by_side(_inner, [0, 1], workers=2, uses_torch=False)]


def test_a_job_may_work_side_by_side_in_processes_of_its_own() -> None:
    for one, *inner in side_by_side(_outer, [0, 1], workers=2, uses_torch=False):
        assert one != os.getpid() and one not in inner and len(inner) == 2


def test_with_one_worker_all_happens_here() -> None:
    assert [*side_by_side(_inner, [0, 1], workers=1, uses_torch=False)] == [os.getpid()] * 2
