"""The three models as scikit-learn estimators: folds, calibration and vote are those of a study.

What a study does with files, these do with arrays: stratified folds, one member a fold, an operating point fitted out
of fold, and for a new patient the mean of the calibrated members. ``predict`` calls at the fitted threshold, which is
seldom 0.5. The class that sorts last is the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import Tags, assert_all_finite, check_consistent_length, column_or_1d
from sklearn.utils.validation import validate_data

from espark.ct.models.catalogue import BuildCtNetwork, CtModelEntry
from espark.errors import EstimatorError
from espark.estimators.estimator_inputs import bags_of, inputs_of_bags, inputs_of_pairs, inputs_of_table
from espark.estimators.fold_vote import FoldVote, plain, settings_of
from espark.models.aggregators.catalogue import AggregatorEntry, BuildAggregator
from espark.models.fusions.catalogue import BuildFusion, FusionEntry
from espark.pathology.cytology import Cutoffs
from espark.training.inputs import Inputs
from espark.types import AnyArray, SlideVoice
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings


@dataclass(kw_only=True, eq=False, repr=False)
class MScaleCT(FoldVote):
    """MScaleCT on a table of radiomic features.

    Args:
        folds: stratified folds; one member each.
        repeats: splits into folds.
        calibration: how answers become probabilities, ``platt`` or ``anchored``.
        voting: how the members come to one call, ``soft`` or ``majority``.
        operating_point: how the threshold is chosen, ``youden`` or ``sensitivity_floor``.
        min_sensitivity: the floor.
        random_state: seed of folds and weights; same seed, same result.
        epochs: passes over the training patients.
        learning_rate: highest learning rate.
        weight_decay: of AdamW.
        warmup_epochs: epochs of linear warm-up.
        label_smoothing: of the cross-entropy.
        batch_size: patients in a batch.
        inner_share: share of a fold's training patients set aside to choose its epoch.
        patience: with inner_share, stop after so many epochs without a lower loss; 0 for never.
        precision: numbers in which layers are multiplied in training, float32 or bfloat16.
        model: the network: a name in `espark.ct.models.catalogue.CT_MODELS`, a `CtModelEntry`, or a function or class
            that builds it from ``features``, ``width``, ``depth`` and ``scale_dropout``. What a model computes from the
            image itself is expected in the table, in columns ``image__<name>``.
        voices: linear models in the place of the network, such as ``("leading", "ridge", "components")``; a scale after
            a colon, as in ``ridge:tumor``, leaves the other scales out.
        width: units of each layer.
        depth: number of layers.
        selected: features kept in each fold, those that differ most between the classes in its training part; all
            when 0.
        max_correlation: with selected, a feature more like a stronger one than this |correlation| is passed over.
        scale_dropout: how often one of two known scales is hidden in training.

    Example:
        >>> import numpy as np
        >>> from espark import MScaleCT
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(40) % 2
        >>> radiomics = rng.normal(size=(40, 5)) + 2 * labels[:, None]
        >>> model = MScaleCT(folds=4, epochs=20, learning_rate=1e-2, width=16).fit(radiomics, labels)
        >>> model.predict_proba(radiomics[:3]).shape
        (3, 2)
        >>> float((model.predict(radiomics) == labels).mean()) > 0.9
        True
    """

    epochs: int = 50
    learning_rate: float = 1e-4
    label_smoothing: float = 0.2
    batch_size: int = 256
    model: str | CtModelEntry | BuildCtNetwork = "network"
    voices: tuple[str, ...] = ()
    width: int = 192
    depth: int = 3
    selected: int = 0
    max_correlation: float = 1.0
    scale_dropout: float = 0.1

    def fit(self, X: Any, y: npt.ArrayLike, *, centers: Sequence[str] | None = None) -> Self:
        """Train the folds and fit the operating point.

        Args:
            X: (patients, features) array, NaN where a feature is missing; or a DataFrame, whose columns
                ``tumor__<feature>`` and ``esophagus__<feature>`` are two scales. Without such names there is one scale.
            y: (patients,) two classes.
            centers: center of each patient; folds are stratified by it too.

        Raises:
            EstimatorError: when there are too few patients for the folds, or not two classes.
        """
        values, targets = validate_data(self, X, y, dtype=np.float32, ensure_all_finite="allow-nan")
        return self._fit("mscalect", self._table(values), targets, centers)

    def _sections(self, lent: ExitStack) -> dict[str, Any]:
        return {"mscalect": settings_of(self, MScaleCTSettings, lent, leave_out=("min_icc", "features"))}

    def _read(self, X: Any) -> Inputs:
        return self._table(validate_data(self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False))

    def _table(self, values: AnyArray) -> Inputs:
        return inputs_of_table(values, getattr(self, "feature_names_in_", None))


@dataclass(kw_only=True, eq=False, repr=False)
class CytoPath(FoldVote):
    """CytoPath on bags of tile vectors.

    Args:
        folds: stratified folds; one member each.
        repeats: splits into folds.
        calibration: how answers become probabilities, ``platt`` or ``anchored``.
        voting: how the members come to one call, ``soft`` or ``majority``.
        operating_point: how the threshold is chosen, ``youden`` or ``sensitivity_floor``.
        min_sensitivity: the floor.
        random_state: seed of folds and weights; same seed, same result.
        epochs: passes over the training patients.
        learning_rate: highest learning rate.
        weight_decay: of AdamW.
        warmup_epochs: epochs of linear warm-up.
        label_smoothing: of the cross-entropy.
        batch_size: patients in a batch.
        inner_share: share of a fold's training patients set aside to choose its epoch.
        patience: with inner_share, stop after so many epochs without a lower loss; 0 for never.
        precision: numbers in which layers are multiplied in training, float32 or bfloat16.
        aggregator: how tiles are pooled: a name in `espark.models.aggregators.catalogue.AGGREGATORS`, an
            `AggregatorEntry`, or a function or class that builds the network from ``features``, ``hidden`` and
            ``attention``.
        cell_type_selection: whether only tiles that resemble a cell type enter, where the similarity is known.
        tile_vector: what is pooled of a tile: its features, or its profile of similarities, where they are known.
        voices: linear models on the whole bag in the place of the aggregator: ``amounts``, ``profile``, ``highest``,
            ``vectors``.
        cutoff_share: share of the training tiles that passes the cut-off of a cell type.
        hidden: length of a tile vector after the first layer.
        attention: width of the attention, where the aggregator has one.
        max_tiles: most tiles of one patient in a training step.

    Example:
        >>> import numpy as np
        >>> from espark import CytoPath
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(30) % 2
        >>> bags = [rng.normal(size=(rng.integers(5, 9), 4)) + 2 * label for label in labels]
        >>> model = CytoPath(folds=3, epochs=10, learning_rate=1e-2, hidden=8, attention=4).fit(bags, labels)
        >>> model.predict_proba(bags[:2]).shape
        (2, 2)
    """

    aggregator: str | AggregatorEntry | BuildAggregator = "gated-attention"
    cell_type_selection: bool = True
    tile_vector: Literal["features", "profile"] = "features"
    voices: tuple[SlideVoice, ...] = ()
    cutoff_share: float = 0.15
    hidden: int = 256
    attention: int = 128
    max_tiles: int = 1000

    def fit(self, X: Sequence[Any], y: npt.ArrayLike, *, centers: Sequence[str] | None = None) -> Self:
        """Train the folds and fit the operating point.

        Args:
            X: one bag a patient: an array (tiles, dim), or a pair of it and the similarity (tiles, cell types). The
                tiles are then chosen by cell type. None for a patient without slides.
            y: (patients,) two classes.
            centers: center of each patient; folds are stratified by it too.

        Raises:
            EstimatorError: when a bag cannot be used, there are too few patients for the folds, or not two classes.
        """
        inputs = inputs_of_bags(bags_of(X))
        self.n_features_in_ = inputs.tile_dim
        return self._fit("cytopath", inputs, _targets(X, y), centers)

    def _sections(self, lent: ExitStack) -> dict[str, Any]:
        return {"cytopath": settings_of(self, CytoPathSettings, lent)}

    def _cutoffs(self) -> Cutoffs:
        return Cutoffs(share=plain(self.cutoff_share))

    def _read(self, X: Any) -> Inputs:
        return inputs_of_bags(bags_of(X, dim=self.n_features_in_))

    def __sklearn_tags__(self) -> Tags:
        return _of_bags(super().__sklearn_tags__())


@dataclass(kw_only=True, eq=False, repr=False)
class ESpark(FoldVote):
    """eSPARK on pairs of a radiomics row and a bag of tile vectors; either of them may be missing.

    Args:
        mscalect: whose parameters the fold's own MScaleCT has; an `MScaleCT` with the defaults when None. Its folds,
            voting, operating point and seed are not used.
        cytopath: likewise for CytoPath.
        folds: stratified folds; one member each.
        repeats: splits into folds.
        calibration: how answers become probabilities, ``platt`` or ``anchored``.
        voting: how the members come to one call, ``soft`` or ``majority``.
        operating_point: how the threshold is chosen, ``youden`` or ``sensitivity_floor``.
        min_sensitivity: the floor.
        random_state: seed of folds and weights; same seed, same result.
        fusion: how the vectors are joined: a name in `espark.models.fusions.catalogue.FUSIONS`, a `FusionEntry`, or a
            function or class that builds the fusion from the length of the vectors and their number.
        epochs: passes over the training patients.
        learning_rate: highest learning rate.
        weight_decay: of AdamW.
        warmup_epochs: epochs of linear warm-up.
        label_smoothing: of the cross-entropy.
        batch_size: patients in a batch.
        inner_share: share of a fold's training patients set aside to choose its epoch.
        patience: with inner_share, stop after so many epochs without a lower loss; 0 for never.
        precision: numbers in which layers are multiplied in training, float32 or bfloat16.
        ct_learning_rate_factor: learning rate of the CT branch, as a factor.
        slide_learning_rate_factor: learning rate of the slide branch, as a factor; 0 leaves it as CytoPath's.
        projection: length to which each modality's vector is brought.
        modality_dropout: how often one of two modalities is hidden in training.
        weighted_sum: whether the answer is a weighted sum of the log-odds of both, in the place of the fusion; both
            must then have voices.

    Example:
        >>> import numpy as np
        >>> from espark import CytoPath, ESpark, MScaleCT
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(30) % 2
        >>> radiomics = rng.normal(size=(30, 5)) + labels[:, None]
        >>> bags = [rng.normal(size=(6, 4)) + label for label in labels]
        >>> quick = dict(epochs=5, learning_rate=1e-2)
        >>> model = ESpark(
        ...     mscalect=MScaleCT(width=8, **quick), cytopath=CytoPath(hidden=8, **quick), folds=3, **quick
        ... ).fit(list(zip(radiomics, bags)), labels)
        >>> [answer.modality for answer in model.answers([(radiomics[0], bags[0]), (radiomics[0], None)])]
        ['both', 'ct']
    """

    mscalect: MScaleCT | None = None
    cytopath: CytoPath | None = None
    fusion: str | FusionEntry | BuildFusion = "concatenation"
    ct_learning_rate_factor: float = 0.01
    slide_learning_rate_factor: float = 1.0
    projection: int = 128
    modality_dropout: float = 0.2
    weighted_sum: bool = False

    def fit(self, X: Sequence[Any], y: npt.ArrayLike, *, centers: Sequence[str] | None = None) -> Self:
        """Train the folds and fit an operating point for CT and slides, CT alone and slides alone.

        Args:
            X: one pair a patient: the radiomics, an array (features,) or a Series with the names that `MScaleCT` takes
                as columns, and a bag as `CytoPath` takes it. Either is None when it is missing.
            y: (patients,) two classes.
            centers: center of each patient; folds are stratified by it too.

        Raises:
            EstimatorError: when a row or a bag cannot be used, there are too few patients for the folds, or not two
                classes.
        """
        inputs, names = inputs_of_pairs(X)
        self.feature_names_ = names
        self.n_features_in_, self.tile_dim_ = inputs.radiomics.shape[1], inputs.tile_dim
        return self._fit("espark", inputs, _targets(X, y), centers)

    def _sections(self, lent: ExitStack) -> dict[str, Any]:
        ct, slides = self.mscalect or MScaleCT(), self.cytopath or CytoPath()
        if any(bool(part.voices) != self.weighted_sum for part in (ct, slides)):
            raise EstimatorError(
                f"weighted_sum is {self.weighted_sum}",
                expected="mscalect and cytopath with voices for a weighted sum, and without voices for a fusion",
            )
        fusion = settings_of(self, ESparkSettings, lent, leave_out=("clinical",))
        return {**ct._sections(lent), **slides._sections(lent), "espark": fusion}

    def _cutoffs(self) -> Cutoffs:
        return (self.cytopath or CytoPath())._cutoffs()

    def _read(self, X: Any) -> Inputs:
        inputs, _ = inputs_of_pairs(X, names=self.feature_names_, dim=self.tile_dim_)
        return inputs

    def __sklearn_tags__(self) -> Tags:
        return _of_bags(super().__sklearn_tags__())


def _targets(X: Sequence[Any], y: npt.ArrayLike) -> AnyArray:
    labels: AnyArray = column_or_1d(y, warn=True)
    assert_all_finite(labels, input_name="y")
    check_consistent_length(X, labels)
    return labels


def _of_bags(tags: Tags) -> Tags:
    tags.input_tags.two_d_array = False
    return tags
