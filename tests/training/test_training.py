from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from planted import SETTINGS, make_inputs, train_all
from sklearn.metrics import roc_auc_score

from espark.errors import InputError
from espark.explain.attribution import ct_attribution
from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.fusions.catalogue import FUSIONS
from espark.pathology.cytology import Cutoffs
from espark.training.folds import draw_folds
from espark.training.inputs import Bag, Inputs, PackedInputs
from espark.training.members.build import train_members
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.operating_point import OperatingPoint, cross_fit
from espark.training.preprocessing import RadiomicsScaler, TileSelector
from espark.training.settings import ModelSettings
from espark.types import DoubleArray, IntArray
from espark.workspace.config import ProtocolSettings
from espark.workspace.recipes import RECIPES


def test_folds_are_balanced_disjoint_and_seeded() -> None:
    labels = [1] * 30 + [0] * 70
    folds = draw_folds(labels, ["A"] * 100, folds=10, seed=1)
    assert [int(np.sum(np.array(labels)[folds == fold])) for fold in range(10)] == [3] * 10
    assert np.bincount(folds).tolist() == [10] * 10
    assert (folds == draw_folds(labels, ["A"] * 100, folds=10, seed=1)).all()
    assert (folds != draw_folds(labels, ["A"] * 100, folds=10, seed=2)).any()


def test_folds_are_stratified_by_center_too() -> None:
    labels, centers = [0, 1] * 50, ["A"] * 50 + ["B"] * 50
    folds = draw_folds(labels, centers, folds=5, seed=0)
    assert all(np.sum(folds[:50] == fold) == 10 for fold in range(5))


def test_too_few_patients_for_the_folds() -> None:
    with pytest.raises(InputError, match="too few for 10 folds"):
        draw_folds([0, 1] * 4, ["A"] * 8, folds=10, seed=0)


def test_the_scaler_knows_training_patients_only_and_never_gives_nan() -> None:
    train = np.array([[1.0, 5.0, np.nan, 2.0], [3.0, 5.0, np.nan, np.nan], [5.0, 5.0, np.nan, 4.0]], np.float32)
    scaler = RadiomicsScaler.fit(train)
    scaled = scaler.transform(train)
    assert torch.isfinite(scaled).all()
    np.testing.assert_allclose(scaled[:, 0], [-1.2247449, 0, 1.2247449], rtol=1e-6)
    assert scaled[:, 1].tolist() == [0, 0, 0]
    assert scaled[:, 2].tolist() == [0, 0, 0]
    np.testing.assert_allclose(scaled[:, 3], [-1, 0, 1], rtol=1e-6)
    new = scaler.transform(np.array([[np.nan, 9.0, 7.0, 1e9]], np.float32))
    assert new.tolist() == [[0.0, 0.0, 0.0, 5.0]]


def test_a_tile_enters_once_and_nobody_is_left_without() -> None:
    similarity = np.array([[0.9, 0.9], [0.1, 0.9], [0.1, 0.1]], np.float32)
    selector = TileSelector(torch.tensor([0.5, 0.5]))
    assert selector.select(Bag(np.zeros((3, 2), np.float32), similarity)).tolist() == [True, True, False]
    alone = Bag(np.zeros((1, 2), np.float32), similarity[2:])
    assert selector.select(alone).tolist() == [True]
    assert selector.falls_back(alone)
    assert not selector.falls_back(Bag(np.zeros((3, 2), np.float32), similarity))
    assert TileSelector(None).select(Bag(np.zeros((2, 2), np.float32), None)).tolist() == [True, True]


def test_every_model_learns_and_two_runs_give_the_same_weights() -> None:
    inputs, labels = make_inputs()
    members, again = train_all(inputs, labels), train_all(inputs, labels)
    for member, other in zip(members, again, strict=True):
        assert roc_auc_score(labels, member.logits(inputs)) > 0.85
        assert all(
            torch.equal(a, b)
            for a, b in zip(member.state().tensors.values(), other.state().tensors.values(), strict=True)
        )


