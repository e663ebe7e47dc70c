"""Clinical columns: as numbers, as a third vector of the fusion, and as a model of their own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from planted import SETTINGS, make_inputs, train_all
from sklearn.metrics import roc_auc_score

from espark.explain.attribution import ct_attribution
from espark.models.fusions.catalogue import FUSIONS
from espark.training.inputs import Inputs
from espark.training.members.clinical import ClinicalEncoder, ClinicalMember
from espark.training.members.espark import ESparkMember
from espark.training.members.state import MemberState
from espark.types import ClinicalColumn, IntArray


def test_clinical_values_as_numbers() -> None:
    columns = (ClinicalColumn("age", "number", "years"), ClinicalColumn("sex", "category"))
    encoder = ClinicalEncoder.fit(columns, [(50.0, "f"), (70.0, "m"), (None, None)])
    assert encoder.encode([(70.0, "f"), (None, "x"), (50.0, None)]).tolist() == [[1, 1, 0], [0, 0, 0], [-1, 0, 0]]
    assert ClinicalEncoder.from_dict(encoder.to_dict()) == encoder


CLINICAL = dataclasses.replace(SETTINGS, espark=SETTINGS.espark.model_copy(update={"clinical": True, "epochs": 30}))


COLUMNS = (ClinicalColumn("marker", "number"), ClinicalColumn("sex", "category"))


def with_marker(inputs: Inputs, values: IntArray) -> Inputs:
    """The same patients with a clinical column of their own."""
    rows = tuple((float(value), "f" if index % 2 else "m") for index, value in enumerate(values))
    return dataclasses.replace(inputs, clinical_columns=COLUMNS, clinical=rows)


def without_evidence(inputs: Inputs) -> Inputs:
    """The same patients with a CT of noise, and no slides."""
    noise = np.random.default_rng(0).normal(size=inputs.radiomics.shape).astype(np.float32)
    return dataclasses.replace(inputs, radiomics=noise)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_clinical_columns_enter_every_fusion_as_a_third_vector(fusion: str) -> None:
    inputs, labels = make_inputs(60)
    ct, slides, _ = train_all(inputs, labels)
    settings = dataclasses.replace(CLINICAL, espark=CLINICAL.espark.model_copy(update={"fusion": fusion}))
    seen = without_evidence(with_marker(inputs, labels)).only("ct")
    member = ESparkMember.train(seen, labels, settings, 1, ct, slides)
    assert roc_auc_score(labels, member.logits(seen)) > 0.95
    assert member.known(seen).tolist() == [[1.0, 0.0, 1.0]] * 60
    unknown = dataclasses.replace(seen, clinical=((None, None),) * 60)
    assert member.known(unknown)[:, 2].sum() == 0
    assert np.isfinite(member.logits(unknown)).all()
    absent = dataclasses.replace(seen, clinical=())
    np.testing.assert_array_equal(member.logits(absent), member.logits(unknown))
    partly = dataclasses.replace(seen, clinical=tuple((row[0], None) for row in seen.clinical))
    assert roc_auc_score(labels, member.logits(partly)) > 0.95
    restored = ESparkMember.restore(inputs.subset([]), settings, member.state())
    np.testing.assert_array_equal(restored.logits(seen), member.logits(seen))
    assert abs(ct_attribution(member, seen.subset([0])).completeness) < 0.05


def test_a_clinical_value_alone_is_no_patient_of_the_fusion() -> None:
    inputs, labels = make_inputs()
    inputs = with_marker(inputs, labels)
    ct, slides, _ = train_all(inputs, labels)
    member = ESparkMember.train(inputs, labels, CLINICAL, 1, ct, slides)
    assert np.isnan(member.logits(inputs.only("ct").only("slides"))).all()


def test_a_clinical_column_that_knows_the_label_outside_the_training_part_never_helps() -> None:
    """In the training part it is noise; in the validation part it is the label. What is fitted does not notice.

    Whatever weight noise gives the column, it is worth as much for the label as against it, so both are asked.
    """
    inputs, labels = make_inputs(90)
    seen, held_out = np.arange(60), np.arange(60, 90)
    ct, slides, _ = train_all(inputs.subset(seen), labels[seen])
    noise = np.random.default_rng(0).integers(0, 2, 90)
    told = {"label": labels, "opposite": 1 - labels, "noise": noise}
    states: dict[str, list[MemberState]] = {}
    aucs: dict[str, list[float]] = {}
    for name, marker in told.items():
        patients = without_evidence(with_marker(inputs, np.where(np.arange(90) < 60, noise, marker))).only("ct")
        part = (patients.subset(seen), labels[seen], CLINICAL, 1)
        members = (ClinicalMember.train(*part), ESparkMember.train(*part, ct, slides))
        states[name] = [member.state() for member in members]
        asked = patients.subset(held_out)
        aucs[name] = [float(roc_auc_score(labels[held_out], member.logits(asked))) for member in members]
    for name in ("label", "opposite"):
        for leaky, plain in zip(states[name], states["noise"], strict=True):
            assert leaky.notes == plain.notes != {}
            assert all(torch.equal(leaky.tensors[key], tensor) for key, tensor in plain.tensors.items())
    assert np.mean([aucs["label"], aucs["opposite"]], axis=0) == pytest.approx([0.5, 0.5], abs=0.15)


def test_the_clinical_comparator_is_the_regression_of_scikit_learn_and_survives_being_stored() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    rows = tuple((float(60 + 5 * label + rng.normal()), "f" if rng.random() < 0.5 else "m") for label in labels)
    inputs, _ = make_inputs(80)
    columns = (ClinicalColumn("age", "number"), ClinicalColumn("sex", "category"))
    inputs = dataclasses.replace(inputs, clinical_columns=columns, clinical=rows)
    member = ClinicalMember.train(inputs, labels, SETTINGS, 0)
    assert roc_auc_score(labels, member.logits(inputs)) > 0.95
    restored = ClinicalMember.restore(inputs.subset([]), SETTINGS, member.state())
    np.testing.assert_array_equal(restored.logits(inputs), member.logits(inputs))
    unknown = dataclasses.replace(inputs, clinical=((None, None),) * 80)
    assert np.isnan(member.logits(unknown)).all()
