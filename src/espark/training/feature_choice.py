"""Which radiomic features MScaleCT looks at: by name, and by what the training patients of a fold show."""

from __future__ import annotations

import fnmatch

import numpy as np

from espark.errors import FeatureError
from espark.training.inputs import Inputs
from espark.training.preprocessing import RadiomicsScaler
from espark.types import BoolArray, DoubleArray, IntArray
from espark.workspace.config import MScaleCTSettings


def choose_features(
    scaler: RadiomicsScaler, inputs: Inputs, labels: IntArray, settings: MScaleCTSettings
) -> RadiomicsScaler:
    """Let the features that are not chosen carry nothing.

    Args:
        scaler: fitted on ``inputs``.
        inputs: the training patients of a fold.
        labels: (patients,) 0 or 1.
        settings: names that may enter, and how many of them are kept.

    Raises:
        FeatureError: when no feature has such a name.
    """
    named = named_features(inputs, settings.features)
    if not settings.selected:
        return scaler if named.all() else scaler.without(~named)
    values = scaler.transform(inputs.radiomics).numpy().astype(np.float64)
    strength = np.where(named, class_difference(values, labels), -1.0)
    # Stable, so that the first of two equally strong features is kept on every machine.
    order = np.argsort(-strength, kind="stable")[: int(named.sum())]
    left_out = np.ones(len(named), bool)
    left_out[first_unlike(values, order, most=settings.selected, max_correlation=settings.max_correlation)] = False
    return scaler.without(left_out)


def first_unlike(values: DoubleArray, order: IntArray, *, most: int, max_correlation: float) -> list[int]:
    """The first features of an order, without those that are much like one already taken.

    Args:
        values: (patients, features), without NaN.
        order: places of features, the best first.
        most: how many are taken, at most.
        max_correlation: a feature whose |correlation| with one taken is higher is passed over.
    """
    centred, size = _centred(values)
    unit = centred / size
    taken: list[int] = []
    for place in order.tolist():
        if len(taken) == most:
            break
        # A correlation of 1 may come out a rounding above it.
        if max_correlation == 1 or not taken or np.abs(unit[:, taken].T @ unit[:, place]).max() <= max_correlation:
            taken.append(place)
    return taken


def class_difference(values: DoubleArray, labels: IntArray) -> DoubleArray:
    """(features,) |correlation| of each feature with the label, which ranks as ANOVA's F does; 0 for a constant one.

    Args:
        values: (patients, features), without NaN.
        labels: (patients,) 0 or 1.
    """
    centred, size = _centred(values)
    strength: DoubleArray = np.abs(centred.T @ (labels - labels.mean())) / size
    return strength


def _centred(values: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """(patients, features) values about their mean, and (features,) their length, infinite for a constant feature."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    return centred, np.where(length > 0, length, np.inf)


def named_features(inputs: Inputs, patterns: tuple[str, ...]) -> BoolArray:
    """(features,) whether the name of each feature fits one of the patterns.

    Raises:
        FeatureError: when no feature has such a name.
    """
    names = [name for scale in inputs.feature_names for name in scale]
    named = np.array([any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns) for name in names], bool)
    if names and not named.any():
        raise FeatureError(
            f"no radiomic feature is called {' or '.join(patterns)}",
            where="study.toml, [mscalect] features",
            expected=f"names such as {names[0]}",
            action="Correct the names, or leave the line out.",
        )
    _check_image(inputs, named, patterns)
    return named


def _check_image(inputs: Inputs, named: BoolArray, patterns: tuple[str, ...]) -> None:
    """Names chosen for radiomics alone would leave a CT model without what it computes from the image."""
    places = [scale for scale, part in zip(inputs.scales, inputs.feature_names, strict=True) for _ in part]
    of_image = np.array([scale == "image" for scale in places], bool)
    if of_image.any() and not named[of_image].any():
        raise FeatureError(
            f"none of the numbers that the CT model computes from the image is called {' or '.join(patterns)}",
            where="study.toml, [mscalect] features",
            expected=f"their names, such as {inputs.feature_names[inputs.scales.index('image')][0]}, too",
            action='Add them, or "*" for everything.',
        )
