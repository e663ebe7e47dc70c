"""What makes an estimator of scikit-learn of a model: the folds, the calibration and the vote of a study."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from espark.errors import EstimatorError, InputError
from espark.pathology.cytology import Cutoffs
from espark.strict_toml import Settings
from espark.training.cross_validation import Development, cross_validate_members
from espark.training.ensemble import Prediction
from espark.training.folds import draw_folds
from espark.training.inputs import Inputs
from espark.training.members.build import train_member
from espark.training.settings import ModelSettings
from espark.types import AnyArray, DoubleArray, IntArray, Precision, Voting
from espark.workspace.config import ProtocolSettings, StudyConfig, StudySettings

OperatingPointRule = Literal["youden", "sensitivity_floor"]


@dataclass(kw_only=True, eq=False, repr=False)
class FoldVote(ClassifierMixin, BaseEstimator, abc.ABC):  # type: ignore[misc]
    """What the three estimators share. A parameter is a field: scikit-learn reads them from ``__init__``.

    Attributes:
        classes_: (2,) the labels; the second is the response.
        n_features_in_: length of a patient's vector.
        folds_: (patients,) the fold whose member did not see the patient.
        out_of_fold_: (patients,) probability of response by that member, calibrated on the other folds; NaN for a
            patient without anything to look at.
        ensemble_: the members, with the operating points.
    """

    folds: int = 10
    voting: Voting = "soft"
    operating_point: OperatingPointRule = "youden"
    min_sensitivity: float = 0.9
    random_state: int = 3407
    epochs: int = 25
    learning_rate: float = 3e-4
    weight_decay: float = 1e-4
    warmup_epochs: int = 5
    label_smoothing: float = 0.1
    batch_size: int = 1
    inner_share: float = 0.0
    patience: int = 0
    precision: Precision = "float32"

    def _fit(self, model: str, inputs: Inputs, y: AnyArray, centers: Any) -> Self:
        labels = self._labels(y)
        config = self._config()
        settings = ModelSettings(config.mscalect, config.cytopath, config.espark, self._cutoffs())
        folds = _drawn(labels, centers, config)
        development = Development(inputs, labels, folds)
        members = []
        for fold in range(config.protocol.folds):
            seen = development.seen(fold)
            members.append(train_member(model, inputs.subset(seen), labels[seen], settings, config.fold_seed(fold)))
        validated = cross_validate_members(model, members, development, inputs.subset([]), config.protocol)
        self.ensemble_ = validated.ensemble(members)
        self.folds_ = folds
        self.out_of_fold_ = validated.development_probability
        return self

    def _labels(self, y: AnyArray) -> IntArray:
        """(patients,) 0 or 1; sets ``classes_``."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise EstimatorError("y holds 1 class", expected="patients with and without a response")
        if kind != "binary":
            raise EstimatorError(f"Only binary classification is supported. The type of the target is {kind}")
        return labels.astype(np.int64)

    def _config(self) -> StudyConfig:
        """The parameters as a study would say them; pydantic checks their values."""
        protocol = {name: plain(getattr(self, name)) for name in ("folds", "voting", "operating_point")}
        protocol["min_sensitivity"] = plain(self.min_sensitivity)
        return StudyConfig(
            study=StudySettings(seed=plain(self.random_state)),
            protocol=ProtocolSettings(**protocol),
            **self._sections(),
        )

    @abc.abstractmethod
    def _sections(self) -> dict[str, Any]:
        """By model, its settings."""

    def _cutoffs(self) -> Cutoffs:
        return Cutoffs()

    @abc.abstractmethod
    def _read(self, X: Any) -> Inputs:
        """Patients to be asked about, checked against those of the fit."""

    def answers(self, X: Any) -> list[Prediction]:
        """The whole answer for each patient: probability, spread of the members, call, conformal set.

        Raises:
            EstimatorError: when there is nothing to look at in a patient.
        """
        check_is_fitted(self)
        found = self.ensemble_.predict(self._read(X))
        empty = [str(index) for index, answer in enumerate(found) if answer is None]
        if empty:
            raise EstimatorError(f"there is nothing to look at in patient {', '.join(empty)}", where="X")
        return [answer for answer in found if answer is not None]

    def predict_proba(self, X: Any) -> DoubleArray:
        """(patients, 2) calibrated probability of each class, in the order of ``classes_``."""
        response = np.array([answer.probability for answer in self.answers(X)])
        return np.stack([1 - response, response], axis=1)

    def predict(self, X: Any) -> AnyArray:
        """(patients,) the class of each, called at the fitted threshold, by the vote that was asked for."""
        answers = self.answers(X)
        calls: AnyArray = self.classes_[[answer.prediction for answer in answers]]
        return calls

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags


def settings_of(estimator: BaseEstimator, kind: type[Settings], leave_out: tuple[str, ...] = ()) -> Settings:
    """The parameters of an estimator as a section of study.toml, which checks their values."""
    names = [name for name in kind.model_fields if name not in leave_out]
    return kind(**{name: plain(getattr(estimator, name)) for name in names})


def plain(value: Any) -> Any:
    """A number of numpy, which a search over parameters may hand in, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def _drawn(labels: IntArray, centers: Any, config: StudyConfig) -> IntArray:
    names = ["" for _ in labels] if centers is None else [str(center) for center in centers]
    check_consistent_length(labels, names)
    try:
        return draw_folds(labels.tolist(), names, folds=config.protocol.folds, seed=config.study.seed)
    except InputError as error:
        raise EstimatorError(error.found, expected=error.expected, action="Lower folds.") from error
