"""What makes an estimator of scikit-learn of a model: the folds, the calibration and the vote of a study."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags, check_consistent_length
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from espark.catalogue import Catalogue
from espark.ct.models.catalogue import CT_MODELS, CtModelEntry
from espark.errors import EstimatorError, InputError
from espark.models.aggregators.catalogue import AGGREGATORS, AggregatorEntry
from espark.models.fusions.catalogue import FUSIONS, FusionEntry
from espark.pathology.cytology import Cutoffs
from espark.strict_toml import Settings
from espark.training.cross_validation import Development, cross_validate_members
from espark.training.ensemble import Prediction
from espark.training.folds import draw_splits
from espark.training.inputs import Inputs
from espark.training.members.build import train_member
from espark.training.settings import ModelSettings
from espark.types import AnyArray, Calibration, DoubleArray, IntArray, Precision, Voting
from espark.workspace.config import ProtocolSettings, StudyConfig, StudySettings

OperatingPointRule = Literal["youden", "sensitivity_floor"]

_OBJECTS: dict[str, tuple[Catalogue[Any], Callable[[str, Any], object]]] = {
    "model": (CT_MODELS, lambda name, build: CtModelEntry(name, name, network=build)),
    "aggregator": (AGGREGATORS, lambda name, build: AggregatorEntry(name, name, build)),
    "fusion": (FUSIONS, lambda name, build: FusionEntry(name, name, build)),
}
"""By parameter that may be an object: where its names are, and what a function that builds a network becomes."""


@dataclass(kw_only=True, eq=False, repr=False)
class FoldVote(ClassifierMixin, BaseEstimator, abc.ABC):  # type: ignore[misc]
    """What the three estimators share. A parameter is a field: scikit-learn reads them from ``__init__``.

    Attributes:
        classes_: (2,) the labels; the second is the outcome.
        n_features_in_: length of a patient's vector.
        folds_: (patients,) the fold of the first split whose member did not see the patient.
        out_of_fold_: (patients,) probability of the outcome by that member, calibrated on the other folds; NaN for a
            patient without anything to look at.
        ensemble_: the members, with the operating points.
    """

    folds: int = 10
    repeats: int = 1
    calibration: Calibration = "platt"
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
        with contextlib.ExitStack() as lent:
            config = self._config(lent)
            settings = ModelSettings(config.mscalect, config.cytopath, config.espark, self._cutoffs())
            splits = _drawn(labels, centers, config)
            development = Development(inputs, labels, splits)
            members = []
            for fold in range(config.protocol.members):
                seen = development.seen(fold)
                part = (inputs.subset(seen), labels[seen], settings, config.fold_seed(fold))
                members.append(train_member(model, *part))
        validated = cross_validate_members(model, members, development, inputs.subset([]), config.protocol)
        self.ensemble_ = validated.ensemble(members)
        self.folds_ = development.folds
        self.out_of_fold_ = validated.development_probability
        return self

    def _labels(self, y: AnyArray) -> IntArray:
        """(patients,) 0 or 1; sets ``classes_``."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            raise EstimatorError("y holds 1 class", expected="patients with and without the outcome")
        if kind != "binary":
            raise EstimatorError(f"Only binary classification is supported. The type of the target is {kind}")
        return labels.astype(np.int64)

    def _config(self, lent: contextlib.ExitStack) -> StudyConfig:
        """The parameters as a study would name them; pydantic checks their values.

        Args:
            lent: keeps the objects among them known by a name, until it is closed.
        """
        protocol = {
            name: plain(getattr(self, name))
            for name in ("folds", "repeats", "calibration", "voting", "operating_point")
        }
        protocol["min_sensitivity"] = plain(self.min_sensitivity)
        return StudyConfig(
            study=StudySettings(seed=plain(self.random_state)),
            protocol=ProtocolSettings(**protocol),
            **self._sections(lent),
        )

    @abc.abstractmethod
    def _sections(self, lent: contextlib.ExitStack) -> dict[str, Any]:
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
        positive = np.array([answer.probability for answer in self.answers(X)])
        return np.stack([1 - positive, positive], axis=1)

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


def settings_of(
    estimator: BaseEstimator, kind: type[Settings], lent: contextlib.ExitStack, leave_out: tuple[str, ...] = ()
) -> Settings:
    """The parameters of an estimator as a section of study.toml, which checks their values.

    Args:
        estimator: whose.
        kind: the section.
        lent: keeps the objects among them known by a name, until it is closed.
        leave_out: keys of the section that are not parameters.

    Raises:
        EstimatorError: when an object is given that cannot be used.
    """
    names = [name for name in kind.model_fields if name not in leave_out]
    return kind(**{name: _named(name, getattr(estimator, name), lent) for name in names})


def _named(parameter: str, value: Any, lent: contextlib.ExitStack) -> Any:
    """A value as study.toml may hold it: of an object, a name under which it is known for now."""
    if parameter not in _OBJECTS or isinstance(value, str):
        return plain(value)
    catalogue, entry_of = _OBJECTS[parameter]
    if not isinstance(value, catalogue.entry_type):
        if not callable(value):
            raise EstimatorError(
                f"{parameter} is {value!r}",
                expected=f"a name, an entry ({catalogue.entry_type.__name__}) or a function that builds a network",
            )
        value = entry_of(getattr(value, "__name__", parameter), value)
    return lent.enter_context(catalogue.lent(value))


def plain(value: Any) -> Any:
    """A number of numpy, which a search over parameters may hand in, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def _drawn(labels: IntArray, centers: Any, config: StudyConfig) -> IntArray:
    names = ["" for _ in labels] if centers is None else [str(center) for center in centers]
    check_consistent_length(labels, names)
    try:
        return draw_splits(labels.tolist(), names, config.protocol, config.study.seed)
    except InputError as error:
        raise EstimatorError(error.found, expected=error.expected, action="Lower folds.") from error
