"""Which radiomic features agree with themselves when the contour is drawn a little differently."""

from __future__ import annotations

import itertools

import numpy as np

from espark.errors import FeatureError
from espark.statistics.icc import intraclass_correlation
from espark.training.inputs import Inputs
from espark.training.preprocessing import RadiomicsScaler
from espark.types import BoolArray, DoubleArray, IntArray

_FEWEST = 5


def fit_scaler(inputs: Inputs, min_icc: float) -> RadiomicsScaler:
    """The scaler of a fold, in which features that depend too much on the contour carry nothing.

    Args:
        inputs: training patients.
        min_icc: lowest intraclass correlation of a feature that is kept; 0 keeps all.

    Raises:
        FeatureError: when features are to be left out, but the contours of too few patients were perturbed.
    """
    scaler = RadiomicsScaler.fit(inputs.radiomics)
    return scaler if min_icc <= 0 else scaler.without(~stable_features(inputs, min_icc))


def stable_features(inputs: Inputs, min_icc: float) -> BoolArray:
    """(features,) whether each feature agrees with itself well enough; arguments and errors of :func:`fit_scaler`."""
    if min_icc <= 0:
        return np.ones(inputs.radiomics.shape[1], dtype=bool)
    icc, n, _ = feature_icc(inputs)
    if n.max(initial=0) < _FEWEST:
        raise FeatureError(
            f"min_icc is {min_icc:g}, but perturbed contours are there of {n.max(initial=0)} training patients",
            where="study.toml, [mscalect]",
            expected=f"at least {_FEWEST}",
            action="Set stability_patients in [ct] to 30 and run `espark prepare` again, or set min_icc to 0.",
        )
    return np.asarray(icc[0] >= min_icc)  # a correlation that is not known is not high enough


def feature_icc(inputs: Inputs) -> tuple[DoubleArray, IntArray, int]:
    """Intraclass correlation (absolute agreement) of every feature, the contour as given being one of the drawn ones.

    Returns:
        (3, features) value and its 95 % interval, NaN for a feature that is constant or lacks a value in any patient;
        (features,) number of patients; number of contours of each.
    """
    found = np.full((3, inputs.radiomics.shape[1]), np.nan)
    count = np.zeros(inputs.radiomics.shape[1], dtype=np.int64)
    drawn = [(index, part) for index, part in enumerate(inputs.repeats) if part is not None]
    if not drawn:
        return found, count, 0
    values = np.stack([np.vstack([inputs.radiomics[index], part]) for index, part in drawn]).astype(np.float64)
    edges = np.cumsum([0, *map(len, inputs.feature_names)])
    for start, stop in itertools.pairwise(edges):
        of_scale = values[:, :, start:stop]
        measured = of_scale[np.all(np.isfinite(of_scale).any(axis=2), axis=1)]
        count[start:stop] = len(measured)
        whole = np.flatnonzero(np.isfinite(measured).all(axis=(0, 1)))
        if len(measured) >= 2 and len(whole):
            result = intraclass_correlation(measured[:, :, whole])
            found[:, start + whole] = result.value, result.ci_low, result.ci_high
    return found, count, values.shape[1]
