"""Logistic regression on radiomics: the comparator of the CT networks."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

from espark.training.feature_choice import class_difference
from espark.training.inputs import Inputs
from espark.training.members.state import MemberState, linear_state, restored_linear, restored_scaler, scaler_state
from espark.training.preprocessing import RadiomicsScaler
from espark.training.settings import ModelSettings
from espark.training.stability import fit_scaler
from espark.types import BoolArray, DoubleArray, IntArray

Penalty = Literal["l1", "l2"]

_KEPT = (10, 30, 100)
_STRENGTHS = (0.01, 0.1, 1.0)
_INNER_FOLDS = 5
_FEWEST_IN_A_FOLD = 2  # patients of each class


class CtLogisticMember:
    """A fold of a logistic regression on radiomics.

    Args:
        scaler: fitted on the training part of the fold.
        weights: (features,) one a standardized feature; 0 for those that were not selected.
        intercept: log-odds of the mean patient.
    """

    def __init__(self, scaler: RadiomicsScaler, weights: DoubleArray, intercept: float):
        self.scaler = scaler
        self.weights = weights
        self.intercept = intercept

    @classmethod
    def train(
        cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int, *, penalty: Penalty = "l2"
    ) -> Self:
        """Fit on the training part of a fold; patients without CT are left out.

        The features that differ most between the classes are kept. How many, and how strong the penalty
        is, cross-validation inside the training part decides, with the selection repeated in each of its parts.
        """
        keep = np.flatnonzero(inputs.has_ct)
        inputs, targets = inputs.subset(keep), labels[keep]
        scaler = fit_scaler(inputs, settings.mscalect.min_icc)
        values = scaler.transform(inputs.radiomics).numpy().astype(np.float64)
        carrying = np.flatnonzero(np.ptp(values, axis=0) > 0) if len(values) else np.zeros(0, np.int64)
        weights = np.zeros(values.shape[1])
        if not len(carrying):
            share = (targets.sum() + 0.5) / (len(targets) + 1)
            return cls(scaler, weights, float(np.log(share / (1 - share))))
        selector, model = _fitted(values[:, carrying], targets, penalty, seed)
        weights[carrying[selector.get_support()]] = model.coef_[0]
        return cls(scaler, weights, float(model.intercept_[0]))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known scale."""
        return inputs.has_ct

    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without CT."""
        odds = self.scaler.transform(inputs.radiomics).numpy().astype(np.float64) @ self.weights + self.intercept
        return np.where(self.usable(inputs), odds, np.nan)

    def state(self) -> MemberState:
        """Scaler and weights."""
        return scaler_state(self.scaler) | linear_state(self.weights, self.intercept)

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described."""
        del inputs, settings
        return cls(restored_scaler(state), *restored_linear(state))


def _fitted(
    values: DoubleArray, labels: IntArray, penalty: Penalty, seed: int
) -> tuple[SelectKBest, LogisticRegression]:
    """Selection and regression, with the number of features and the strength that inner folds choose."""
    # The intercept is penalized too by this solver; a large scaling makes that negligible.
    regression = LogisticRegression(
        l1_ratio=1.0 if penalty == "l1" else 0.0, solver="liblinear", intercept_scaling=10.0, max_iter=1000,
        random_state=seed % 2**32,
    )  # fmt: skip
    pipeline = make_pipeline(SelectKBest(class_difference), regression)
    kept = sorted({min(number, values.shape[1]) for number in _KEPT})
    folds = min(_INNER_FOLDS, int(np.bincount(labels, minlength=2).min()) // _FEWEST_IN_A_FOLD)
    if folds < 2:
        pipeline.set_params(selectkbest__k=kept[0], logisticregression__C=_STRENGTHS[1])
        chosen = pipeline.fit(values, labels)
    else:
        search = GridSearchCV(
            pipeline,
            {"selectkbest__k": kept, "logisticregression__C": _STRENGTHS},
            scoring="neg_log_loss",
            cv=StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32),
        )
        chosen = search.fit(values, labels).best_estimator_
    return chosen[0], chosen[1]
