"""Learning curves of a study of one's own: its recipe on smaller samples of its development patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from espark.errors import InputError
from espark.statistics.auc import auc, paired_delong
from espark.statistics.calibration import calibration_slope
from espark.training.cross_validation import Development, cross_validate_members
from espark.training.folds import draw_splits
from espark.training.inputs import Inputs
from espark.training.members.build import train_members
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray
from espark.workspace.config import ProtocolSettings

_FEWEST_TESTED = 20
_FOLDS = 5


@dataclass(frozen=True)
class Recipe:
    """How the models of a curve are trained.

    Attributes:
        models: names of the models.
        settings: their settings.
        protocol: folds, calibration and threshold.
        seed: of folds and weights.
    """

    models: tuple[str, ...]
    settings: ModelSettings
    protocol: ProtocolSettings
    seed: int

    def of_curves(self) -> Recipe:
        """The same with five folds of one split: a point of a curve is an average of many trainings anyway."""
        return replace(self, protocol=self.protocol.model_copy(update={"folds": _FOLDS, "repeats": 1}))


def answers_of(
    recipe: Recipe, inputs: Inputs, labels: IntArray, centers: Sequence[str], others: Inputs
) -> dict[str, DoubleArray]:
    """Train on some patients and answer for others.

    Args:
        recipe: how.
        inputs: patients to train on.
        labels: (patients,) 0 or 1.
        centers: their centers.
        others: patients to answer for.

    Returns:
        By model, (others,) calibrated probabilities; NaN for a patient whom the model cannot look at.
    """
    development = Development(inputs, labels, draw_splits(labels.tolist(), centers, recipe.protocol, recipe.seed))
    members = []
    for fold in range(recipe.protocol.members):
        seen = development.seen(fold)
        members.append(train_members(recipe.models, inputs.subset(seen), labels[seen], recipe.settings, recipe.seed))
    found = {}
    for model in recipe.models:
        trained = [member[model] for member in members]
        voted = cross_validate_members(model, trained, development, others, recipe.protocol).answers(others)
        found[model] = np.array([np.nan if answer is None else answer.probability for answer in voted])
    return found


def sizes_of(patients: int) -> list[int]:
    """Sizes of the samples: a third, a half and two thirds of the patients, with at least twenty left to test.

    Raises:
        InputError: when there are fewer than sixty patients.
    """
    if patients < 3 * _FEWEST_TESTED:
        raise InputError(
            f"the study has {patients} development patients",
            expected=f"at least {3 * _FEWEST_TESTED}, so that a part of them can test what the others teach",
            action="Use the shipped curves: leave --study out.",
        )
    return [round(patients * share) for share in (1 / 3, 1 / 2, 2 / 3)]


def draws_of(
    recipe: Recipe, inputs: Inputs, labels: IntArray, centers: Sequence[str], repeats: int
) -> Iterator[dict[str, float]]:
    """One row for each sample: sizes of :func:`sizes_of`, each ``repeats`` times; the rest are tested."""
    for draw in range(1, repeats + 1):
        for n in sizes_of(len(labels)):
            rng = np.random.default_rng([recipe.seed, n, draw])
            chosen = _stratified(labels, n, rng)
            left = np.setdiff1d(np.arange(len(labels)), chosen)
            answers = answers_of(
                recipe, inputs.subset(chosen), labels[chosen], [centers[place] for place in chosen], inputs.subset(left)
            )
            yield {"n": n, "draw": draw, **scores(answers, labels[left])}


def _stratified(labels: IntArray, n: int, rng: np.random.Generator) -> IntArray:
    """Places of n patients with the share of the outcome that all have."""
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    count = round(n * len(positive) / len(labels))
    parts = [rng.choice(positive, count, replace=False), rng.choice(negative, n - count, replace=False)]
    return np.sort(np.concatenate(parts))


def scores(answers: dict[str, DoubleArray], labels: IntArray) -> dict[str, float]:
    """AUC and calibration slope of each model, and eSPARK against its parts; patients with every answer alone."""
    known = np.isfinite(np.stack(list(answers.values()))).all(axis=0)
    seen = {model: found[known] for model, found in answers.items()}
    row: dict[str, float] = {}
    for model, found in seen.items():
        row |= {f"auc_{model}": auc(labels[known], found).value}
        row |= {f"slope_{model}": calibration_slope(labels[known], found).value}
    return row | gains(seen, labels[known])


def gains(answers: dict[str, DoubleArray], labels: IntArray) -> dict[str, float]:
    """Gain of eSPARK over each part in AUC, with DeLong's p; nothing without all three models."""
    row: dict[str, float] = {}
    for part in ("mscalect", "cytopath"):
        if part in answers and "espark" in answers:
            found = paired_delong(labels, answers["espark"], answers[part])
            row |= {f"gain_{part}": found.difference, f"p_{part}": found.p_value}
    return row


def table_of(rows: Sequence[dict[str, float]]) -> pd.DataFrame:
    """The rows without those in which a figure cannot be given, such as a slope of separated patients."""
    return pd.DataFrame(rows).dropna()
