"""One bundle, three ways to look: what is fitted for CT and slides, CT alone and slides alone, on whose answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from espark.statistics.calibration import calibration_slope
from espark.steps.train.reference import modality_references
from espark.training.cross_validation import (
    CrossValidated,
    Development,
    cross_validate,
    cross_validate_members,
)
from espark.training.fold_answers import FoldAnswers
from espark.training.inputs import Bag, Inputs
from espark.training.members.state import MemberState
from espark.types import DoubleArray, IntArray
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

    def state(self) -> MemberState:
        return MemberState({})


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
    return Development(*patients, np.arange(COUNT)[None] % FOLDS)


def validated(members: Sequence[Reader], people: Development, model: str = "espark") -> CrossValidated:
    return cross_validate_members(model, members, people, people.inputs.subset([]), PROTOCOL)


def test_an_answer_is_that_of_the_fold_that_did_not_see_the_patient(patients: tuple[Inputs, IntArray]) -> None:
    people = development(patients)
    members = [Reader(shift=float(fold)) for fold in range(FOLDS)]
    for modality in ("both", "ct", "slides"):
        found = validated(members, people).out_of_fold[modality]
        plain = Reader().logits(people.inputs.only(modality))
        np.testing.assert_allclose(found, expit(plain + people.folds), rtol=1e-6)


def test_each_way_to_look_is_calibrated_by_itself(patients: tuple[Inputs, IntArray]) -> None:
    people = development(patients)
    members = (Reader(),) * FOLDS
    found = validated(members, people)
    points = found.points
    assert list(points) == ["both", "ct", "slides"]
    np.testing.assert_array_equal(found.pooled, found.out_of_fold["both"])
    ensemble = found.ensemble(members)
    for modality in ("ct", "slides"):
        inputs = people.inputs.only(modality)
        answers = [answer for answer in ensemble.predict(inputs) if answer is not None]
        assert {answer.modality for answer in answers} == {modality} and len(answers) == COUNT
        calibrated = [answer.probability for answer in answers]
        raw = found.out_of_fold[modality]
        assert calibration_slope(people.labels, calibrated).value == pytest.approx(1, abs=0.1)
        assert abs(calibration_slope(people.labels, raw).value - 1) > 0.2
        assert roc_auc_score(people.labels, calibrated) == pytest.approx(roc_auc_score(people.labels, raw))
        assert points[modality].calibrator.n == COUNT


def test_where_too_few_have_a_modality_the_point_of_all_stands_in(patients: tuple[Inputs, IntArray]) -> None:
    inputs, labels = patients
    slides = tuple(bag if index < 6 else None for index, bag in enumerate(inputs.bags))
    few = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, inputs.radiomics, slides)
    points = validated((Reader(),) * FOLDS, development((few, labels))).points
    assert points["slides"] == points["both"] != points["ct"]


def test_what_a_missing_modality_costs_is_told_on_the_same_patients(patients: tuple[Inputs, IntArray]) -> None:
    inputs, labels = patients
    slides = tuple(None if index % 5 == 0 else bag for index, bag in enumerate(inputs.bags))
    some = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, inputs.radiomics, slides)
    people = development((some, labels))
    fitted = validated((Reader(),) * FOLDS, people)
    found = modality_references(fitted)
    complete = np.arange(COUNT) % 5 != 0
    assert {len(part.labels) for part in found.values()} == {int(complete.sum())}
    assert len({part.labels for part in found.values()}) == 1
    areas = {name: roc_auc_score(part.labels, part.probability) for name, part in found.items()}
    assert areas["both"] > max(areas["ct"], areas["slides"])
    for modality in ("ct", "slides"):
        raw = fitted.out_of_fold[modality][complete]
        assert areas[modality] == pytest.approx(roc_auc_score(labels[complete], raw), abs=0.02)
    assert modality_references(validated((Reader(),) * FOLDS, people, "mscalect")) == {}


def test_answers_that_were_stored_give_what_the_members_give(patients: tuple[Inputs, IntArray], tmp_path: Path) -> None:
    """An ablation keeps what a fold answers, a study the fold itself."""
    inputs, labels = patients
    have = np.arange(COUNT) % 3
    radiomics = np.where(have[:, None] == 1, np.nan, inputs.radiomics).astype(np.float32)
    bags = tuple(None if part == 2 else bag for part, bag in zip(have, inputs.bags, strict=True))
    mixed = dataclasses.replace(inputs, radiomics=radiomics, bags=bags)
    first, others = np.arange(0, 200), mixed.subset(range(200, COUNT))
    people = Development(mixed.subset(first), labels[first], first[None] % FOLDS)
    members = [Reader(shift=0.1 * fold) for fold in range(FOLDS)]
    folds = []
    for fold, member in enumerate(members):
        asked = people.inputs.subset(people.held_out(fold))
        path = tmp_path / f"{fold}.safetensors"
        FoldAnswers.ask("espark", member, asked, others).state().save(path, "key")
        folds.append(FoldAnswers.restore("espark", MemberState.load(path)))
    stored = cross_validate("espark", folds, people, PROTOCOL)
    direct = cross_validate_members("espark", members, people, others, PROTOCOL)
    np.testing.assert_array_equal(stored.development_probability, direct.development_probability)
    assert stored.answers(others) == direct.answers(others) == direct.ensemble(members).predict(others)
    assert {answer.modality for answer in stored.answers(others) if answer} == {"both", "ct", "slides"}
    # The calibrators of the modalities are not the same, so it matters which of them an answer gets.
    assert len({point.calibrator for point in stored.points.values()}) == 3