def test_members_survive_being_stored() -> None:
    inputs, labels = make_inputs()
    for member in train_all(inputs, labels):
        restored = type(member).restore(inputs.subset([]), SETTINGS, member.state())
        np.testing.assert_array_equal(restored.logits(inputs), member.logits(inputs))


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_cytopath_and_the_fusion_work_with_every_aggregator(aggregator: str) -> None:
    inputs, labels = make_inputs(12)
    cytopath = SETTINGS.cytopath.model_copy(update={"aggregator": aggregator, "epochs": 2})
    settings = dataclasses.replace(SETTINGS, cytopath=cytopath, espark=SETTINGS.espark.model_copy(update={"epochs": 2}))
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, 1)
    slides = CytoPathMember.train(inputs, labels, settings, 1)
    for member in (slides, ESparkMember.train(inputs, labels, settings, 1, ct, slides)):
        restored = type(member).restore(inputs.subset([]), settings, member.state())
        np.testing.assert_array_equal(restored.logits(inputs), member.logits(inputs))
        bag = inputs.bags[0]
        assert bag is not None
        attention = member.attention(bag)
        assert attention is not None
        assert attention.sum() == pytest.approx(1.0, abs=1e-5)
        assert (attention[~member.selector.select(bag)] == 0).all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_learns_meets_a_missing_modality_and_survives_being_stored(fusion: str) -> None:
    inputs, labels = make_inputs()
    settings = dataclasses.replace(SETTINGS, espark=SETTINGS.espark.model_copy(update={"fusion": fusion}))
    ct, slides, _ = train_all(inputs, labels)
    member = ESparkMember.train(inputs, labels, settings, 1, ct, slides)
    assert roc_auc_score(labels, member.logits(inputs)) > 0.85
    for modality in ("ct", "slides"):
        assert np.isfinite(member.logits(inputs.only(modality))).all()
    restored = ESparkMember.restore(inputs.subset([]), settings, member.state())
    np.testing.assert_array_equal(restored.logits(inputs), member.logits(inputs))
    assert abs(ct_attribution(member, inputs.subset([0])).completeness) < 0.02


def test_cutoffs_given_beforehand_stay_and_the_others_are_fitted() -> None:
    bags = [bag for bag in make_inputs()[0].bags if bag is not None]
    fitted = TileSelector.fit(bags, Cutoffs(share=0.2)).cutoffs
    mixed = TileSelector.fit(bags, Cutoffs(share=0.2, fixed=(None, 0.7, None, None))).cutoffs
    assert fitted is not None
    assert mixed is not None
    assert mixed.tolist() == pytest.approx([float(fitted[0]), 0.7, *fitted[2:].tolist()])
    passed = np.concatenate([TileSelector(fitted).passed(bag) for bag in bags])
    assert passed.mean(axis=0) == pytest.approx(0.2, abs=0.01)


def test_without_selection_every_tile_enters() -> None:
    inputs, labels = make_inputs(12)
    cytopath = SETTINGS.cytopath.model_copy(update={"cell_type_selection": False, "epochs": 1})
    member = CytoPathMember.train(inputs, labels, dataclasses.replace(SETTINGS, cytopath=cytopath), 1)
    assert "selector.cutoffs" not in member.state().tensors
    for bag in inputs.bags:
        assert bag is not None
        assert member.selector.select(bag).all()
        assert not member.selector.falls_back(bag)


def test_answers_do_not_depend_on_the_other_patients_asked_about() -> None:
    inputs, labels = make_inputs()
    for member in train_all(inputs, labels):
        together = member.logits(inputs)
        alone = np.concatenate([member.logits(inputs.subset([index])) for index in range(len(inputs))])
        np.testing.assert_allclose(alone, together, atol=1e-5)


def test_a_patient_without_ct_or_slides_gets_what_can_be_said() -> None:
    inputs, labels = make_inputs()
    ct, slides, both = train_all(inputs, labels)
    assert np.isnan(ct.logits(inputs.only("slides"))).all()
    assert np.isnan(slides.logits(inputs.only("ct"))).all()
    for modality in ("ct", "slides", "both"):
        assert np.isfinite(both.logits(inputs.only(modality))).all()
    nothing = inputs.only("ct").only("slides")
    assert nothing.modalities[0] is None
    assert np.isnan(both.logits(nothing)).all()


def test_a_missing_scale_is_masked() -> None:
    inputs, labels = make_inputs()
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, 0)
    radiomics = inputs.radiomics.copy()
    radiomics[:, 4:] = np.nan
    partial = Inputs(inputs.patient_ids, inputs.scales, inputs.feature_names, radiomics, inputs.bags)
    assert partial.known_scales.tolist() == [[True, False]] * len(inputs)
    assert np.isfinite(ct.logits(partial)).all()


def test_attention_lies_on_the_chosen_tiles_and_sums_to_one() -> None:
    inputs, labels = make_inputs()
    _, slides, both = train_all(inputs, labels)
    bag = inputs.bags[0]
    assert bag is not None
    for member in (slides, both):
        attention = member.attention(bag)
        assert attention is not None
        assert attention.sum() == pytest.approx(1.0, abs=1e-5)
        assert ((attention > 0) == member.selector.select(bag)).all()


