"""Which radiomic features MScaleCT looks at: by name, and by the training patients of a fold alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway

from espark.errors import FeatureError
from espark.training.feature_choice import choose_features, class_difference
from espark.training.inputs import Inputs
from espark.training.members.mscalect import MScaleCTMember
from espark.training.preprocessing import RadiomicsScaler
from espark.training.settings import ModelSettings
from espark.types import IntArray
from espark.workspace.config import StudyConfig

NAMES = ("original_a", "original_b", "wavelet_c", "wavelet_d")
CONFIG = StudyConfig()


def patients(seed: int = 0) -> tuple[Inputs, IntArray]:
    """Two scales; the third feature of the tumor tells the classes apart best, then the second of the esophagus."""
    rng = np.random.default_rng(seed)
    labels = np.arange(30) % 2
    values = rng.normal(size=(30, 8)).astype(np.float32)
    values[:, 2] += 4 * labels
    values[:, 5] += 2 * labels
    return Inputs(
        tuple(f"p{i}" for i in range(30)), ("tumor", "esophagus"), (NAMES, NAMES), values, (None,) * 30
    ), labels


def carried(inputs: Inputs, labels: IntArray, **settings: object) -> list[int]:
    """Places of the features that still carry something."""
    chosen = CONFIG.mscalect.model_copy(update=settings)
    scaler = choose_features(RadiomicsScaler.fit(inputs.radiomics), inputs, labels, chosen)
    return np.flatnonzero(scaler.transform(inputs.radiomics).numpy().any(axis=0)).tolist()


def test_all_features_enter_unless_said_otherwise() -> None:
    assert carried(*patients()) == list(range(8))


def test_features_are_chosen_by_name_and_by_strength() -> None:
    inputs, labels = patients()
    assert carried(inputs, labels, features=("original_*",)) == [0, 1, 4, 5]
    assert carried(inputs, labels, selected=2) == [2, 5]
    assert carried(inputs, labels, selected=1, features=("original_*",)) == [5]
    assert carried(inputs, labels, selected=100, features=("wavelet_d",)) == [3, 7]


def test_a_name_that_no_feature_has_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"called log\*.*original_a"):
        carried(*patients(), features=("log*",))


def test_the_strength_ranks_as_the_analysis_of_variance() -> None:
    inputs, labels = patients(1)
    values = inputs.radiomics.astype(np.float64)
    ratio = f_oneway(values[labels == 0], values[labels == 1]).statistic
    assert np.argsort(class_difference(values, labels)).tolist() == np.argsort(ratio).tolist()


def test_a_feature_much_like_a_stronger_one_is_passed_over() -> None:
    inputs, labels = patients()
    values = inputs.radiomics.copy()
    rng = np.random.default_rng(2)
    values[:, 3] = -3 * values[:, 2] + 2 * rng.normal(size=30)  # nearly the strongest, turned round
    values[:, 6] = values[:, 5]
    inputs = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, values, inputs.bags)
    assert carried(inputs, labels, selected=4) == [2, 3, 5, 6]
    alike = np.abs(np.corrcoef(values[:, [2, 5]].T)[0, 1])
    assert alike < 0.9 < np.abs(np.corrcoef(values[:, [2, 3]].T)[0, 1])
    kept = carried(inputs, labels, selected=4, max_correlation=0.9)
    assert len(kept) == 4 and {2, 5} <= set(kept) and not {3, 6} & set(kept)
    assert np.abs(np.corrcoef(values[:, kept].T))[np.triu_indices(4, 1)].max() <= 0.9
    assert carried(inputs, labels, selected=4, max_correlation=0.0) == [2]


def test_what_a_fold_keeps_depends_on_its_training_patients_alone() -> None:
    """A feature that gives the label away in the patients left out changes nothing of the fold."""
    inputs, labels = patients()
    seen, config = np.arange(20), CONFIG.mscalect.model_copy(update={"selected": 2, "epochs": 2, "width": 4})
    settings = ModelSettings(config, CONFIG.cytopath, CONFIG.espark)
    member = MScaleCTMember.train(inputs.subset(seen), labels[seen], settings, 0)
    leaking = inputs.radiomics.copy()
    leaking[20:, 7] = 100 * labels[20:]
    spoilt = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, leaking, inputs.bags)
    again = MScaleCTMember.train(spoilt.subset(seen), labels[seen], settings, 0)
    for name, tensor in member.state().tensors.items():
        np.testing.assert_array_equal(tensor.numpy(), again.state().tensors[name].numpy())
    np.testing.assert_array_equal(member.logits(spoilt), member.logits(inputs))
