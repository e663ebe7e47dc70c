"""Stratified folds of the development patients."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold

from espark.errors import InputError
from espark.types import IntArray
from espark.workspace.config import ProtocolSettings


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
        InputError: when there are fewer patients than folds, or fewer than two of a class.
    """
    rarest = min(Counter(labels).values())
    if len(labels) < folds or rarest < 2:
        raise InputError(
            f"{len(labels)} labelled development patients, {rarest} of the rarer class, are too few for {folds} folds",
            where="cohort.csv",
            expected="at least as many patients as folds and two of each class",
            action="Lower [protocol] folds in study.toml or add patients.",
        )
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
