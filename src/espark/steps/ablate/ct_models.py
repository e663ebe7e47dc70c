"""``espark ablate --ct``: MScaleCT beside the same network on one scale and logistic regressions, in every cohort."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from espark.ct.models.catalogue import CT_MODELS
from espark.errors import InputError
from espark.files import write_csv
from espark.plots.results.ablation import ArmAuc, arms_figure
from espark.plots.style import save_figure
from espark.statistics.multiplicity import holm
from espark.steps.ablate.arms import Arm, Cohorts, cohort_aucs, cohort_gains, labelled_cohorts, train_arms
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import model_settings
from espark.training.inputs import Inputs
from espark.training.members.build import train_member
from espark.training.members.catalogue import CT_COMPARATORS
from espark.training.members.mscalect import MScaleCTMember
from espark.training.settings import ModelSettings
from espark.types import REGIONS, DoubleArray, Scale
from espark.work.progress import Reporter
from espark.workspace.config import MScaleCTSettings
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace

_AUC_COLUMNS = ["model", "scales", "cohort", "n", "n_positive", "auc", "ci_low", "ci_high", "method"]
_GAIN_COLUMNS = [
    "model", "scales", "cohort", "n", "auc_gain_of_mscalect", "ci_low", "ci_high", "p_value", "p_adjusted", "test",
]  # fmt: skip


@dataclass(frozen=True)
class CtComparison:
    """What the comparison found.

    Attributes:
        table: AUC by model, scales and cohort.
        gains: MScaleCT against each of the others on the same patients.
        above: by cohort, how many of the others MScaleCT's AUC is above, and of how many.
    """

    table: Path
    gains: Path
    above: dict[str, tuple[int, int]]


VOICES = "voices"
"""Name of the arm in which MScaleCT consists of linear voices, where study.toml names some."""


@dataclass(frozen=True)
class CtArm:
    """One kind of model on some scales.

    Attributes:
        model: key of ``CT_MODELS`` or of ``CT_COMPARATORS``, or ``voices``.
        scales: what it looks at.
    """

    model: str
    scales: tuple[Scale, ...]

    @property
    def name(self) -> str:
        """Folder of its folds."""
        return f"ct-{self.model}-{'-'.join(self.scales)}"

    @property
    def words(self) -> str:
        """Its scales as tables and figures name them."""
        return " + ".join(self.scales)

    def of(self, inputs: Inputs, settings: ModelSettings) -> Arm:
        """How it is trained on the CTs of ``inputs``."""
        seen = inputs.of_scales(self.scales)
        if self.model == VOICES:
            return Arm(self.name, "mscalect", partial(train_member, "mscalect"), settings, [self.model], seen)
        if self.model not in CT_MODELS:
            return Arm(self.name, "mscalect", CT_COMPARATORS[self.model].train, settings, [self.model], seen)
        network = settings.mscalect.model_copy(update={"model": self.model, "voices": ()})
        settings = replace(settings, mscalect=network)
        return Arm(self.name, "mscalect", MScaleCTMember.train, settings, [self.model], seen)


def compare_ct_models(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> CtComparison:
    """Train every arm; write ``evaluation/ablation_ct.csv``, ``ablation_ct-gains.csv`` and the figure ``ablation-ct``.

    A fold of an arm that was trained on the same data with the same settings stays.

    Args:
        workspace: the opened study, prepared.
        workers: folds trained side by side; the result does not depend on it.
        reporter: shows the progress.

    Raises:
        MissingStepError: when nothing was prepared.
        InputError: when no development patient has a CT.
    """
    with recorded(workspace, "ablate-ct", workers=workers) as facts:
        answers = ct_answers(workspace, workers=workers, reporter=reporter or Reporter())
        result = _write(workspace, answers, labelled_cohorts(workspace, load_inputs(workspace).inputs))
        facts.update(arms=[arm.name for arm in answers])
    return result


def ct_answers(workspace: Workspace, *, workers: int, reporter: Reporter) -> dict[CtArm, DoubleArray]:
    """Train what is not trained yet; each arm's (patients,) probabilities, MScaleCT first.

    Raises:
        MissingStepError: when nothing was prepared.
        InputError: when no patient has a CT.
    """
    study = load_inputs(workspace)
    inputs = study.inputs.only("ct")
    if not inputs.has_ct.any():
        raise InputError("no patient has a CT", where=workspace.root)
    settings = model_settings(workspace, study.encoder)
    arms = _arms(inputs.scales, _models(settings.mscalect))
    trained = [arm.of(inputs, settings) for arm in arms]
    found = train_arms(workspace, trained, workers=workers, reporter=reporter, what="ablate --ct")
    return dict(zip(arms, found, strict=True))


def _own(settings: MScaleCTSettings) -> str:
    """What MScaleCT of the study is."""
    return VOICES if settings.voices else settings.model


def _models(settings: MScaleCTSettings) -> list[str]:
    """MScaleCT's own first; of the other CT models, those that need nothing else prepared; the comparators."""
    own, network = _own(settings), settings.model
    others = [name for name, entry in CT_MODELS.items() if name != own and (name == network or not entry.look)]
    return [own, *others, *(name for name in CT_COMPARATORS if name not in CT_MODELS)]


