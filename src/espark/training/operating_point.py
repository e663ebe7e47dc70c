"""From a model's raw answer to a calibrated probability, a decision and a set of labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from espark.statistics.calibration import PlattCalibrator
from espark.statistics.classification import youden_threshold
from espark.statistics.conformal import ConformalSets
from espark.types import DoubleArray, IntArray
from espark.workspace.config import ProtocolSettings


@dataclass(frozen=True)
class OperatingPoint:
    """Calibrator, threshold and conformal sets, fitted together on predictions for patients a model did not see.

    Attributes:
        calibrator: applied to every member's probability before the mean is taken.
        threshold: calibrated probability at or above which the outcome is predicted.
        sets: conformal sets of the calibrated probability.
    """

    calibrator: PlattCalibrator
    threshold: float
    sets: ConformalSets

    @classmethod
    def fit(cls, labels: IntArray, raw: DoubleArray, protocol: ProtocolSettings) -> OperatingPoint:
        """Fit on out-of-fold predictions.

        Args:
            labels: (patients,) 0 or 1, with both classes.
            raw: (patients,) probabilities, not calibrated.
            protocol: how to calibrate, how the threshold is chosen, and the coverage of the sets.
        """
        fit = PlattCalibrator.fit_anchored if protocol.calibration == "anchored" else PlattCalibrator.fit
        calibrator = fit(labels, raw)
        calibrated = calibrator.apply(raw)
        floor = protocol.min_sensitivity if protocol.operating_point == "sensitivity_floor" else None
        return cls(
            calibrator,
            youden_threshold(labels, calibrated, min_sensitivity=floor),
            ConformalSets.fit(labels, calibrated, protocol.coverage),
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "calibrator": self.calibrator.to_dict(),
            "threshold": self.threshold,
            "conformal": self.sets.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> OperatingPoint:
        """From what :meth:`to_dict` gave.

        Raises:
            ValueError: when ``values`` are not those of an operating point.
        """
        try:
            threshold = float(values["threshold"])
            calibrator, sets = (
                PlattCalibrator.from_dict(values["calibrator"]),
                ConformalSets.from_dict(values["conformal"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an operating point: {dict(values)!r}") from error
        if not 0 <= threshold <= 1:
            raise ValueError(f"a threshold lies in [0, 1], found {threshold}")
        return cls(calibrator, threshold, sets)


@dataclass(frozen=True)
class CrossFitted:
    """Development predictions; every number in them was fitted on other folds.

    Attributes:
        probability: (patients,) calibrated.
        prediction: (patients,) 0 or 1.
        sets: one conformal set a patient.
        points: by fold, what the other folds give: what the patients of the fold are answered with.
    """

    probability: DoubleArray
    prediction: IntArray
    sets: tuple[str, ...]
    points: Mapping[int, OperatingPoint]


def cross_fit(labels: IntArray, raw: DoubleArray, folds: IntArray, protocol: ProtocolSettings) -> CrossFitted:
    """Calibrate, decide and form sets for each fold with an operating point fitted on all other folds.

    Args:
        labels: (patients,) 0 or 1.
        raw: (patients,) out-of-fold probabilities, not calibrated.
        folds: (patients,) fold of each patient.
        protocol: as in :meth:`OperatingPoint.fit`.
    """
    probability = np.empty(len(labels))
    prediction = np.empty(len(labels), dtype=np.int64)
    sets = [""] * len(labels)
    points: dict[int, OperatingPoint] = {}
    for fold in np.unique(folds).tolist():
        held_out, others = np.flatnonzero(folds == fold), folds != fold
        points[fold] = point = OperatingPoint.fit(labels[others], raw[others], protocol)
        probability[held_out] = point.calibrator.apply(raw[held_out])
        prediction[held_out] = probability[held_out] >= point.threshold
        for index, labels_in_set in zip(held_out, point.sets.predict(probability[held_out]), strict=True):
            sets[index] = labels_in_set
    return CrossFitted(probability, prediction, tuple(sets), points)
