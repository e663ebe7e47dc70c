from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from espark.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings
from espark.cytology import Cutoffs
from espark.errors import InputError
from espark.explain.attribution import ct_attribution
from espark.registry import AGGREGATORS, FUSIONS, RECIPES
from espark.training.applicability import Applicability
from espark.training.clinical import ClinicalEncoder, ClinicalMember
from espark.training.cross_validation import train_members
from espark.training.fitting import fit, learning_rate_factor, seeded, set_aside
from espark.training.folds import draw_folds
from espark.training.inputs import Bag, Inputs, PackedInputs
from espark.training.members import CytoPathMember, ESparkMember, MScaleCTMember
from espark.training.operating_point import OperatingPoint, cross_fit
from espark.training.preprocessing import RadiomicsScaler, TileSelector
from espark.training.settings import ModelSettings
from espark.types import ClinicalColumn, DoubleArray, IntArray

SETTINGS = ModelSettings(
    MScaleCTSettings(epochs=20, learning_rate=1e-3, width=16),
    CytoPathSettings(epochs=40, learning_rate=3e-3, hidden=16, attention=8, batch_size=4),
    ESparkSettings(epochs=10, learning_rate=1e-3, projection=8, batch_size=4),
)


def make_inputs(count: int = 40, seed: int = 0) -> tuple[Inputs, IntArray]:
    """Patients whose CT and slides each tell the label in part."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    radiomics = rng.normal(size=(count, 8)).astype(np.float32)
    radiomics[:, 0] += 2 * labels
    bags: list[Bag | None] = []
    for label in labels:
        features = rng.normal(size=(12, 6)).astype(np.float32)
        features[:3, 1] += 3 * label
        bags.append(Bag(features, features[:, :4].copy()))
    names = (("a", "b", "c", "d"), ("a", "b", "c", "d"))
    ids = tuple(f"p{index}" for index in range(count))
    return Inputs(ids, ("tumor", "esophagus"), names, radiomics, tuple(bags)), labels


def train_all(inputs: Inputs, labels: IntArray, seed: int = 1) -> tuple[MScaleCTMember, CytoPathMember, ESparkMember]:
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, seed)
    slides = CytoPathMember.train(inputs, labels, SETTINGS, seed)
    return ct, slides, ESparkMember.train(inputs, labels, SETTINGS, seed, ct, slides)


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


def test_the_learning_rate_warms_up_then_falls() -> None:
    factors = [learning_rate_factor(epoch, epochs=25, warmup=5) for epoch in range(25)]
    assert factors[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0])
    assert all(later < earlier for earlier, later in itertools.pairwise(factors[5:]))
    assert factors[15] == pytest.approx(0.5)
    assert 0 < factors[-1] < 0.01
    assert learning_rate_factor(0, epochs=1, warmup=5) == 1.0


def test_seeding_leaves_the_generator_and_the_threads_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    with seeded(1):
        first = torch.rand(3)
    assert torch.equal(torch.rand(1), expected)
    with seeded(1):
        assert torch.equal(torch.rand(3), first)


def test_every_model_learns_and_two_runs_give_the_same_weights() -> None:
    inputs, labels = make_inputs()
    members, again = train_all(inputs, labels), train_all(inputs, labels)
    for member, other in zip(members, again, strict=True):
        assert roc_auc_score(labels, member.logits(inputs)) > 0.85
        assert all(torch.equal(a, b) for a, b in zip(member.tensors().values(), other.tensors().values(), strict=True))


def test_members_survive_being_stored() -> None:
    inputs, labels = make_inputs()
    for member in train_all(inputs, labels):
        restored = type(member).restore(inputs.subset([]), SETTINGS, member.tensors())
        np.testing.assert_array_equal(restored.logits(inputs), member.logits(inputs))


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_cytopath_and_the_fusion_work_with_every_aggregator(aggregator: str) -> None:
    inputs, labels = make_inputs(12)
    cytopath = SETTINGS.cytopath.model_copy(update={"aggregator": aggregator, "epochs": 2})
    settings = dataclasses.replace(SETTINGS, cytopath=cytopath, espark=SETTINGS.espark.model_copy(update={"epochs": 2}))
    ct = MScaleCTMember.train(inputs, labels, SETTINGS, 1)
    slides = CytoPathMember.train(inputs, labels, settings, 1)
    for member in (slides, ESparkMember.train(inputs, labels, settings, 1, ct, slides)):
        restored = type(member).restore(inputs.subset([]), settings, member.tensors())
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
    restored = ESparkMember.restore(inputs.subset([]), settings, member.tensors())
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
    assert "selector.cutoffs" not in member.tensors()
    for bag in inputs.bags:
        assert bag is not None
        assert member.selector.select(bag).all()
        assert not member.falls_back(bag)


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
    assert nothing.modality(0) is None
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
        cytopath=SETTINGS.cytopath.model_copy(update={"epochs": 15}),
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


def test_applicability_tells_strangers_from_development_patients() -> None:
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(5, 60))
    development = (rng.normal(size=(80, 5)) @ loadings + 0.3 * rng.normal(size=(80, 60))).astype(np.float32)
    alike = (rng.normal(size=(200, 5)) @ loadings + 0.3 * rng.normal(size=(200, 60))).astype(np.float32)
    strange = (rng.normal(size=(50, 60)) * development.std(axis=0)).astype(np.float32)
    check = Applicability.fit([row[None] for row in development])
    assert np.mean([check.distance(row[None]) > check.limit for row in alike]) < 0.03
    assert np.mean([check.distance(row[None]) > check.limit for row in strange]) > 0.95
    restored = Applicability.restore(check.tensors())
    assert restored.distance(alike[:1]) == check.distance(alike[:1])
    assert restored.limit == check.limit


def test_applicability_of_many_rows_sees_a_small_shift_of_all_of_them() -> None:
    rng = np.random.default_rng(0)
    patients = [rng.normal(size=(100, 30)).astype(np.float32) for _ in range(20)]
    check = Applicability.fit(patients)
    assert check.distance(rng.normal(size=(100, 30)).astype(np.float32)) < check.limit
    assert check.distance((0.7 + rng.normal(size=(100, 30))).astype(np.float32)) > check.limit


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
    restored = ESparkMember.restore(inputs.subset([]), settings, member.tensors())
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
    tensors: dict[str, list[list[torch.Tensor]]] = {}
    aucs: dict[str, list[float]] = {}
    for name, marker in told.items():
        patients = without_evidence(with_marker(inputs, np.where(np.arange(90) < 60, noise, marker))).only("ct")
        part = (patients.subset(seen), labels[seen], CLINICAL, 1)
        members = (ClinicalMember.train(*part), ESparkMember.train(*part, ct, slides))
        tensors[name] = [list(member.tensors().values()) for member in members]
        asked = patients.subset(held_out)
        aucs[name] = [float(roc_auc_score(labels[held_out], member.logits(asked))) for member in members]
    for name in ("label", "opposite"):
        for leaky, plain in zip(tensors[name], tensors["noise"], strict=True):
            assert all(torch.equal(one, other) for one, other in zip(leaky, plain, strict=True))
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
    restored = ClinicalMember.restore(inputs.subset([]), SETTINGS, member.tensors())
    np.testing.assert_array_equal(restored.logits(inputs), member.logits(inputs))
    unknown = dataclasses.replace(inputs, clinical=((None, None),) * 80)
    assert np.isnan(member.logits(unknown)).all()


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


def test_an_inner_split_takes_a_share_of_each_class_whatever_the_order() -> None:
    ids = [f"p{index}" for index in range(50)]
    labels = [1] * 20 + [0] * 30
    aside = set_aside(ids, labels, 0.2)
    assert (aside[:20].sum(), aside[20:].sum()) == (4, 6)
    assert (set_aside(ids[::-1], labels[::-1], 0.2)[::-1] == aside).all()
    assert not set_aside(ids, labels, 0.0).any()
    assert set_aside(ids[:3], [1, 0, 0], 0.1).sum() == 1  # the only one of a class stays in training


def test_the_epoch_is_that_of_the_lowest_loss_on_the_patients_set_aside() -> None:
    """A network of one weight walks past its best place: its labels in training are not those of the inner part."""
    ids = [f"p{index}" for index in range(40)]
    labels = torch.tensor([0, 1] * 20)
    aside = torch.from_numpy(set_aside(ids, labels.tolist(), 0.25))
    wanted = torch.where(aside, 0.5, 2.0)
    walked: list[float] = []

    class Walker(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = torch.nn.Parameter(torch.zeros(()))

    net = Walker()
    seen: set[int] = set()

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        if net.training:
            seen.update(batch.tolist())
        else:
            walked.append(float(net.place.detach()))
        return ((net.place - wanted[batch]) ** 2).mean()

    settings = SETTINGS.espark.model_copy(
        update={"epochs": 30, "learning_rate": 0.1, "warmup_epochs": 0, "batch_size": 40, "inner_share": 0.25}
    )
    epoch = fit(net, ids, labels, loss_of, settings)
    assert not seen & set(torch.nonzero(aside).flatten().tolist())
    assert len(walked) == 30
    assert walked.index(net.place.item()) == epoch - 1
    assert epoch - 1 == int(np.argmin(np.abs(np.array(walked) - 0.5)))
    walked.clear()
    net.place.data.zero_()
    stopped = fit(net, ids, labels, loss_of, settings.model_copy(update={"patience": 2}))
    assert stopped == epoch
    assert len(walked) == epoch + 2


def test_patients_set_aside_choose_the_epoch_and_nothing_else() -> None:
    """With one epoch to choose from, their labels change no weight; the label of any other patient does."""
    inputs, labels = make_inputs(40)
    settings = dataclasses.replace(
        SETTINGS, mscalect=SETTINGS.mscalect.model_copy(update={"inner_share": 0.3, "epochs": 1})
    )
    aside = set_aside(inputs.patient_ids, labels.tolist(), 0.3)
    first, second = (np.flatnonzero(aside & (labels == label))[0] for label in (0, 1))
    told = labels.copy()
    told[[first, second]] = labels[[second, first]]
    if not (set_aside(inputs.patient_ids, told.tolist(), 0.3) == aside).all():
        pytest.fail("swapping these two labels must leave the same patients aside")

    def weights(labels: IntArray) -> torch.Tensor:
        return MScaleCTMember.train(inputs, labels, settings, 0).tensors()["net.layers.0.weight"]

    plain = weights(labels)
    assert torch.equal(weights(told), plain)
    others = labels.copy()
    others[np.flatnonzero(~aside)[0]] ^= 1
    assert not torch.equal(weights(others), plain)


def test_a_slide_branch_that_is_not_trained_stays_that_of_cytopath() -> None:
    inputs, labels = make_inputs()
    ct, slides, trained = train_all(inputs, labels)
    still = dataclasses.replace(
        SETTINGS, espark=SETTINGS.espark.model_copy(update={"slide_learning_rate_factor": 0.0, "epochs": 20})
    )
    member = ESparkMember.train(inputs, labels, still, 1, ct, slides)
    branch = {name: value for name, value in member.tensors().items() if name.startswith("net.slide_branch.")}
    own = {name.replace("net.", "net.slide_branch.", 1): value for name, value in slides.tensors().items()}
    assert branch
    for name, value in branch.items():
        assert torch.equal(value, own[name])
    assert not torch.equal(
        trained.tensors()["net.slide_branch.project.0.weight"], branch["net.slide_branch.project.0.weight"]
    )
    assert roc_auc_score(labels, member.logits(inputs)) > 0.85
    for modality in ("ct", "slides"):
        assert np.isfinite(member.logits(inputs.only(modality))).all()