def _title(model: str, own: str) -> str:
    if model in CT_COMPARATORS and model not in CT_MODELS:
        return CT_COMPARATORS[model].title
    title = "Voices" if model == VOICES else CT_MODELS[model].title
    return f"{title} (on all scales: MScaleCT)" if model == own else title


def _arms(scales: tuple[Scale, ...], models: Sequence[str]) -> list[CtArm]:
    """MScaleCT first: every model on all scales, then on the outlined ones, then on each alone."""
    outlined = tuple(scale for scale in scales if scale in REGIONS)
    choices = list(dict.fromkeys([scales, outlined, *((scale,) for scale in scales)])) if len(scales) > 1 else [scales]
    return [CtArm(model, choice) for choice, model in itertools.product(choices, models) if choice]


def _write(workspace: Workspace, answers: Mapping[CtArm, DoubleArray], cohorts: Cohorts) -> CtComparison:
    layout = workspace.layout
    own = _own(workspace.config.mscalect)
    rows, bars = [], []
    for arm, probability in answers.items():
        for cohort, n, positive, estimate in cohort_aucs(probability, cohorts):
            values = (estimate.value, estimate.ci_low, estimate.ci_high, estimate.method)
            rows.append((arm.model, arm.words, cohort, n, positive, *values))
            bars.append(ArmAuc(arm.words, cohort_title(cohort), _title(arm.model, own), estimate))
    write_csv(layout.ablation("ct"), workspace.outcome.named(pd.DataFrame(rows, columns=_AUC_COLUMNS)))
    gains = pd.DataFrame(_gains(answers, cohorts), columns=_GAIN_COLUMNS)
    gains["p_adjusted"] = gains.groupby("cohort")["p_value"].transform(lambda p: holm(p.to_numpy(float)))
    write_csv(layout.ablation("ct-gains"), gains)
    save_figure(arms_figure(bars), layout.figure("ablation-ct"))
    above = {
        str(cohort): (int((part["auc_gain_of_mscalect"] > 0).sum()), len(part))
        for cohort, part in gains.dropna(subset="auc_gain_of_mscalect").groupby("cohort", sort=False)
    }
    return CtComparison(layout.ablation("ct"), layout.ablation("ct-gains"), above)


def _gains(answers: Mapping[CtArm, DoubleArray], cohorts: Cohorts) -> Iterator[tuple[object, ...]]:
    """MScaleCT, the first arm, against the others, on the patients that both answer for."""
    (_, ours), *others = answers.items()
    for arm, theirs in others:
        for cohort, found in cohort_gains(ours, theirs, cohorts):
            numbers = (found.difference, found.ci_low, found.ci_high, found.p_value, np.nan, found.method)
            yield (arm.model, arm.words, cohort, found.n, *numbers)
