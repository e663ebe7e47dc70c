"""Stratified folds of the development patients."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold

from espark.errors import InputError
from espark.types import BoolArray, IntArray
from espark.workspace.config import ProtocolSettings

_FEWEST_OF_A_CLASS = 2


def too_few(labels: Sequence[int], folds: int, outcome: str = "the outcome") -> InputError | None:
    """The error when there are too few patients to draw folds from; None when there are enough.

    Args:
        labels: 0 or 1.
        folds: number of folds.
        outcome: its name.
    """
    counts = Counter(labels)
    if max(counts[0], counts[1]) >= folds and min(counts[0], counts[1]) >= _FEWEST_OF_A_CLASS:
        return None
    return InputError(
        f"{len(labels)} labelled development patients, {counts[1]} with {outcome} and {counts[0]} without, are too few "
        f"for {folds} folds",
        where="cohort.csv",
        expected=f"at least {folds} patients of one class and {_FEWEST_OF_A_CLASS} of the other",
        action="Lower [protocol] folds in study.toml or add patients.",
    )


def too_few_with(
    labels: Sequence[int] | IntArray,
    folds: IntArray,
    known: Sequence[bool] | BoolArray,
    what: str,
    outcome: str = "the outcome",
) -> InputError | None:
    """The error when the folds cannot be trained on the patients who have something; None when they can.

    Args:
        labels: (patients,) 0 or 1.
        folds: (patients,) the fold that does not see the patient.
        known: (patients,) who has it; when nobody has it, nothing is trained on it.
        what: what they have, in words.
        outcome: its name.
    """
    classes, has = np.asarray(labels), np.asarray(known, dtype=bool)
    held_out = np.unique(folds[has]).tolist()
    if all(len(set(classes[has & (folds != fold)].tolist())) == 2 for fold in held_out):
        return None
    counts = [int((classes[has] == label).sum()) for label in (1, 0)]
    return InputError(
        f"of the development patients with {what}, {counts[0]} have {outcome} and {counts[1]} do not, and without one "
        "of the folds a class is empty",
        where="cohort.csv",
        expected=f"patients with {what} of each class in at least two folds",
        action=f"Add patients with {what}, or leave {what} out.",
        code="E-STUDY-009",
    )


def draw_splits(labels: Sequence[int], centers: Sequence[str], protocol: ProtocolSettings, seed: int) -> IntArray:
    """(splits, patients) folds of every split; the first is that of :func:`draw_folds` with the same seed.

    Args:
        labels: 0 or 1.
        centers: center of each patient.
        protocol: how many folds and splits.
        seed: seed of the first split.

    Raises:
        InputError: as :func:`draw_folds`.
    """
    # No other study is likely to have a seed so far away.
    seeds = [(seed + 1_000_003 * split) % 2**32 for split in range(protocol.repeats)]
    return np.stack([draw_folds(labels, centers, folds=protocol.folds, seed=own) for own in seeds])


def draw_folds(labels: Sequence[int], centers: Sequence[str], *, folds: int, seed: int) -> IntArray:
    """Assign each development patient to the fold that will not see it in training.

    Folds are stratified by label and, where development has several centers, by center too.

    Args:
        labels: 0 or 1.
        centers: center of each patient.
        folds: number of folds.
        seed: seed of the shuffle.

    Returns:
        (patients,) fold number from 0.

    Raises:
        InputError: when neither class has as many patients as there are folds, or a class has fewer than two.
    """
    if problem := too_few(labels, folds):
        raise problem
    strata = [f"{label}|{center}" for label, center in zip(labels, centers, strict=True)]
    if min(Counter(strata).values()) < folds:  # too few of a stratum to spread: the label matters more
        strata = [str(label) for label in labels]
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    fold_of = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        for fold, (_, validation) in enumerate(splitter.split(np.zeros(len(labels)), strata)):
            fold_of[validation] = fold
    return fold_of
