"""The recipe robust: linear voices on ranks and on whole bags, and their weighted sum."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from planted import make_inputs
from scipy.special import expit
from scipy.stats import norm, rankdata
from threadpoolctl import threadpool_limits

from espark.explain.attribution import ct_attribution
from espark.explain.cell_ablation import answers_without_types
from espark.explain.slide_attribution import slide_attribution
from espark.explain.tile_answer import tile_answer
from espark.statistics.auc import auc
from espark.training.cross_validation import Development, cross_validate_members
from espark.training.folds import draw_folds
from espark.training.inputs import Bag, Inputs
from espark.training.members.build import restore_member, train_members
from espark.training.members.ct_voices import CtVoicesMember
from espark.training.members.member import HasParts, LooksAtCt, LooksAtTiles, Member
from espark.training.members.slide_voices import SlideVoicesMember
from espark.training.members.weighted_sum import WeightedSumMember
from espark.training.settings import ModelSettings
from espark.training.voices.ranks import RankScaler
from espark.training.voices.ridge import all_directions, fit_voice, log_loss, principal_directions
from espark.training.voices.stacking import Stack
from espark.types import ClinicalColumn, IntArray
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings, ProtocolSettings

SETTINGS = ModelSettings(
    MScaleCTSettings(voices=("leading", "ridge", "components", "ridge:tumor"), selected=3),
    CytoPathSettings(voices=("biomarkers", "amounts", "profile", "highest", "vectors"), cell_type_selection=False),
    ESparkSettings(weighted_sum=True, clinical=True),
)
MODELS = ("mscalect", "cytopath", "espark")


def patients(count: int = 60, seed: int = 0) -> tuple[Inputs, IntArray]:
    """Patients whose CT, slides, cells and age each give the label in part."""
    inputs, labels = make_inputs(count, seed)
    rng = np.random.default_rng(seed)
    bags = []
    for bag, label in zip(inputs.bags, labels, strict=True):
        assert bag is not None
        features = bag.features.copy()
        features[:3, 1] -= 2.4 * label  # what the tiles give is made fainter
        cells = rng.gamma(2.0, size=(len(bag), 4)) * [1 + 0.3 * label, 1.0, 3.0, 2.0]
        bags.append(Bag(features, features[:, :4].copy(), cells.astype(np.float32)))
    ages = tuple((float(60 + rng.normal(4 * label, 5)),) for label in labels)
    columns = (ClinicalColumn("age", "number", "years"),)
    return dataclasses.replace(inputs, bags=tuple(bags), clinical_columns=columns, clinical=ages), labels


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return patients()[0]


@pytest.fixture(scope="module")
def members(inputs: Inputs) -> dict[str, Member]:
    return train_members(MODELS, inputs, patients()[1], SETTINGS, 1)


def with_bags(inputs: Inputs, bag: Bag) -> Inputs:
    return dataclasses.replace(inputs, bags=(bag,))


# Ranks


def test_scores_are_the_normal_scores_of_the_ranks() -> None:
    values = np.random.default_rng(0).lognormal(size=(2000, 2)).astype(np.float32)
    scaler = RankScaler.fit(values, np.ones(2, bool))
    expected = norm.ppf((np.apply_along_axis(rankdata, 0, values) - 0.5) / len(values))
    inside = np.abs(expected) < 1.5
    np.testing.assert_allclose(scaler.scores(values)[inside], expected[inside], atol=0.05)


def test_a_growing_change_of_a_feature_changes_no_answer(inputs: Inputs) -> None:
    labels = patients()[1]
    powers = np.where(np.arange(inputs.radiomics.shape[1]) % 2, 1.0, 3.0)
    # At the quantiles themselves: between them, a score is interpolated, and a power is no straight line.
    steps = np.round(inputs.radiomics)
    before = dataclasses.replace(inputs, radiomics=steps.astype(np.float32))
    after = dataclasses.replace(inputs, radiomics=(np.sign(steps) * np.abs(steps) ** powers * 7 + 2).astype(np.float32))
    one, other = (CtVoicesMember.train(part, labels, SETTINGS, 1).logits(part) for part in (before, after))
    assert np.corrcoef(one, other)[0, 1] > 0.98


def test_a_runaway_value_counts_as_a_large_one(inputs: Inputs, members: dict[str, Member]) -> None:
    large, runaway = (dataclasses.replace(inputs, radiomics=inputs.radiomics.copy()) for _ in range(2))
    large.radiomics[:, 0], runaway.radiomics[:, 0] = 50, 1e9
    np.testing.assert_array_equal(members["mscalect"].logits(large), members["mscalect"].logits(runaway))


def test_what_is_constant_or_unknown_has_the_score_of_the_median() -> None:
    values = np.array([[1.0, 5.0, np.nan], [2.0, 5.0, np.nan], [3.0, 5.0, 7.0], [np.nan, 5.0, np.nan]], np.float32)
    scaler = RankScaler.fit(values, np.ones(3, bool))
    found = scaler.transform(values).numpy()
    assert scaler.places.tolist() == [0] and not found[:, 1:].any()
    assert found[3, 0] == 0 and found[1, 0] == pytest.approx(0, abs=1e-6)


# One voice


def test_a_voice_is_a_ridge_whose_penalty_is_chosen_by_likelihood() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(300, 4))
    labels = (rng.random(300) < expit(values @ [1.5, -1, 0, 0])).astype(np.int64)
    voice = fit_voice(values, labels, all_directions, seed=0)
    assert np.corrcoef(voice.weights, [1.5, -1, 0, 0])[0, 1] > 0.98
    assert log_loss(labels, voice.crossed) < 0.56 < 0.69


def test_a_ridge_along_all_directions_is_a_ridge_on_the_features() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(2)
    values, labels = rng.normal(size=(20, 50)), np.arange(20) % 2
    basis = principal_directions(values)
    few = LogisticRegression(C=0.1, tol=1e-9).fit(values @ basis, labels)
    many = LogisticRegression(C=0.1, tol=1e-9).fit(values, labels)
    np.testing.assert_allclose(basis @ few.coef_[0], many.coef_[0], atol=1e-5)


def test_what_a_voice_answers_for_a_patient_in_an_inner_fold_does_not_depend_on_its_label() -> None:
    rng = np.random.default_rng(3)
    labels = np.arange(40) % 2
    noise = rng.normal(size=(40, 200))
    crossed = [fit_voice(noise, rng.permutation(labels), all_directions, seed=s).crossed for s in range(20)]
    found = [auc(labels, row).value for row in crossed]
    assert abs(np.mean(found) - 0.5) < 0.06


@pytest.mark.parametrize("labels", [np.zeros(8, np.int64), np.array([1] + [0] * 7)])
def test_with_fewer_than_two_patients_of_a_class_a_voice_gives_everybody_their_share(labels: IntArray) -> None:
    voice = fit_voice(np.random.default_rng(0).normal(size=(8, 3)), labels, all_directions, seed=0)
    expected = np.log((labels.sum() + 0.5) / (8.5 - labels.sum()))
    assert not voice.weights.any() and voice.intercept == pytest.approx(expected)


# The weights of the parts


def test_the_sum_trusts_a_part_that_knows_more_and_never_turns_one_round() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=400)
    labels = (rng.random(400) < expit(truth)).astype(np.int64)
    parts = np.stack([truth, rng.normal(size=400), -truth], axis=1)
    stack = Stack.fit(parts, labels, expected=1 / 3, trust=1.0)
    assert stack.weights[0] > 5 * stack.weights[1] and (stack.weights > 0).all()


def test_without_trust_in_the_patients_the_weights_are_those_expected() -> None:
    rng = np.random.default_rng(5)
    stack = Stack.fit(rng.normal(size=(50, 2)), np.arange(50) % 2, expected=0.5, trust=1e-4)
    np.testing.assert_allclose(stack.weights, 0.5, atol=1e-4)


def test_a_missing_part_adds_nothing() -> None:
    stack = Stack(np.array([2.0, 1.0]), np.array([0.5, -0.5]), -1.0, np.ones(2))
    found = stack.log_odds(np.array([[1.5, 0.5], [1.5, np.nan], [np.nan, 0.5], [np.nan, np.nan]]))
    np.testing.assert_allclose(found, [2.0, 1.0, 0.0, np.nan])


# A fold


def test_a_fold_offers_what_its_model_can_do(members: dict[str, Member]) -> None:
    assert {name for name, member in members.items() if isinstance(member, LooksAtTiles)} == {"cytopath", "espark"}
    assert {name for name, member in members.items() if isinstance(member, LooksAtCt)} == {"mscalect", "espark"}
    for member in members.values():
        assert isinstance(member, HasParts)
        assert sum(member.shares().values()) == pytest.approx(1) and min(member.shares().values()) > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_stored_fold_answers_as_before(members: dict[str, Member], inputs: Inputs, model: str) -> None:
    member = members[model]
    again = restore_member(model, inputs.subset([]), SETTINGS, member.state())
    np.testing.assert_array_equal(again.logits(inputs), member.logits(inputs))
    assert isinstance(again, HasParts) and again.shares() == member.shares()  # type: ignore[attr-defined]


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_does_not_depend_on_who_is_asked_beside(
    members: dict[str, Member], inputs: Inputs, model: str
) -> None:
    together = members[model].logits(inputs)
    alone = [members[model].logits(inputs.subset([index]))[0] for index in range(len(inputs))]
    np.testing.assert_array_equal(together, alone)


def test_the_same_seed_gives_the_same_weights(members: dict[str, Member], inputs: Inputs) -> None:
    again = train_members(MODELS, inputs, patients()[1], SETTINGS, 1)
    for model in MODELS:
        assert again[model].state().content_hash() == members[model].state().content_hash()


def test_attributions_of_the_ct_are_exact(members: dict[str, Member], inputs: Inputs) -> None:
    one = inputs.subset([3])
    for model in ("mscalect", "espark"):
        found = ct_attribution(members[model], one)
        nothing = dataclasses.replace(one, radiomics=np.full_like(one.radiomics, np.nan), repeats=())
        nothing.radiomics[:, 0] = np.median(inputs.radiomics[:, 0])  # a CT, at the median in all that is known
        assert found.values.sum() == pytest.approx(found.explained, abs=1e-12)
        difference = members[model].logits(one)[0] - members[model].logits(nothing)[0]
        assert found.explained == pytest.approx(difference, abs=0.02)


@pytest.mark.parametrize("model", ["cytopath", "espark"])
def test_attributions_of_the_tiles_add_up(members: dict[str, Member], inputs: Inputs, model: str) -> None:
    found = slide_attribution(tile_answer(members[model], inputs.subset([3])))
    assert abs(found.explained) > 0.05 and abs(found.completeness) < 0.005


@pytest.mark.parametrize("model", ["cytopath", "espark"])
def test_a_part_of_the_tiles_answers_as_a_bag_of_these_tiles(
    members: dict[str, Member], inputs: Inputs, model: str
) -> None:
    member, one = members[model], inputs.subset([3])
    bag = one.bags[0]
    assert bag is not None and isinstance(member, LooksAtTiles)
    some = np.arange(len(bag)) % 2 == 0
    expected = member.logits(with_bags(one, bag.subset(some)))[0]
    assert member.answers_for(one, [np.flatnonzero(some)])[0] == pytest.approx(expected, abs=1e-6)
    assert tile_answer(member, one).of_parts(some[None])[0] == pytest.approx(expected, abs=1e-5)
    nothing = member.answers_for(one, [np.zeros(0, np.int64)])[0]
    assert nothing == pytest.approx(member.logits(one.only("ct"))[0], abs=1e-6, nan_ok=True)


def test_cell_types_can_be_taken_away(members: dict[str, Member], inputs: Inputs) -> None:
    member = members["cytopath"]
    assert isinstance(member, LooksAtTiles)
    found = answers_without_types(member, inputs.subset([3]))
    assert found.log_odds.shape == (5,) and len(set(found.log_odds.tolist())) > 2
    assert found.tiles[0] == 12 and (found.tiles[1:] <= 12).all()


def test_attention_is_the_same_for_every_tile(members: dict[str, Member], inputs: Inputs) -> None:
    member, bag = members["espark"], inputs.bags[0]
    assert isinstance(member, LooksAtTiles) and bag is not None
    np.testing.assert_allclose(member.attention(bag), 1 / len(bag))


def test_the_order_of_the_tiles_and_a_second_copy_of_the_slide_change_nothing(
    members: dict[str, Member], inputs: Inputs
) -> None:
    one = inputs.subset([5])
    bag = one.bags[0]
    assert bag is not None
    places = np.random.default_rng(0).permutation(len(bag))
    mixed = bag.subset(places)
    known = members["cytopath"].logits(one)[0]
    assert members["cytopath"].logits(with_bags(one, mixed))[0] == pytest.approx(known, abs=1e-5)
    twice = bag.subset(np.concatenate([places, places]))
    highest_of_12 = members["cytopath"].logits(with_bags(one, twice))[0]
    assert highest_of_12 != known or abs(highest_of_12 - known) < 1e-5


def test_voices_that_cannot_read_an_encoder_are_left_out(inputs: Inputs) -> None:
    bags = tuple(None if bag is None else Bag(bag.features, None) for bag in inputs.bags)
    bare = dataclasses.replace(inputs, bags=bags)
    member = SlideVoicesMember.train(bare, patients()[1], SETTINGS, 1)
    assert set(member.shares()) == {"vectors"} and np.isfinite(member.logits(bare)).all()
    again = SlideVoicesMember.restore(bare.subset([]), SETTINGS, member.state())
    np.testing.assert_array_equal(again.logits(bare), member.logits(bare))


@pytest.mark.parametrize("section", ["mscalect", "cytopath"])
def test_every_voice_is_heard(inputs: Inputs, members: dict[str, Member], section: str) -> None:
    voices = getattr(SETTINGS, section).voices
    for left_out in voices:
        part = getattr(SETTINGS, section).model_copy(update={"voices": tuple(v for v in voices if v != left_out)})
        settings = dataclasses.replace(SETTINGS, **{section: part})
        found = train_members((section,), inputs, patients()[1], settings, 1)[section]
        assert not np.allclose(found.logits(inputs), members[section].logits(inputs), atol=1e-3)


def test_cells_that_are_not_counted_are_read_by_the_profile(inputs: Inputs) -> None:
    bags = tuple(None if bag is None else dataclasses.replace(bag, counts=None) for bag in inputs.bags)
    part = SETTINGS.cytopath.model_copy(update={"voices": ("biomarkers", "amounts")})
    settings = dataclasses.replace(SETTINGS, cytopath=part)
    member = SlideVoicesMember.train(dataclasses.replace(inputs, bags=bags), patients()[1], settings, 1)
    assert set(member.shares()) == {"profile"}


def test_voices_of_a_scale_that_is_not_there_are_left_out(inputs: Inputs) -> None:
    member = CtVoicesMember.train(inputs.of_scales(["esophagus"]), patients()[1], SETTINGS, 1)
    assert set(member.shares()) == {"leading", "ridge", "components"}


def test_a_patient_with_one_modality_is_answered_from_it(members: dict[str, Member], inputs: Inputs) -> None:
    fold = members["espark"]
    assert isinstance(fold, WeightedSumMember)
    nobody = dataclasses.replace(inputs, clinical=())
    ct, slides = (fold.logits(nobody.only(modality)) for modality in ("ct", "slides"))  # type: ignore[arg-type]
    both = fold.logits(nobody)
    np.testing.assert_allclose(ct + slides - fold.stack.intercept, both, atol=1e-9)
    assert np.isnan(fold.logits(nobody.only("clinical"))).all()


# The whole


def out_of_fold(inputs: Inputs, labels: IntArray, folds: int = 4) -> dict[str, float]:
    """By model, the AUC of out-of-fold answers."""
    drawn = draw_folds(labels.tolist(), [""] * len(labels), folds=folds, seed=0)
    development = Development(inputs, labels, drawn[None])
    found = []
    for fold in range(folds):
        seen = development.seen(fold)
        found.append(train_members(MODELS, inputs.subset(seen), labels[seen], SETTINGS, fold))
    protocol, nobody = ProtocolSettings(folds=folds), inputs.subset([])
    return {
        model: auc(
            labels, cross_validate_members(model, [part[model] for part in found], development, nobody, protocol).pooled
        ).value
        for model in MODELS
    }


def test_the_whole_is_better_than_its_parts() -> None:
    found = out_of_fold(*patients(90, seed=2))
    assert found["espark"] > max(found["mscalect"], found["cytopath"]) > 0.6


def test_labels_that_depend_on_nothing_give_chance() -> None:
    inputs = patients(60)[0]
    rng = np.random.default_rng(0)
    found = [out_of_fold(inputs, rng.permutation(patients(60)[1]), folds=2) for _ in range(3)]
    for model in MODELS:
        assert abs(np.mean([row[model] for row in found]) - 0.5) < 0.15


@pytest.mark.parametrize("model", MODELS)
def test_patients_who_are_not_in_training_change_no_weight(inputs: Inputs, model: str) -> None:
    labels = patients()[1]
    seen = np.arange(40)
    relabelled = labels.copy()
    relabelled[40:] = 1 - relabelled[40:]
    states = [
        train_members(MODELS, inputs.subset(seen), part[seen], SETTINGS, 1)[model].state()
        for part in (labels, relabelled)
    ]
    assert states[0].content_hash() == states[1].content_hash()


def test_one_thread_or_more_give_the_same_weights(inputs: Inputs) -> None:
    found = []
    for count in (1, 2):
        with threadpool_limits(limits=count):
            found.append(train_members(MODELS, inputs, patients()[1], SETTINGS, 1)["espark"].state().content_hash())
    assert found[0] == found[1]
