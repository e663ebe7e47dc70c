"""Every model trained on every fold, and what is fitted on the answers for the patients that a fold did not see.

A study, an ablation and an estimator all take this way. They differ in how they train a fold and in where they keep it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from espark.training.ensemble import Ensemble, Prediction, voted
from espark.training.fold_answers import FoldAnswers
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.training.members.member import Member
from espark.training.operating_point import CrossFitted, OperatingPoint, cross_fit
from espark.types import DoubleArray, IntArray, Modality
from espark.workspace.config import ProtocolSettings

_FEWEST_FOR_OPERATING_POINT = 5
"""Patients of each class."""


@dataclass(frozen=True)
class Development:
    """The labelled development patients.

    Attributes:
        inputs: what the models look at.
        labels: (patients,) 0 or 1.
        splits: (splits, patients) of each split, the fold that does not see the patient in training.
    """

    inputs: Inputs
    labels: IntArray
    splits: IntArray

    @property
    def folds(self) -> IntArray:
        """(patients,) folds of the first split: what is cross-fitted is fitted on its other folds."""
        first: IntArray = self.splits[0]
        return first

    @property
    def unseen(self) -> IntArray:
        """(splits, patients) the member of each split that did not see the patient, numbered split by split."""
        count = int(self.folds.max()) + 1
        return np.asarray(self.splits + count * np.arange(len(self.splits))[:, None])

    def seen(self, member: int) -> IntArray:
        """Places of the patients whom a member is trained on."""
        return np.flatnonzero((self.unseen != member).all(axis=0))

    def held_out(self, member: int) -> IntArray:
        """Places of the patients whom a member does not see in training."""
        return np.flatnonzero((self.unseen == member).any(axis=0))


@dataclass(frozen=True)
class CrossValidated:
    """A model that was trained on every fold, with what is fitted on its out-of-fold answers.

    Attributes:
        model: name in the catalogue.
        development: whom the folds were trained on.
        protocol: how the threshold is chosen, how the folds vote, the coverage of the sets.
        out_of_fold: by what the model is given, (development patients,) probability by the fold that did not see the
            patient, not calibrated; of several splits, at the mean log-odds. NaN where there is nothing to look at.
            First all that the model looks at.
        points: by what the model is given, calibrator, threshold and sets for patients outside development.
        others: (folds, patients outside development) probability of each fold, not calibrated.
    """

    model: str
    development: Development
    protocol: ProtocolSettings
    out_of_fold: Mapping[Modality, DoubleArray]
    points: Mapping[Modality, OperatingPoint]
    others: DoubleArray

    @property
    def pooled(self) -> DoubleArray:
        """(development patients,) out-of-fold probability from the modalities that each patient has, not calibrated."""
        return self.out_of_fold[MODELS[self.model].answers_from[0]]

    @functools.cached_property
    def usable(self) -> IntArray:
        """Places of the development patients who have something to look at."""
        return np.flatnonzero(np.isfinite(self.pooled))

    @functools.cached_property
    def cross_fitted(self) -> CrossFitted:
        """Answers for the usable development patients; everything fitted for them comes from the other folds."""
        labels, folds = self.development.labels[self.usable], self.development.folds[self.usable]
        return cross_fit(labels, self.pooled[self.usable], folds, self.protocol)

    @property
    def development_probability(self) -> DoubleArray:
        """(development patients,) cross-fitted probability; NaN where there is nothing to look at."""
        found = np.full(len(self.pooled), np.nan)
        found[self.usable] = self.cross_fitted.probability
        return found

    def answers(self, others: Inputs) -> list[Prediction | None]:
        """The vote of all folds for each patient outside development; None where there is nothing to look at.

        Args:
            others: the patients whom the folds were asked about, in the same order.
        """
        return voted(self.model, self.others, others, self.points, self.protocol.voting)

    def ensemble(self, members: Sequence[Member]) -> Ensemble:
        """The folds, one member each, to be asked about further patients."""
        return Ensemble(self.model, tuple(members), self.points, self.protocol.voting)


def cross_validate(
    model: str, folds: Sequence[FoldAnswers], development: Development, protocol: ProtocolSettings
) -> CrossValidated:
    """Fit an operating point for each modality on what every fold answers about the patients whom it did not see.

    Args:
        model: name in the catalogue.
        folds: what each fold answers.
        development: whom the folds were trained on.
        protocol: how the threshold is chosen, how the folds vote, the coverage of the sets.
    """
    raw = {modality: _out_of_fold(folds, development, modality) for modality in MODELS[model].answers_from}
    points = _operating_points(raw, development.labels, protocol)
    return CrossValidated(model, development, protocol, raw, points, expit(np.stack([fold.others for fold in folds])))


def cross_validate_members(
    model: str, members: Sequence[Member], development: Development, others: Inputs, protocol: ProtocolSettings
) -> CrossValidated:
    """:func:`cross_validate` with trained members, one a fold, which are also asked about ``others``."""
    asked = [development.inputs.subset(development.held_out(fold)) for fold in range(len(members))]
    folds = [FoldAnswers.ask(model, member, part, others) for member, part in zip(members, asked, strict=True)]
    return cross_validate(model, folds, development, protocol)


def _out_of_fold(folds: Sequence[FoldAnswers], development: Development, modality: Modality) -> DoubleArray:
    log_odds = np.zeros(len(development.labels))
    for fold, answers in enumerate(folds):
        log_odds[development.held_out(fold)] += answers.held_out[modality]
    # Not `expit`, which rounds differently: the predictions of a study stay the same to the last bit.
    raw: DoubleArray = 1 / (1 + np.exp(-log_odds / len(development.splits)))
    return raw


def _operating_points(
    raw: Mapping[Modality, DoubleArray], labels: IntArray, protocol: ProtocolSettings
) -> dict[Modality, OperatingPoint]:
    """One for each modality; where too few patients have it, that of all patients."""
    pooled = next(iter(raw.values()))
    points: dict[Modality, OperatingPoint] = {}
    for modality, values in raw.items():
        known = labels[np.isfinite(values)]
        few = min(known.sum(), (1 - known).sum()) < _FEWEST_FOR_OPERATING_POINT
        used = pooled if few else values
        usable = np.isfinite(used)
        points[modality] = OperatingPoint.fit(labels[usable], used[usable], protocol)
    return points
