"""Every choice of a training, and what it was based on: for the bundle, its card and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from espark.catalogue import Plugin
from espark.training.members.member import HasParts, Member
from espark.training.operating_point import OperatingPoint
from espark.training.settings_in_words import TrainingInWords
from espark.types import Modality
from espark.wording import percent


def decisions(
    words: TrainingInWords,
    points: Mapping[Modality, OperatingPoint],
    plugins: Sequence[Plugin] = (),
    members: Sequence[Member] = (),
) -> tuple[str, ...]:
    """The choices that a bundle rests on, one entry each.

    Args:
        words: the settings of the training.
        points: by what the model is given, what was fitted out of fold; first all that it can look at.
        plugins: what the model needs that is not part of espark.
        members: the trained folds.
    """
    return (
        *words.folds(),
        *(f"Plug-in: {plugin}." for plugin in plugins),
        *words.ct(),
        *words.slides(),
        *words.fusion(),
        *words.clinical(),
        *_shares(members),
        *words.epochs(),
        *words.precision(),
        *words.calibration(),
        *words.thresholds(points),
        *words.conformal(),
        *words.development_figures(),
        *words.applicability(),
    )


def _shares(members: Sequence[Member]) -> Iterator[str]:
    """How much each part adds to an answer that is a sum of parts."""
    found = [member.shares() for member in members if isinstance(member, HasParts)]
    names = list(dict.fromkeys(name for shares in found for name in shares))
    if found:
        means = {name: float(np.mean([shares.get(name, 0.0) for shares in found])) for name in names}
        told = ", ".join(f"{name} {percent(share)}" for name, share in means.items())
        yield f"Share of each part in what all parts add to the log-odds (mean over the folds): {told}."
