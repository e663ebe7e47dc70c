"""``espark ablate``: every aggregator with and without the selection of tiles by cell type, in every cohort.

An arm is CytoPath with one aggregator, trained on the study's own folds with the study's own settings. What it answers
is calibrated, voted and cross-fitted just as the predictions of the study are, so that the arm that study.toml asks for
gives the AUC of ``evaluation/metrics.csv``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

import espark
from espark.errors import InputError
from espark.files import digest, load_tensors, save_tensors, write_csv
from espark.plots.ablation import AggregatorAuc, aggregator_figure
from espark.plots.style import save_figure
from espark.registry import AGGREGATORS
from espark.statistics.auc import auc, paired_delong
from espark.steps.evaluation_tables import cohort_title
from espark.steps.inputs import load_inputs
from espark.steps.manifest import recorded
from espark.steps.progress import Reporter
from espark.steps.train import development_patients, model_settings, stored_key
from espark.steps.workers import side_by_side
from espark.steps.workspace import Workspace
from espark.training.cross_validation import Development
from espark.training.inputs import Inputs
from espark.training.members import CytoPathMember
from espark.training.operating_point import OperatingPoint, cross_fit
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray

_AUC_COLUMNS = ["aggregator", "selection", "cohort", "n", "n_pcr", "auc", "ci_low", "ci_high", "method"]
_GAIN_COLUMNS = ["aggregator", "cohort", "n", "auc_gain", "ci_low", "ci_high", "p_value", "test"]


@dataclass(frozen=True)
class AblationResult:
    """What `ablate` found.

    Attributes:
        table: AUC by aggregator, selection and cohort.
        gains: what the selection adds, by aggregator and cohort.
        helped: by cohort, how many aggregators have a higher AUC with the selection, and of how many.
    """

    table: Path
    gains: Path
    helped: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class _Arm:
    """CytoPath with one aggregator, with or without selection."""

    aggregator: str
    selection: bool

    @property
    def name(self) -> str:
        return f"{self.aggregator}-{'selected' if self.selection else 'all'}"

    def settings(self, study: ModelSettings) -> ModelSettings:
        changed = {"aggregator": self.aggregator, "cell_type_selection": self.selection}
        return replace(study, cytopath=study.cytopath.model_copy(update=changed))


@dataclass(frozen=True)
class _FoldJob:
    """One fold of an arm, with all that a worker process needs to know."""

    target: Path
    seen: Inputs
    labels: IntArray
    asked: Inputs
    settings: ModelSettings
    seed: int

    def key(self) -> str:
        """Hash of everything the answers depend on."""
        settings = [self.settings.cytopath.model_dump(mode="json"), asdict(self.settings.cutoffs)]
        contents = [self.seen.content_hash(), self.labels.tolist(), self.asked.content_hash()]
        return digest([espark.__version__, self.seed, *contents, *settings])


def ablate(
    workspace: Workspace,
    *,
    aggregators: Sequence[str] = tuple(AGGREGATORS),
    workers: int = 1,
    reporter: Reporter | None = None,
) -> AblationResult:
    """Train every arm and write ``evaluation/ablation_aggregators.csv``, ``ablation_selection.csv`` and the figure.

    A fold of an arm that was trained on the same data with the same settings stays.

    Args:
        workspace: the opened study, prepared.
        aggregators: those to compare.
        workers: folds trained side by side; the result does not depend on it.
        reporter: says how far the work is.

    Raises:
        MissingStepError: when nothing was prepared.
        InputError: when no development patient has slides.
    """
    reporter = reporter or Reporter()
    with recorded(workspace, "ablate", workers=workers) as facts:
        study = load_inputs(workspace)
        inputs = study.inputs.only("slides")
        development = development_patients(workspace, inputs)
        if not development.inputs.has_slides.any():
            raise InputError("no development patient has slides", where=workspace.root)
        if not inputs.has_text:
            reporter.say("The tile encoder has no text side: there is no selection to compare with.")
        selections = (True, False) if inputs.has_text else (False,)
        arms = [_Arm(name, selection) for name in aggregators for selection in selections]
        settings = model_settings(workspace, study.encoder)
        _train(workspace, arms, inputs, development, settings, workers, reporter)
        answers = {arm: _answers(workspace, arm, inputs, development) for arm in arms}
        result = _write(workspace, answers, inputs)
        facts.update(arms=[arm.name for arm in arms], patients=len(inputs))
    return result


def _train(
    workspace: Workspace,
    arms: Sequence[_Arm],
    inputs: Inputs,
    development: Development,
    settings: ModelSettings,
    workers: int,
    reporter: Reporter,
) -> None:
    jobs = []
    for arm in arms:
        for fold in range(workspace.config.protocol.folds):
            seen = np.flatnonzero(development.folds != fold)
            target = workspace.layout.ablation_fold(arm.name, fold)
            data = (development.inputs.subset(seen), development.labels[seen], inputs)
            jobs.append(_FoldJob(target, *data, arm.settings(settings), workspace.config.fold_seed(fold)))
    with reporter.track("ablate", len(jobs)) as advance:
        for _ in side_by_side(_train_fold, jobs, workers=workers, ordered=False):
            advance()


def _train_fold(job: _FoldJob) -> None:
    """Train one fold and keep its raw log-odds of every patient."""
    key = job.key()
    if stored_key(job.target) == key:
        return
    member = CytoPathMember.train(job.seen, job.labels, job.settings, job.seed)
    save_tensors(job.target, {"log_odds": torch.from_numpy(member.logits(job.asked))}, {"key": key})


def _answers(workspace: Workspace, arm: _Arm, inputs: Inputs, development: Development) -> DoubleArray:
    """(patients,) probability: out of fold and cross-fitted in development, the vote of all folds elsewhere."""
    protocol = workspace.config.protocol
    paths = [workspace.layout.ablation_fold(arm.name, fold) for fold in range(protocol.folds)]
    raw = expit(np.stack([load_tensors(path)["log_odds"].numpy() for path in paths]))  # (folds, patients)
    position = {patient_id: index for index, patient_id in enumerate(inputs.patient_ids)}
    places = np.array([position[patient_id] for patient_id in development.inputs.patient_ids])
    out_of_fold = raw[development.folds, places]
    usable = np.isfinite(out_of_fold)
    labels, folds = development.labels[usable], development.folds[usable]
    point = OperatingPoint.fit(labels, out_of_fold[usable], protocol)
    found = np.full(len(inputs), np.nan)
    known = np.flatnonzero(inputs.has_slides)
    found[known] = [point.calibrator.apply(raw[:, index]).mean() for index in known]
    found[places] = np.nan
    found[places[usable]] = cross_fit(labels, out_of_fold[usable], folds, protocol).probability
    return found


def _write(workspace: Workspace, answers: dict[_Arm, DoubleArray], inputs: Inputs) -> AblationResult:
    layout = workspace.layout
    cohorts = dict(_cohorts(workspace, inputs))
    rows, bars = [], []
    for arm, probability in answers.items():
        for cohort, (places, labels) in cohorts.items():
            known = np.isfinite(probability[places])
            y, p = labels[known], probability[places][known]
            estimate = auc(y, p)
            values = (estimate.value, estimate.ci_low, estimate.ci_high, estimate.method)
            rows.append((arm.aggregator, arm.selection, cohort, len(y), int(y.sum()), *values))
            title = AGGREGATORS[arm.aggregator].title
            bars.append(AggregatorAuc(title, cohort_title(cohort), arm.selection, estimate))
    gains = list(_gains(answers, cohorts))
    write_csv(layout.ablation("aggregators"), pd.DataFrame(rows, columns=_AUC_COLUMNS))
    write_csv(layout.ablation("selection"), pd.DataFrame(gains, columns=_GAIN_COLUMNS))
    save_figure(aggregator_figure(bars), layout.figure("ablation-aggregators"))
    helped = {
        cohort: (sum(row[3] > 0 for row in of_cohort), len(of_cohort))
        for cohort in cohorts
        if (of_cohort := [row for row in gains if row[1] == cohort and np.isfinite(row[3])])
    }
    return AblationResult(layout.ablation("aggregators"), layout.ablation("selection"), helped)


def _cohorts(workspace: Workspace, inputs: Inputs) -> Iterator[tuple[str, tuple[IntArray, IntArray]]]:
    """By cohort, the places of its labelled patients among the inputs and their labels."""
    patients = [workspace.cohort[patient_id] for patient_id in inputs.patient_ids]
    for cohort in workspace.cohort.cohort_names:
        found = [
            (index, patient.pcr)
            for index, patient in enumerate(patients)
            if patient.cohort_name == cohort and patient.pcr is not None
        ]
        if found:
            places, labels = np.array(found, dtype=np.int64).T
            yield cohort, (places, labels)


def _gains(
    answers: dict[_Arm, DoubleArray], cohorts: dict[str, tuple[IntArray, IntArray]]
) -> Iterator[tuple[str, str, int, float, float, float, float, str]]:
    for arm, probability in answers.items():
        without = answers.get(replace(arm, selection=False))
        if not arm.selection or without is None:
            continue
        for cohort, (places, labels) in cohorts.items():
            known = np.isfinite(probability[places])
            found = paired_delong(labels[known], probability[places][known], without[places][known])
            numbers = (found.difference, found.ci_low, found.ci_high, found.p_value)
            yield (arm.aggregator, cohort, found.n, *numbers, found.method)
