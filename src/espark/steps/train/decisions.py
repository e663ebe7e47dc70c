"""Every choice of a training, and what it was based on: for the bundle, its card and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from espark.catalogue import Plugin
from espark.training.operating_point import OperatingPoint
from espark.training.settings_in_words import TrainingInWords
from espark.types import Modality


def decisions(
    words: TrainingInWords, points: Mapping[Modality, OperatingPoint], plugins: Sequence[Plugin] = ()
) -> tuple[str, ...]:
    """The choices that a bundle rests on, one entry each.

    Args:
        words: the settings of the training.
        points: by what the model is given, what was fitted out of fold; first all that it can look at.
        plugins: what the model needs that is not part of espark.
    """
    return (
        *words.folds(),
        *(f"Plug-in: {plugin}." for plugin in plugins),
        *words.ct(),
        *words.slides(),
        *words.fusion(),
        *words.clinical(),
        *words.epochs(),
        *words.precision(),
        *words.calibration(),
        *words.thresholds(points),
        *words.conformal(),
        *words.development_figures(),
        *words.applicability(),
    )
