"""Jobs side by side; little is imported here, because every worker imports this file."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from espark.errors import WorkerLostError
from espark.intake.budget import free_bytes
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


def _killed(job: tuple[Path, int, int]) -> int:
    """Job ``number`` ends its worker the first ``times`` times, as the system does when memory runs out."""
    folder, number, times = job
    marks = list(folder.glob(f"{number}-*"))
    (folder / f"{number}-{len(marks)}").touch()
    if len(marks) < times:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("ordered", [True, False])
def test_a_killed_worker_costs_one_more_try_and_nothing_else(tmp_path: Path, ordered: bool) -> None:
    jobs = [(tmp_path, number, 1 if number == 2 else 0) for number in range(6)]
    found = list(side_by_side(_killed, jobs, workers=2, ordered=ordered, uses_torch=False))
    assert (found if ordered else sorted(found)) == list(range(6))


def test_a_job_whose_worker_is_killed_twice_is_lost_and_the_batch_goes_on(tmp_path: Path) -> None:
    jobs = [(tmp_path, number, 9 if number == 1 else 0) for number in range(5)]
    reasons: list[str] = []

    def lost(job: tuple[Path, int, int], error: WorkerLostError) -> int:
        reasons.append(str(error))
        return -job[1]

    assert list(side_by_side(_killed, jobs, workers=2, uses_torch=False, lost=lost)) == [0, -1, 2, 3, 4]
    assert len(reasons) == 1 and "killed twice" in reasons[0] and "E-STUDY-004" in reasons[0]


def test_without_a_result_for_a_lost_job_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WorkerLostError, match="Free memory"):
        list(side_by_side(_killed, [(tmp_path, 0, 9), (tmp_path, 1, 0)], workers=2, uses_torch=False))


def _greedy(job: tuple[Path, int]) -> int:
    """Job 1 takes all the memory that its limit leaves; the second time, alone, it is content with little."""
    folder, number = job
    if number == 1 and not (folder / "tried").exists():
        (folder / "tried").touch()
        limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
        assert limit != resource.RLIM_INFINITY
        np.ones(limit, dtype=np.uint8)
    return number


def test_a_job_that_needs_more_than_its_share_is_tried_alone(tmp_path: Path) -> None:
    jobs = [(tmp_path, number) for number in range(4)]
    found = list(side_by_side(_greedy, jobs, workers=2, uses_torch=False, lost=lambda job, _: -job[1]))
    assert found == [0, 1, 2, 3]
    assert (tmp_path / "tried").exists()


def _too_large(number: int) -> int:
    if number == 1:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"
        )
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_that_no_memory_holds_is_lost_and_the_batch_goes_on(workers: int) -> None:
    reasons: list[str] = []

    def lost(number: int, error: WorkerLostError) -> int:
        reasons.append(str(error))
        return -number

    assert list(side_by_side(_too_large, range(4), workers=workers, uses_torch=False, lost=lost)) == [0, -1, 2, 3]
    assert len(reasons) == 1 and "more memory was needed" in reasons[0] and "Free memory" in reasons[0]


def _limit(_: int) -> int:
    return resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_workers_share_the_free_memory_and_nothing_else_is_limited() -> None:
    bounded = list(side_by_side(_limit, range(4), workers=2, uses_torch=False, lost=lambda job, _: job))
    assert 0 < min(bounded) <= max(bounded) < free_bytes()
    assert set(side_by_side(_limit, range(4), workers=2, uses_torch=False)) == {resource.RLIM_INFINITY}
