"""Work side by side in processes that do not crowd each other's cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import joblib
from threadpoolctl import threadpool_limits

from espark.catalogue import Registrations, registrations, take_over

Job = TypeVar("Job")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int,
    ordered: bool = True,
    uses_torch: bool = True,
) -> Iterator[Result]:
    """Apply ``function`` to every job in worker processes and yield the results as they come.

    An array over 1 MB that several jobs share is written down once and mapped into the memory of all workers, where
    what a job writes into it stays its own. A job may itself work side by side. What was registered from Python in this
    process is known in the workers too.

    Args:
        function: a module-level function.
        jobs: its arguments.
        workers: number of processes; with one, everything happens in this process.
        ordered: yield in the order of the jobs rather than as they finish.
        uses_torch: whether a job may; where none does, a new worker is spared the second it takes to load it.
    """
    kind = "generator" if ordered else "generator_unordered"
    # Named, because inside of a worker joblib would otherwise take threads, which share one log and one lock.
    backend = "loky" if workers > 1 else "sequential"
    parallel = joblib.Parallel(
        n_jobs=workers, backend=backend, return_as=kind, batch_size=1, pre_dispatch="2*n_jobs", mmap_mode="c"
    )
    wrapped = joblib.delayed(_one_thread if uses_torch else _one_thread_without_torch)
    known = registrations() if workers > 1 else {}
    yield from parallel(wrapped(function, job, known) for job in jobs)


def _one_thread(function: Callable[[Job], Result], job: Job, known: Registrations) -> Result:
    """Run a job while torch, too, uses one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _one_thread_without_torch(function, job, known)
    finally:
        torch.set_num_threads(before)


def _one_thread_without_torch(function: Callable[[Job], Result], job: Job, known: Registrations) -> Result:
    """Run a job while SimpleITK and linear algebra use one thread.

    The workers already fill the cores, and SimpleITK's resampling rounds differently with the number of threads: the
    result shall not depend on how many workers there are. For the small matrices of radiomics, threads of linear
    algebra only wait for each other.
    """
    import SimpleITK as sitk

    take_over(known)
    before = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(job)
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
