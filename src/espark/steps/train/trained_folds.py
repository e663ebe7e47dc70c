"""Folds on disk: trained side by side, kept, and trained again when anything they depend on is another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from espark.code_hash import code_hash
from espark.files import digest
from espark.training.members.state import MemberState, stored_key
from espark.work.progress import Reporter
from espark.work.workers import side_by_side

_CODE = ("espark.training", "espark.models", "espark.ct.models", "espark.statistics", "espark.pathology.cell_types")
"""What weights and answers depend on; settings and data are in the key as values."""


def fold_key(modules: Sequence[str], parts: Sequence[object]) -> str:
    """Hash of everything that a fold depends on.

    Args:
        modules: those that train it; what they import of espark's training and models counts as well.
        parts: data, labels, settings and seed, as plain values.
    """
    return digest([code_hash(modules, within=_CODE), *parts])


class FoldJob(Protocol):
    """A fold to train, with all that a worker process needs to know."""

    @property
    def targets(self) -> Sequence[Path]:
        """The files that it makes."""
        ...

    def key(self) -> str:
        """Hash of everything that these files depend on."""
        ...

    def train(self) -> Mapping[Path, MemberState]:
        """What each file is to hold."""
        ...


def train_folds(jobs: Sequence[FoldJob], *, workers: int, reporter: Reporter, what: str) -> None:
    """Train every fold that is not there yet.

    Args:
        jobs: the folds.
        workers: folds trained side by side; the result does not depend on it.
        reporter: shows the progress.
        what: name of the work in its lines.
    """
    with reporter.track(what, len(jobs)) as advance:
        for _ in side_by_side(_train_fold, jobs, workers=workers, ordered=False):
            advance()


def _train_fold(job: FoldJob) -> None:
    key = job.key()
    if all(stored_key(path) == key for path in job.targets):
        return
    for path, state in job.train().items():
        state.save(path, key)
