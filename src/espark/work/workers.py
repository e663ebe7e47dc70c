"""Work side by side in processes that do not crowd each other's cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from threadpoolctl import threadpool_limits

from espark.catalogue import Registrations, registrations, take_over
from espark.errors import Interrupted, WorkerLostError
from espark.intake.budget import free_bytes, in_words
from espark.machine.free_memory import limit_memory
from espark.work.memory import is_out_of_memory, share_of_memory
from espark.work.stopping import bound_to_parent, end_workers

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
    each alone; then the others go on. Where a lost job has a result (``lost``), each worker may take only its share of
    the free memory. A job that needs more is tried alone too, with all the memory that is free.

    Args:
        function: a module-level function.
        jobs: its arguments.
        workers: number of processes; with one, everything happens in this process.
        ordered: yield in the order of the jobs rather than as they finish.
        uses_torch: whether a job may; where none does, a new worker is spared the second it takes to load it.
        lost: makes the result of a job that needs more memory than there is, or whose worker was killed twice, from
            the job and the error.

    Raises:
        WorkerLostError: when a job cannot be done for want of memory, and there is no ``lost``.
    """
    run = _one_thread if uses_torch else _one_thread_without_torch
    if workers == 1:
        yield from (_here(run, function, job, lost) for job in jobs)
        return
    share = share_of_memory(workers) if lost is not None else None
    waiting = iter(enumerate(jobs))
    known = registrations()
    try:
        while True:
            under_way: dict[int, Job] = {}
            try:
                for index, result in _in_a_pool(
                    partial(_numbered, run, function, known, share), _noted(waiting, under_way), workers, ordered
                ):
                    del under_way[index]
                    yield result
                return
            except (TerminatedWorkerError, MemoryError):
                for _, job in sorted(under_way.items()):
                    yield _alone(run, function, job, known, lost)
    except (KeyboardInterrupt, Interrupted, GeneratorExit):
        end_workers()
        raise


def _noted(waiting: Iterator[tuple[int, Job]], under_way: dict[int, Job]) -> Iterator[tuple[int, Job]]:
    """The jobs that wait; what is handed out is noted, so that it is known when a worker is killed."""
    for index, job in waiting:
        under_way[index] = job
        yield index, job


def _in_a_pool(
    numbered: Callable[[int, Job], tuple[int, Result]], jobs: Iterator[tuple[int, Job]], workers: int, ordered: bool
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
    yield from parallel(joblib.delayed(numbered)(index, job) for index, job in jobs)


def _numbered(
    run: Run, function: Callable[[Job], Result], known: Registrations, share: int | None, index: int, job: Job
) -> tuple[int, Result]:
    bound_to_parent()
    limit_memory(share)
    return index, _without_other_memory_errors(run, function, job, known)


def _without_other_memory_errors(run: Run, function: Callable[[Job], Result], job: Job, known: Registrations) -> Result:
    """Run a job, and let every refusal of memory be a MemoryError.

    Raises:
        MemoryError: when memory was refused, by whichever library.
    """
    try:
        result: Result = run(function, job, known)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from error
        raise
    return result


def _here(
    run: Run, function: Callable[[Job], Result], job: Job, lost: Callable[[Job, WorkerLostError], Result] | None
) -> Result:
    """Run a job in this process."""
    try:
        return _without_other_memory_errors(run, function, job, {})
    except MemoryError as error:
        return _given_up(job, "more memory was needed than this machine has free", lost, error)


def _alone(
    run: Run,
    function: Callable[[Job], Result],
    job: Job,
    known: Registrations,
    lost: Callable[[Job, WorkerLostError], Result] | None,
) -> Result:
    """Run a job in a process of its own, so that nothing else is lost with it."""
    pool = ProcessPoolExecutor(max_workers=1)
    share = share_of_memory(1) if lost is not None else None
    try:
        result: Result = pool.submit(_numbered, run, function, known, share, 0, job).result()[1]
    except TerminatedWorkerError as error:
        found = "the worker process was killed twice, the second time while it worked alone"
        return _given_up(job, found, lost, error)
    except MemoryError as error:
        found = f"more memory was needed than the {in_words(share or free_bytes())} that this machine has free"
        return _given_up(job, found, lost, error)
    finally:
        pool.shutdown(wait=True, kill_workers=True)
    return result


def _given_up(
    job: Job, found: str, lost: Callable[[Job, WorkerLostError], Result] | None, error: BaseException
) -> Result:
    problem = WorkerLostError(
        found,
        expected="enough memory: the system kills the largest process when memory runs out",
        action="Free memory or use a larger machine, then run the command again. What is done stays done.",
        code="E-STUDY-004",
    )
    if lost is None:
        raise problem from error
    return lost(job, problem)


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
