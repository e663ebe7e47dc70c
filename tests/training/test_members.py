"""What a fold can do is asked of the fold, whatever model it is of; and it comes back from a file as it was."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import SETTINGS, make_inputs, train_all

from espark.explain.tile_answer import tile_answer
from espark.files import load_tensors
from espark.training.inputs import Inputs
from espark.training.members.clinical import ClinicalMember
from espark.training.members.ct_logistic import CtLogisticMember
from espark.training.members.espark import ESparkMember
from espark.training.members.member import LooksAtCt, LooksAtTiles, Member, looking_at_tiles
from espark.training.members.state import MemberState, stored_key
from espark.types import ClinicalColumn

CLINICAL = dataclasses.replace(SETTINGS, espark=SETTINGS.espark.model_copy(update={"clinical": True}))


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    columns = (ClinicalColumn("age", "number", "years"), ClinicalColumn("Größe", "category"))
    rows = tuple((float(50 + index), "ab"[index % 2]) for index in range(40))
    return dataclasses.replace(make_inputs()[0], clinical_columns=columns, clinical=rows)


@pytest.fixture(scope="module")
def folds(inputs: Inputs) -> dict[str, Member]:
    labels = make_inputs()[1]
    part = (inputs, labels, CLINICAL, 1)
    ct, slides, _ = train_all(inputs, labels)
    return {
        "clinical": ClinicalMember.train(*part),
        "logistic": CtLogisticMember.train(*part),
        "mscalect": ct,
        "cytopath": slides,
        "espark": ESparkMember.train(*part, ct, slides),
    }


def test_a_fold_offers_what_its_model_can_do_and_nothing_else(folds: dict[str, Member]) -> None:
    assert {name for name, member in folds.items() if isinstance(member, LooksAtTiles)} == {"cytopath", "espark"}
    assert {name for name, member in folds.items() if isinstance(member, LooksAtCt)} == {"mscalect", "espark"}
    assert looking_at_tiles(folds.values()) == [folds["cytopath"], folds["espark"]]


@pytest.mark.parametrize("name", ["clinical", "logistic", "mscalect"])
def test_a_fold_without_tiles_is_refused_where_tiles_are_explained(
    folds: dict[str, Member], inputs: Inputs, name: str
) -> None:
    with pytest.raises(ValueError, match="does not look at slides"):
        tile_answer(folds[name], inputs.subset([0]))


@pytest.mark.parametrize("name", ["clinical", "logistic", "mscalect", "cytopath", "espark"])
def test_a_stored_fold_answers_as_before(folds: dict[str, Member], inputs: Inputs, tmp_path: Path, name: str) -> None:
    member, path = folds[name], tmp_path / "fold.safetensors"
    member.state().save(path, "what it depends on")
    assert stored_key(path) == "what it depends on"
    again = type(member).restore(inputs.subset([]), CLINICAL, MemberState.load(path))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(again.logits(inputs), member.logits(inputs))
    assert all(tensor.dtype != torch.uint8 for tensor in load_tensors(path).values())


def test_no_file_has_no_key(tmp_path: Path) -> None:
    assert stored_key(tmp_path / "none.safetensors") is None


def test_the_answer_for_every_tile_that_enters_is_that_of_the_fold(folds: dict[str, Member], inputs: Inputs) -> None:
    for member in looking_at_tiles(folds.values()):
        one = inputs.subset([3])
        bag = one.bags[0]
        assert bag is not None
        places = np.flatnonzero(member.selector.select(bag))
        nothing = np.zeros(0, np.int64)
        whole, without = member.answers_for(one, [places, nothing])
        assert whole == pytest.approx(member.logits(one)[0], abs=1e-5)
        expected = member.logits(one.only("ct"))[0]
        assert without == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_parts_of_a_state_keep_their_names() -> None:
    state = MemberState({"a.b": torch.ones(1), "ab": torch.zeros(1)}, {"a.note": "text"})
    assert dict(state.below("a").tensors) == {"b": torch.ones(1)} and state.below("a").notes == {"note": "text"}
    assert (state.under("x") | state).below("x").tensors.keys() == state.tensors.keys()
