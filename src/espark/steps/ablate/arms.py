"""Models trained beside those of a study, on the study's own folds, to be compared with them and with each other.

What an arm answers is calibrated, voted and cross-fitted just as the predictions of the study are, so that an arm that
is a model of the study has the AUC of ``evaluation/metrics.csv``. A fold is kept, so that the comparison resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from espark._version import __version__
from espark.files import digest, load_tensors, save_tensors
from espark.steps.train.train import development_patients, stored_key
from espark.training.cross_validation import Development
from espark.training.inputs import Inputs
from espark.training.members.members import Member
from espark.training.operating_point import OperatingPoint, cross_fit
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.opened import Workspace

Train = Callable[[Inputs, IntArray, ModelSettings, int], Member]
Cohorts = Mapping[str, tuple[IntArray, IntArray]]
"""By cohort, the places of its labelled patients among the inputs, and their labels."""


@dataclass(frozen=True)
class Arm:
    """A way to train.

    Attributes:
        name: folder of its folds.
        train: trains a fold; a module-level function, or a part of one, for worker processes.
        settings: what it is told.
        identity: everything that, beside data and seed, decides its weights, as plain values.
        inputs: all patients of the study, with what this arm looks at and nothing else.
    """

    name: str
    train: Train
    settings: ModelSettings
    identity: Sequence[object]
    inputs: Inputs


@dataclass(frozen=True)
class _FoldJob:
    """One fold of an arm, with all that a worker process needs to know."""

    target: Path
    arm: Arm
    seen: IntArray
    labels: IntArray
    seed: int

    def key(self) -> str:
        """Hash of everything the answers depend on."""
        contents = [self.arm.inputs.content_hash(), self.seen.tolist(), self.labels.tolist()]
        return digest([__version__, self.seed, *contents, *self.arm.identity])


def train_arms(
    workspace: Workspace, arms: Sequence[Arm], *, workers: int, reporter: Reporter, what: str = "ablate"
) -> list[DoubleArray]:
    """Train every fold of every arm that is not there yet.

    Returns:
        For each arm the (patients,) probabilities: out of fold and cross-fitted in development, the vote of all folds
        elsewhere; NaN for a patient of whom the arm sees nothing.
    """
    developments = [development_patients(workspace, arm.inputs) for arm in arms]
    jobs = []
    for arm, development in zip(arms, developments, strict=True):
        places = _places(arm.inputs, development)
        for fold in range(workspace.config.protocol.folds):
            seen = np.flatnonzero(development.folds != fold)
            target = workspace.layout.ablation_fold(arm.name, fold)
            jobs.append(_FoldJob(target, arm, places[seen], development.labels[seen], workspace.config.fold_seed(fold)))
    with reporter.track(what, len(jobs)) as advance:
        for _ in side_by_side(_train_fold, jobs, workers=workers, ordered=False):
            advance()
    return [_answers(workspace, arm, development) for arm, development in zip(arms, developments, strict=True)]


def labelled_cohorts(workspace: Workspace, inputs: Inputs) -> dict[str, tuple[IntArray, IntArray]]:
    """By cohort, the places of its labelled patients among the inputs, and their labels."""
    return dict(_labelled(workspace, inputs))


def _labelled(workspace: Workspace, inputs: Inputs) -> Iterator[tuple[str, tuple[IntArray, IntArray]]]:
    patients = [workspace.cohort[patient_id] for patient_id in inputs.patient_ids]
    for cohort in workspace.cohort.cohort_names:
        found = [
            (index, patient.label)
            for index, patient in enumerate(patients)
            if patient.cohort_name == cohort and patient.label is not None
        ]
        if found:
            places, labels = np.array(found, dtype=np.int64).T
            yield cohort, (places, labels)


def _places(inputs: Inputs, development: Development) -> IntArray:
    """Where the development patients stand among all."""
    position = {patient_id: index for index, patient_id in enumerate(inputs.patient_ids)}
    return np.array([position[patient_id] for patient_id in development.inputs.patient_ids], dtype=np.int64)


def _train_fold(job: _FoldJob) -> None:
    """Train one fold and keep its raw log-odds of every patient."""
    key = job.key()
    if stored_key(job.target) == key:
        return
    arm = job.arm
    member = arm.train(arm.inputs.subset(job.seen), job.labels, arm.settings, job.seed)
    save_tensors(job.target, {"log_odds": torch.from_numpy(member.logits(arm.inputs))}, {"key": key})


def _answers(workspace: Workspace, arm: Arm, development: Development) -> DoubleArray:
    protocol = workspace.config.protocol
    paths = [workspace.layout.ablation_fold(arm.name, fold) for fold in range(protocol.folds)]
    raw = expit(np.stack([load_tensors(path)["log_odds"].numpy() for path in paths]))  # (folds, patients)
    places = _places(arm.inputs, development)
    out_of_fold = raw[development.folds, places]
    usable = np.isfinite(out_of_fold)
    labels, folds = development.labels[usable], development.folds[usable]
    point = OperatingPoint.fit(labels, out_of_fold[usable], protocol)
    found = np.full(len(arm.inputs), np.nan)
    known = np.flatnonzero(arm.inputs.has_slides | arm.inputs.has_ct)
    found[known] = [point.calibrator.apply(raw[:, index]).mean() for index in known]
    found[places] = np.nan
    found[places[usable]] = cross_fit(labels, out_of_fold[usable], folds, protocol).probability
    return found
