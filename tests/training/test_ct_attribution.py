"""CT attributions: against analytic values, complete, unmoved by threads and order; groups, checks and the pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from another_outcome import MPR
from espark.ct.features.feature_words import in_words, parse_feature_name, unit_of
from espark.ct.features.radiomics import feature_names
from espark.explain.attribution import CtAttributor
from espark.explain.ct_checks import FRACTIONS, agreement, deletion_curves
from espark.explain.ct_groups import ALL, cohort_groups, feature_table
from espark.explain.ct_pair import confident_pair, speaking_features
from espark.models.mscalect import MScaleCTNet
from espark.training.inputs import Inputs
from espark.training.members.mscalect import MScaleCTMember
from espark.training.preprocessing import RadiomicsScaler
from espark.types import BoolArray, DoubleArray

NAMES = (("original_glcm_Contrast", "wavelet-LLH_firstorder_Mean", "original_shape_Elongation"), ("original_glcm_Id",))


def cohort(n: int = 12) -> Inputs:
    values = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
    values[:, 2] = 7.0
    values[3, 3] = np.nan
    ids = tuple(f"p{number}" for number in range(n))
    return Inputs(ids, ("tumor", "esophagus"), NAMES, values, (None,) * n)


def member(inputs: Inputs) -> MScaleCTMember:
    torch.manual_seed(0)
    return MScaleCTMember(RadiomicsScaler.fit(inputs.radiomics), MScaleCTNet((3, 1), width=8))


class Steep(MScaleCTNet):
    """The sigmoid of a steep multiple of the first feature, of which the log-odds are a thousand times that."""

    def forward(self, radiomics: Tensor, known: Tensor) -> Tensor:
        del known
        answer = torch.sigmoid(60 * (radiomics[:, 0] - 0.3) + radiomics[:, 1])
        return torch.stack([torch.zeros_like(answer), answer], dim=1)


def test_a_linear_net_gives_weight_times_value_and_a_constant_feature_nothing() -> None:
    inputs = cohort()
    attributor = CtAttributor(member(inputs))
    for index in range(len(inputs)):
        one = inputs.subset([index])
        found, z = attributor.attribute(one), attributor.standardized(one)
        at_mean, unit = attributor.log_odds(one, np.zeros((1, 4))), attributor.log_odds(one, np.eye(4))
        expected = (unit - at_mean) * z
        np.testing.assert_allclose(found.values, np.where(one.known_scales[0][[0, 0, 0, 1]], expected, 0), atol=1e-6)
        assert found.values[2] == 0
        assert abs(found.completeness) < 1e-6
    assert attributor.attribute(inputs.subset([3])).values[3] == 0


def test_a_steep_net_takes_more_steps_and_is_still_complete() -> None:
    inputs = cohort()
    steep = MScaleCTMember(RadiomicsScaler.fit(inputs.radiomics), Steep((3, 1), width=8))
    found = [CtAttributor(steep).attribute(inputs.subset([index])) for index in range(len(inputs))]
    assert max(abs(part.completeness) for part in found) <= 0.01
    assert max(part.steps for part in found) > 16


def test_neither_threads_nor_other_patients_change_a_digit() -> None:
    inputs = cohort()
    attributor, before = CtAttributor(member(inputs)), torch.get_num_threads()
    first = [attributor.attribute(inputs.subset([index])).values for index in range(len(inputs))]
    torch.set_num_threads(2)
    try:
        turned = inputs.subset(range(len(inputs))[::-1])
        second = [attributor.attribute(turned.subset([index])).values for index in range(len(inputs))]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(first, second[::-1])


def test_a_model_without_ct_is_refused() -> None:
    with pytest.raises(ValueError, match="does not look at CT"):
        CtAttributor(nn.Linear(1, 1))  # type: ignore[arg-type]


def test_groups_add_up_to_the_whole_and_a_missing_scale_is_left_out() -> None:
    features = feature_table(("tumor", "esophagus"), NAMES)
    values = np.array([[1.0, -2.0, 0.5, 3.0], [0.0, 2.0, 0.5, 0.0]])
    known = {"tumor": np.array([True, True]), "esophagus": np.array([True, False])}
    table = cohort_groups(features, values, {"B": np.array([True, True])}, known)
    rows = table.set_index(["scale", "image_type", "feature_class"])
    assert rows.loc[("tumor", ALL, ALL), ["n", "n_features", "signed", "absolute"]].tolist() == [2, 3, 1.0, 3.0]
    assert rows.loc[("esophagus", ALL, ALL), "n"] == 1
    assert rows.loc[("tumor", "Wavelet", ALL), "signed"] == 0
    single = table[(table["image_type"] != ALL) & (table["feature_class"] != ALL) & (table["scale"] == "tumor")]
    assert single["absolute"].sum() == pytest.approx(3.0)


def test_deletion_follows_the_attributions_of_a_linear_answer() -> None:
    values = np.concatenate([np.full(20, 1.0), np.full(70, 0.1), np.full(10, -1.0), np.zeros(30)])

    def answer(kept: BoolArray) -> DoubleArray:
        return kept.astype(float) @ values

    curves = deletion_curves(answer, values, orders=40, seed=0)
    assert curves.distance == pytest.approx(values.sum())
    assert curves.deleted[FRACTIONS.index(0.2)] == pytest.approx(20.0)
    assert curves.inserted[FRACTIONS.index(0.2)] == pytest.approx(20.0)
    np.testing.assert_allclose(curves.deleted_random, np.array(FRACTIONS) * values.sum(), atol=1.5)
    np.testing.assert_allclose(curves.inserted_random, np.array(FRACTIONS) * values.sum(), atol=1.5)
    assert curves.gain() > 10 and curves.gain(inserted=True) > 10
    turned = deletion_curves(lambda kept: -answer(kept), -values, orders=40, seed=0)
    np.testing.assert_allclose(turned.deleted, curves.deleted)


def test_agreement_of_models() -> None:
    row = np.array([3.0, -1.0, 2.0, 0.0, 0.0])
    assert agreement(np.stack([row, 2 * row])).cosine == pytest.approx(1)
    assert agreement(np.stack([row, -row])).rank == pytest.approx(-1)
    assert np.isnan(agreement(row[None]).cosine)


def predictions() -> pd.DataFrame:
    rows = [
        ("d1", "development", 1, 0.99, 1), ("d2", "development", 0, 0.01, 0), ("e1", "external", 1, 0.7, 1),
        ("e2", "external", 1, 0.8, 1), ("e3", "external", 0, 0.9, 1), ("e4", "external", 0, 0.2, 0),
        ("e5", "internal_test", 0, 0.3, 0), ("e6", "external", None, 0.95, 1),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["patient_id", "role", "label", "probability", "prediction"])


def test_the_pair_is_the_most_confident_correct_one_of_each_class_outside_development() -> None:
    table = predictions()
    everybody = set(table["patient_id"])
    pair = confident_pair(table, everybody, MPR)
    assert pair is not None and (pair.left, pair.right) == ("e2", "e4")
    assert "outside development" in pair.basis and "without MPR" in pair.basis
    pair = confident_pair(table, everybody - {"e4", "e5"}, MPR)
    assert pair is not None and (pair.left, pair.right) == ("d1", "d2")
    assert "out of fold" in pair.basis
    assert confident_pair(table, {"e1", "e3"}, MPR) is None


def test_the_features_that_speak_most() -> None:
    found = speaking_features(("a", "b", "c"), np.array([0.1, -0.5, 0.0]), np.array([1.0, 2.0, 3.0]), top=3)
    assert [(part.name, part.value) for part in found] == [("b", 2.0), ("a", 1.0)]


def test_every_feature_has_words_of_its_own() -> None:
    names = feature_names()
    assert len({in_words(name) for name in names}) == len(names)
    for name in names:
        parsed = parse_feature_name(name)
        assert parsed.kind != "other" and not in_words(name).startswith(parsed.feature), name
        assert unit_of(name)
    assert in_words("SUVmax") == "SUVmax"
    assert unit_of("original_firstorder_Mean") == "HU" and unit_of("wavelet-LLH_glcm_Id") == "no unit"
