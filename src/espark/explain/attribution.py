"""Integrated gradients from the answer back to every radiomic feature."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients

from espark.training.fitting import seeded
from espark.training.inputs import Inputs
from espark.training.members.member import LooksAtCt, Member
from espark.types import DoubleArray, FloatArray

_FEWEST_STEPS = 16
_MOST_STEPS = 1024
_COMPLETE = 1e-3
_SMALLEST_CHANGE = 1e-9


@dataclass(frozen=True)
class CtAttribution:
    """What each radiomic feature adds to the log-odds of the outcome.

    Attributes:
        values: (features,) in log-odds, scale after scale.
        explained: the difference in log-odds between the patient and the mean development patient.
        steps: points of the path at which the gradient was taken.
    """

    values: DoubleArray
    explained: float
    steps: int

    @property
    def completeness(self) -> float:
        """The sum of the values minus the difference that it should explain, relative to this difference."""
        return (float(self.values.sum()) - self.explained) / max(abs(self.explained), _SMALLEST_CHANGE)


class CtAttributor:
    """Attributes the answers of a fold model to the radiomic features of a patient.

    Integrated gradients (Sundararajan, Taly and Yan, ICML 2017) along the straight line from the training mean of
    every feature, with everything else about the patient held fixed. The network is copied in double precision, so that
    a small change of the answer is still explained to the last digit; the line is integrated by Gauss and Legendre's
    rule, with enough points for completeness to one in a thousand. Each patient is a separate batch: the result depends
    neither on the other patients nor on the number of threads.

    Args:
        member: a fold of MScaleCT or eSPARK.

    Raises:
        ValueError: when the model does not look at CT.
    """

    def __init__(self, member: Member):
        if not isinstance(member, LooksAtCt):
            raise ValueError(f"{type(member).__name__} does not look at CT")
        self._scaler = member.scaler
        self._answer = member.ct_answer()

    def standardized(self, inputs: Inputs) -> DoubleArray:
        """(features,) of the one patient in SD of the training patients; 0 where unknown, and at the mean."""
        return self._scaler.transform(inputs.radiomics)[0].double().numpy()

    def attribute(self, inputs: Inputs) -> CtAttribution:
        """Attribute the answer of the one patient in ``inputs``, who has a CT."""
        with seeded(0):
            answer = self._answer(inputs)
            patient = torch.from_numpy(self.standardized(inputs))[None]
            mean = torch.zeros_like(patient)
            with torch.no_grad():
                explained = float(answer(patient) - answer(mean))
            method, steps = IntegratedGradients(answer), _FEWEST_STEPS
            while True:
                values = method.attribute(patient, baselines=mean, n_steps=steps, method="gausslegendre")
                found = CtAttribution(values[0].detach().numpy(), explained, steps)
                if abs(found.completeness) <= _COMPLETE or steps >= _MOST_STEPS:
                    return found
                steps *= 2

    def log_odds_of(self, inputs: Inputs, radiomics: FloatArray) -> DoubleArray:
        """Log-odds (rows,) of the outcome if the patient had other radiomics (rows, features), not standardized."""
        return self.log_odds(inputs, self._scaler.transform(radiomics).double().numpy())

    def log_odds(self, inputs: Inputs, rows: DoubleArray) -> DoubleArray:
        """Log-odds (rows,) of the outcome if the patient had other standardized features.

        Args:
            inputs: one patient; everything except the features is kept.
            rows: (rows, features), standardized.
        """
        with seeded(0), torch.no_grad():
            return self._answer(inputs)(torch.from_numpy(rows)).numpy()


def ct_attribution(member: Member, inputs: Inputs) -> CtAttribution:
    """Attribute one patient's answer to the radiomic features, compared with the mean development patient.

    Args:
        member: a fold of MScaleCT or eSPARK.
        inputs: one patient, with a CT.

    Raises:
        ValueError: when the model does not look at CT.
    """
    return CtAttributor(member).attribute(inputs)