def out_of_fold_aucs(
    inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int, *, peek: bool = False
) -> dict[str, float]:
    """AUC of each model on the patients that its folds do not see; with ``peek``, on folds that do see them."""
    folds = draw_folds(labels.tolist(), ["A"] * len(labels), folds=3, seed=seed)
    answers: dict[str, DoubleArray] = {}
    for fold in range(3):
        held_out = np.flatnonzero(folds == fold)
        seen = np.arange(len(labels)) if peek else np.flatnonzero(folds != fold)
        members = train_members(("mscalect", "cytopath", "espark"), inputs.subset(seen), labels[seen], settings, seed)
        for model, member in members.items():
            answers.setdefault(model, np.empty(len(labels)))[held_out] = member.logits(inputs.subset(held_out))
    return {model: float(roc_auc_score(labels, logits)) for model, logits in answers.items()}


@pytest.mark.parametrize("recipe", RECIPES)
def test_permuted_labels_teach_nothing(recipe: str) -> None:
    """Out of fold, a model of permuted labels is no better than chance: nothing leaks from validation into training.

    Two hundred features of noise would give the labels away if the ten best were chosen among all patients.
    """
    inputs, labels = make_inputs(60)
    noise = np.random.default_rng(0).normal(size=(60, 200)).astype(np.float32)
    names = (tuple(f"original_{index}" for index in range(100)),) * 2
    inputs = dataclasses.replace(inputs, radiomics=noise, feature_names=names)
    values = RECIPES[recipe].values
    settings = dataclasses.replace(
        SETTINGS,
        mscalect=SETTINGS.mscalect.model_copy(update=values.get("mscalect", {})),
        cytopath=SETTINGS.cytopath.model_copy(
            update={"epochs": 15, "voices": values.get("cytopath", {}).get("voices", ())}
        ),
        espark=SETTINGS.espark.model_copy(update=values.get("espark", {})),
    )
    permuted = [np.random.default_rng(seed).permutation(labels) for seed in range(4)]
    aucs = pd.DataFrame([out_of_fold_aucs(inputs, part, settings, seed) for seed, part in enumerate(permuted)]).mean()
    assert aucs.between(0.36, 0.6).all(), aucs
    peeked = out_of_fold_aucs(inputs, permuted[0], settings, 0, peek=True)
    assert min(peeked.values()) > 0.65, peeked


def test_cross_fitting_never_uses_the_fold_itself() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 50)
    raw = np.clip(0.5 + 0.2 * (labels - 0.5) + 0.2 * rng.normal(size=50), 0.01, 0.99)
    folds = np.arange(50) % 5
    protocol = ProtocolSettings()
    fitted = cross_fit(labels, raw, folds, protocol)
    flipped = np.where(folds == 2, 1 - labels, labels)
    again = cross_fit(flipped, raw, folds, protocol)
    own = folds == 2
    np.testing.assert_array_equal(again.probability[own], fitted.probability[own])
    np.testing.assert_array_equal(again.prediction[own], fitted.prediction[own])
    assert not np.allclose(again.probability[~own], fitted.probability[~own])


def test_an_operating_point_survives_json() -> None:
    labels, raw = np.array([0, 0, 1, 0, 1, 1]), np.array([0.1, 0.2, 0.3, 0.4, 0.6, 0.8])
    point = OperatingPoint.fit(labels, raw, ProtocolSettings())
    assert OperatingPoint.from_dict(point.to_dict()) == point


def test_packed_inputs_come_back_as_they_were() -> None:
    inputs, _ = make_inputs(6)
    first, second = inputs.bags[:2]
    assert first is not None
    assert second is not None
    bags = (first, None, Bag(second.features, None), Bag(first.features[:0], first.similarity[:0]), *inputs.bags[4:])
    inputs = dataclasses.replace(inputs, bags=bags)
    again = PackedInputs.pack(inputs).unpack()
    assert again.content_hash() == inputs.content_hash()
    assert [bag is None for bag in again.bags] == [bag is None for bag in inputs.bags]
    assert PackedInputs.pack(inputs.only("ct")).unpack().content_hash() == inputs.only("ct").content_hash()


def test_a_slide_branch_that_is_not_trained_stays_that_of_cytopath() -> None:
    inputs, labels = make_inputs()
    ct, slides, trained = train_all(inputs, labels)
    still = dataclasses.replace(
        SETTINGS, espark=SETTINGS.espark.model_copy(update={"slide_learning_rate_factor": 0.0, "epochs": 20})
    )
    member = ESparkMember.train(inputs, labels, still, 1, ct, slides)
    branch = {name: value for name, value in member.state().tensors.items() if name.startswith("net.slide_branch.")}
    own = {name.replace("net.", "net.slide_branch.", 1): value for name, value in slides.state().tensors.items()}
    assert branch
    for name, value in branch.items():
        assert torch.equal(value, own[name])
    assert not torch.equal(
        trained.state().tensors["net.slide_branch.project.0.weight"], branch["net.slide_branch.project.0.weight"]
    )
    assert roc_auc_score(labels, member.logits(inputs)) > 0.85
    for modality in ("ct", "slides"):
        assert np.isfinite(member.logits(inputs.only(modality))).all()
