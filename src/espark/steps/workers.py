"""Work side by side in processes that do not crowd each other's cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib

Job = TypeVar("Job")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Job], Result], jobs: Iterable[Job], *, workers: int, ordered: bool = True
) -> Iterator[Result]:
    """Apply ``function`` to every job in worker processes and yield the results as they come.

    Args:
        function: a module-level function.
        jobs: its arguments.
        workers: number of processes; with one, everything happens in this process.
        ordered: yield in the order of the jobs rather than as they finish.
    """
    kind = "generator" if ordered else "generator_unordered"
    parallel = joblib.Parallel(n_jobs=workers, return_as=kind, batch_size=1, pre_dispatch="2*n_jobs")
    calls = (joblib.delayed(_alone if workers > 1 else _plain)(function, job) for job in jobs)
    yield from parallel(calls)


def _plain(function: Callable[[Job], Result], job: Job) -> Result:
    return function(job)


def _alone(function: Callable[[Job], Result], job: Job) -> Result:
    """Run a job in a worker whose libraries use one thread: the workers already fill the cores."""
    import SimpleITK as sitk
    import torch

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    torch.set_num_threads(1)
    return function(job)
