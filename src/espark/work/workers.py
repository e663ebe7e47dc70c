"""Work side by side in processes that do not crowd each other's cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor, get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from espark.catalogue import Registrations, registrations, take_over
from espark.errors import Interrupted, WorkerLostError

Job = TypeVar("Job")
Result = TypeVar("Result")
Run = Callable[[Callable[[Any], Any], Any, Registrations], Any]
"""Runs a job in the surroundings that it needs."""


def side_by_side(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    workers: int,
    ordered: bool = True,
    uses_torch: bool = True,
    lost: Callable[[Job, WorkerLostError], Result] | None = None,
) -> Iterator[Result]:
    """Apply ``function`` to every job in worker processes and yield the results as they come.

    An array over 1 MB that several jobs share is written down once and mapped into the memory of all workers, where
    what a job writes into it stays its own. A job may itself work side by side. What was registered from Python in this
    process is known in the workers too.

    When a worker is killed, as the system does when memory runs out, the jobs that were under way are tried once more,
    each alone; then the others go on.

    Args:
        function: a module-level function.
        jobs: its arguments.
        workers: number of processes; with one, everything happens in this process.
        ordered: yield in the order of the jobs rather than as they finish.
        uses_torch: whether a job may; where none does, a new worker is spared the second it takes to load it.
        lost: makes the result of a job whose worker was killed twice, from the job and the error.

    Raises:
        WorkerLostError: when a job's worker was killed twice, and there is no ``lost``.
    """
    run = _one_thread if uses_torch else _one_thread_without_torch
    if workers == 1:
        yield from (run(function, job, {}) for job in jobs)
        return
    waiting = iter(enumerate(jobs))
    known = registrations()
    try:
        while True:
            under_way: dict[int, Job] = {}
            try:
                for index, result in _in_a_pool(run, function, _noted(waiting, under_way), known, workers, ordered):
                    del under_way[index]
                    yield result
                return
            except TerminatedWorkerError:
                for _, job in sorted(under_way.items()):
                    yield _alone(run, function, job, known, lost)
    except (KeyboardInterrupt, Interrupted, GeneratorExit):
        # A worker that may finish its job first would outlive the command by minutes.
        get_reusable_executor().shutdown(wait=False, kill_workers=True)
        raise


def _noted(waiting: Iterator[tuple[int, Job]], under_way: dict[int, Job]) -> Iterator[tuple[int, Job]]:
    """The jobs that wait; what is handed out is noted, so that it is known when a worker is killed."""
    for index, job in waiting:
        under_way[index] = job
        yield index, job


def _in_a_pool(
    run: Run,
    function: Callable[[Job], Result],
    jobs: Iterator[tuple[int, Job]],
    known: Registrations,
    workers: int,
    ordered: bool,
) -> Iterator[tuple[int, Result]]:
    # Named, because inside of a worker joblib would otherwise take threads, which share one log and one lock.
    parallel = joblib.Parallel(
        n_jobs=workers,
        backend="loky",
        return_as="generator" if ordered else "generator_unordered",
        batch_size=1,
        pre_dispatch="2*n_jobs",
        mmap_mode="c",
    )
    yield from parallel(joblib.delayed(_numbered)(run, function, index, job, known) for index, job in jobs)


def _numbered(
    run: Run,
    function: Callable[[Job], Result],
    index: int,
    job: Job,
    known: Registrations,
) -> tuple[int, Result]:
    return index, run(function, job, known)


def _alone(
    run: Run,
    function: Callable[[Job], Result],
    job: Job,
    known: Registrations,
    lost: Callable[[Job, WorkerLostError], Result] | None,
) -> Result:
    """Run a job in a process of its own, so that nothing else is lost with it."""
    with ProcessPoolExecutor(max_workers=1) as pool:
        try:
            result: Result = pool.submit(run, function, job, known).result()
        except TerminatedWorkerError as error:
            problem = WorkerLostError(
                "the worker process was killed twice, the second time while it worked alone",
                expected="enough memory: the system kills the largest process when memory runs out",
                action="Free memory or use a larger machine, then run the command again. What is done stays done.",
                code="E-STUDY-004",
            )
            if lost is None:
                raise problem from error
            return lost(job, problem)
    return result


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
    result must not depend on how many workers there are. For the small matrices of radiomics, threads of linear
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
