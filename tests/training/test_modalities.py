"""One bundle, three ways to look: what is fitted for CT and slides, CT alone and slides alone, on whose answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from espark.statistics.calibration import calibration_slope
from espark.steps.train.reference import modality_references
from espark.training.cross_validation import Development, operating_points, out_of_fold
from espark.training.ensemble import Ensemble
from espark.training.inputs import Bag, Inputs
from espark.types import DoubleArray, FloatArray, IntArray
from espark.workspace.config import ProtocolSettings

PROTOCOL = ProtocolSettings()
COUNT, FOLDS = 240, 4


@dataclass
class Reader:
    """A member that reads the log-odds off the images: three times too sure of CT, half as sure as it might of slides.

    A fold tells itself apart by ``shift``.
    """

    shift: float = 0.0

    def usable(self, inputs: Inputs) -> np.ndarray:
        return inputs.has_ct | inputs.has_slides

    def logits(self, inputs: Inputs) -> DoubleArray:
        ct = np.where(inputs.has_ct, 3 * np.nan_to_num(inputs.radiomics[:, 0]), 0.0)
        slides = np.array([0.0 if bag is None else 0.5 * float(bag.features[0, 0]) for bag in inputs.bags])
        return np.where(self.usable(inputs), ct + slides + self.shift, np.nan)

    def attention(self, bag: Bag) -> FloatArray | None:
        return None

    def falls_back(self, bag: Bag) -> bool:
        return False

    def tensors(self) -> dict:
        return {}


@pytest.fixture(scope="module")
def patients() -> tuple[Inputs, IntArray]:
    """CT and slides each give a part of the true log-odds."""
    generator = np.random.default_rng(0)
    parts = generator.normal(0, 1.2, size=(COUNT, 2)).astype(np.float32)
    labels = (generator.random(COUNT) < expit(parts.sum(axis=1))).astype(np.int64)
    bags = tuple(Bag(part[None, 1:].copy(), None) for part in parts)
    ids = tuple(f"p{index}" for index in range(COUNT))
    return Inputs(ids, ("tumor",), (("a",),), parts[:, :1].copy(), bags), labels


def development(patients: tuple[Inputs, IntArray]) -> Development:
    return Development(*patients, np.arange(COUNT) % FOLDS)


def test_an_answer_is_that_of_the_fold_that_did_not_see_the_patient(patients: tuple[Inputs, IntArray]) -> None:
    people = development(patients)
    members = [Reader(shift=float(fold)) for fold in range(FOLDS)]
    for modality in ("both", "ct", "slides"):
        found = out_of_fold(members, people, modality)
        plain = Reader().logits(people.inputs.only(modality))
        np.testing.assert_allclose(found, expit(plain + people.folds), rtol=1e-6)


def test_each_way_to_look_is_calibrated_by_itself(patients: tuple[Inputs, IntArray]) -> None:
    people = development(patients)
    members = (Reader(),) * FOLDS
    points, pooled = operating_points("espark", members, people, PROTOCOL)
    assert list(points) == ["both", "ct", "slides"]
    np.testing.assert_array_equal(pooled, out_of_fold(members, people, "both"))
    ensemble = Ensemble("espark", members, points)
    for modality in ("ct", "slides"):
        inputs = people.inputs.only(modality)
        answers = [answer for answer in ensemble.predict(inputs) if answer is not None]
        assert {answer.modality for answer in answers} == {modality} and len(answers) == COUNT
        calibrated = [answer.probability for answer in answers]
        raw = out_of_fold(members, people, modality)
        assert calibration_slope(people.labels, calibrated).value == pytest.approx(1, abs=0.1)
        assert abs(calibration_slope(people.labels, raw).value - 1) > 0.2
        assert roc_auc_score(people.labels, calibrated) == pytest.approx(roc_auc_score(people.labels, raw))
        assert points[modality].calibrator.n == COUNT


def test_where_too_few_have_a_modality_the_point_of_all_stands_in(patients: tuple[Inputs, IntArray]) -> None:
    inputs, labels = patients
    slides = tuple(bag if index < 6 else None for index, bag in enumerate(inputs.bags))
    few = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, inputs.radiomics, slides)
    points, _ = operating_points("espark", (Reader(),) * FOLDS, development((few, labels)), PROTOCOL)
    assert points["slides"] == points["both"] != points["ct"]


def test_what_a_missing_modality_costs_is_told_on_the_same_patients(patients: tuple[Inputs, IntArray]) -> None:
    inputs, labels = patients
    slides = tuple(None if index % 5 == 0 else bag for index, bag in enumerate(inputs.bags))
    some = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, inputs.radiomics, slides)
    people = development((some, labels))
    found = modality_references("espark", (Reader(),) * FOLDS, people, PROTOCOL)
    complete = np.arange(COUNT) % 5 != 0
    assert {len(part.labels) for part in found.values()} == {int(complete.sum())}
    assert len({part.labels for part in found.values()}) == 1
    areas = {name: roc_auc_score(part.labels, part.probability) for name, part in found.items()}
    assert areas["both"] > max(areas["ct"], areas["slides"])
    for modality in ("ct", "slides"):
        raw = out_of_fold((Reader(),) * FOLDS, people, modality)[complete]
        assert areas[modality] == pytest.approx(roc_auc_score(labels[complete], raw), abs=0.02)
    assert modality_references("mscalect", (Reader(),) * FOLDS, people, PROTOCOL) == {}
