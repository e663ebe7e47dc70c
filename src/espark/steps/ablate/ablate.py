"""``espark ablate``: every aggregator with and without the selection of tiles by cell type, in every cohort.

An arm is CytoPath with one aggregator, trained on the study's own folds with the study's own settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.files import write_csv
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.plots.results.ablation import ArmAuc, arms_figure
from espark.plots.style import save_figure
from espark.steps.ablate.arms import Arm, Cohorts, cohort_aucs, cohort_gains, labelled_cohorts, train_arms
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.patients import development_patients
from espark.steps.train.train import model_settings
from espark.training.inputs import Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.settings import ModelSettings
from espark.types import DoubleArray
from espark.work.progress import Reporter
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace

_AUC_COLUMNS = ["aggregator", "selection", "cohort", "n", "n_positive", "auc", "ci_low", "ci_high", "method"]
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

    def of(self, inputs: Inputs, study: ModelSettings) -> Arm:
        changed: dict[str, object] = {"aggregator": self.aggregator, "cell_type_selection": self.selection}
        if self.aggregator != study.cytopath.aggregator:
            changed |= AGGREGATORS[self.aggregator].training
        settings = replace(study, cytopath=study.cytopath.model_copy(update=changed))
        return Arm(self.name, "cytopath", CytoPathMember.train, settings, (), inputs)


def ablate(
    workspace: Workspace,
    *,
    aggregators: Sequence[str] | None = None,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> AblationResult:
    """Train every arm and write ``evaluation/ablation_aggregators.csv``, ``ablation_selection.csv`` and the figure.

    A fold of an arm that was trained on the same data with the same settings stays.

    Args:
        workspace: the opened study, prepared.
        aggregators: those to compare; None for all, those of plug-ins among them.
        workers: folds trained side by side; the result does not depend on it.
        reporter: shows the progress.

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
        arms = [_Arm(name, selection) for name in aggregators or AGGREGATORS for selection in selections]
        settings = model_settings(workspace, study.encoder)
        trained = [arm.of(inputs, settings) for arm in arms]
        answers = dict(zip(arms, train_arms(workspace, trained, workers=workers, reporter=reporter), strict=True))
        result = _write(workspace, answers, inputs)
        facts.update(arms=[arm.name for arm in arms], patients=len(inputs))
    return result


def _write(workspace: Workspace, answers: dict[_Arm, DoubleArray], inputs: Inputs) -> AblationResult:
    layout = workspace.layout
    cohorts = labelled_cohorts(workspace, inputs)
    rows, bars = [], []
    for arm, probability in answers.items():
        for cohort, n, positive, estimate in cohort_aucs(probability, cohorts):
            values = (estimate.value, estimate.ci_low, estimate.ci_high, estimate.method)
            rows.append((arm.aggregator, arm.selection, cohort, n, positive, *values))
            title = AGGREGATORS[arm.aggregator].title
            way = "chosen by cell type" if arm.selection else "all tiles"
            bars.append(ArmAuc(title, cohort_title(cohort), way, estimate))
    gains = list(_gains(answers, cohorts))
    write_csv(layout.ablation("aggregators"), workspace.outcome.named(pd.DataFrame(rows, columns=_AUC_COLUMNS)))
    write_csv(layout.ablation("selection"), pd.DataFrame(gains, columns=_GAIN_COLUMNS))
    save_figure(arms_figure(bars), layout.figure("ablation-aggregators"))
    helped = {
        cohort: (sum(row[3] > 0 for row in of_cohort), len(of_cohort))
        for cohort in cohorts
        if (of_cohort := [row for row in gains if row[1] == cohort and np.isfinite(row[3])])
    }
    return AblationResult(layout.ablation("aggregators"), layout.ablation("selection"), helped)


def _gains(
    answers: dict[_Arm, DoubleArray], cohorts: Cohorts
) -> Iterator[tuple[str, str, int, float, float, float, float, str]]:
    for arm, probability in answers.items():
        without = answers.get(replace(arm, selection=False))
        if not arm.selection or without is None:
            continue
        for cohort, found in cohort_gains(probability, without, cohorts):
            numbers = (found.difference, found.ci_low, found.ci_high, found.p_value)
            yield (arm.aggregator, cohort, found.n, *numbers, found.method)
