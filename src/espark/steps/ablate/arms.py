"""Models trained beside those of a study, on the study's own folds, to be compared with them and with each other.

What an arm answers is calibrated, voted and cross-fitted by the code that gives the predictions of the study, so that
an arm that is a model of the study gives exactly these predictions. A fold is kept, so that the comparison resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from espark.statistics.auc import AucDifference, auc, paired_delong
from espark.statistics.estimate import Estimate
from espark.steps.train.patients import development_patients, development_places, other_places
from espark.steps.train.trained_folds import fold_key, train_folds
from espark.training.cross_validation import Development, cross_validate
from espark.training.fold_answers import FoldAnswers
from espark.training.inputs import Inputs
from espark.training.members.member import Member
from espark.training.members.state import MemberState
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace

Train = Callable[[Inputs, IntArray, ModelSettings, int], Member]
Cohorts = Mapping[str, tuple[IntArray, IntArray]]
"""By cohort, the places of its labelled patients among the inputs, and their labels."""


@dataclass(frozen=True)
class Arm:
    """A way to train.

    Attributes:
        name: folder of its folds.
        model: the model of the study that it is a variant of.
        train: trains a fold; a module-level function, or a part of one, for worker processes.
        settings: its settings.
        identity: what else decides its weights, beside model, settings, data and seed, as plain values.
        inputs: all patients of the study, with what this arm looks at and nothing else.
    """

    name: str
    model: str
    train: Train
    settings: ModelSettings
    identity: Sequence[object]
    inputs: Inputs


@dataclass(frozen=True)
class _ArmFold:
    """A fold of an arm, with all that a worker process needs to know."""

    target: Path
    arm: Arm
    seen: IntArray
    held_out: IntArray
    others: IntArray
    labels: IntArray
    seed: int

    @property
    def targets(self) -> tuple[Path, ...]:
        """The file of its answers."""
        return (self.target,)

    def key(self) -> str:
        """Hash of everything the answers depend on."""
        arm = self.arm
        places = [part.tolist() for part in (self.seen, self.held_out, self.others)]
        data = [arm.inputs.content_hash(), *places, self.labels.tolist()]
        settings = arm.settings.identity([arm.model])
        train = arm.train.func if isinstance(arm.train, partial) else arm.train
        modules = [train.__module__, FoldAnswers.__module__]
        return fold_key(modules, [self.seed, *data, *settings, *arm.identity])

    def train(self) -> dict[Path, MemberState]:
        """Train the fold and ask it about everybody whom it did not see."""
        arm = self.arm
        member = arm.train(arm.inputs.subset(self.seen), self.labels, arm.settings, self.seed)
        asked = [arm.inputs.subset(places) for places in (self.held_out, self.others)]
        return {self.target: FoldAnswers.ask(arm.model, member, *asked).state()}


def train_arms(
    workspace: Workspace, arms: Sequence[Arm], *, workers: int, reporter: Reporter, what: str = "ablate"
) -> list[DoubleArray]:
    """Train every fold of every arm that is not there yet.

    Returns:
        For each arm the (patients,) probabilities: out of fold and cross-fitted in development, the vote of all folds
        elsewhere; NaN for a patient in whom the arm sees nothing.
    """
    pairs = [(arm, development_patients(workspace, arm.inputs)) for arm in arms]
    jobs = [job for arm, development in pairs for job in _fold_jobs(workspace, arm, development)]
    train_folds(jobs, workers=workers, reporter=reporter, what=what)
    return [_answers(workspace, arm, development) for arm, development in pairs]


def _fold_jobs(workspace: Workspace, arm: Arm, development: Development) -> Iterator[_ArmFold]:
    places, others = development_places(workspace, arm.inputs), other_places(workspace, arm.inputs)
    for fold in range(workspace.config.protocol.members):
        seen, held_out = development.seen(fold), development.held_out(fold)
        yield _ArmFold(
            target=workspace.layout.ablation_fold(arm.name, fold),
            arm=arm,
            seen=places[seen],
            held_out=places[held_out],
            others=others,
            labels=development.labels[seen],
            seed=workspace.config.fold_seed(fold),
        )


def _answers(workspace: Workspace, arm: Arm, development: Development) -> DoubleArray:
    """(patients,) probabilities of a trained arm."""
    protocol = workspace.config.protocol
    paths = [workspace.layout.ablation_fold(arm.name, fold) for fold in range(protocol.members)]
    folds = [FoldAnswers.restore(arm.model, MemberState.load(path)) for path in paths]
    validated = cross_validate(arm.model, folds, development, protocol)
    others = other_places(workspace, arm.inputs)
    found = np.full(len(arm.inputs), np.nan)
    found[development_places(workspace, arm.inputs)] = validated.development_probability
    answers = validated.answers(arm.inputs.subset(others))
    found[others] = [np.nan if answer is None else answer.probability for answer in answers]
    return found


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


def cohort_aucs(probability: DoubleArray, cohorts: Cohorts) -> Iterator[tuple[str, int, int, Estimate]]:
    """By cohort, how many patients an arm answers for, how many of them have the outcome, and its AUC.

    Args:
        probability: (patients,) of the arm; NaN where it has nothing to look at.
        cohorts: as :func:`labelled_cohorts` gives them.
    """
    for cohort, (places, labels) in cohorts.items():
        known = np.isfinite(probability[places])
        y = labels[known]
        yield cohort, len(y), int(y.sum()), auc(y, probability[places][known])


def cohort_gains(ours: DoubleArray, theirs: DoubleArray, cohorts: Cohorts) -> Iterator[tuple[str, AucDifference]]:
    """By cohort, how far the AUC of one arm is above that of another, on the patients that both answer for.

    Args:
        ours: (patients,) of one arm; NaN where it has nothing to look at.
        theirs: (patients,) of the other.
        cohorts: as :func:`labelled_cohorts` gives them.
    """
    for cohort, (places, labels) in cohorts.items():
        known = np.isfinite(ours[places]) & np.isfinite(theirs[places])
        yield cohort, paired_delong(labels[known], ours[places][known], theirs[places][known])
