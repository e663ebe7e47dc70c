"""Training in bfloat16: the answers agree with those of float32, and what is kept is float32."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from planted import make_inputs
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from espark.models.aggregators.catalogue import AGGREGATORS
from espark.models.aggregators.nystrom import NystromAttention
from espark.models.fusions.catalogue import FUSIONS
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.settings import ModelSettings
from espark.types import IntArray, Precision
from espark.workspace.config import CytoPathSettings, ESparkSettings, MScaleCTSettings


def settings_of(
    precision: Precision, aggregator: str = "gated-attention", fusion: str = "concatenation"
) -> ModelSettings:
    return ModelSettings(
        MScaleCTSettings(epochs=40, learning_rate=3e-3, width=16, precision=precision),
        CytoPathSettings(epochs=30, learning_rate=3e-3, hidden=16, attention=8, batch_size=4, aggregator=aggregator,
                         cell_type_selection=False, precision=precision),
        ESparkSettings(epochs=20, learning_rate=1e-3, projection=8, batch_size=4, fusion=fusion, precision=precision),
    )  # fmt: skip


def agree(ours: np.ndarray, theirs: np.ndarray, labels: IntArray) -> None:
    assert roc_auc_score(labels, ours) > 0.85
    assert not np.array_equal(ours, theirs), "bfloat16 was not used"
    assert spearmanr(ours, theirs).statistic > 0.9


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_cytopath_agrees_with_float32(aggregator: str) -> None:
    inputs, labels = make_inputs()
    members = [
        CytoPathMember.train(inputs, labels, settings_of(precision, aggregator), 1)
        for precision in ("bfloat16", "float32")
    ]
    assert all(tensor.dtype == torch.float32 for tensor in members[0].state().tensors.values())
    agree(members[0].logits(inputs), members[1].logits(inputs), labels)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_mscalect_and_every_fusion_agree_with_float32(fusion: str) -> None:
    inputs, labels = make_inputs()
    answers = []
    for precision in ("bfloat16", "float32"):
        settings = settings_of(precision, fusion=fusion)
        ct = MScaleCTMember.train(inputs, labels, settings, 1)
        slides = CytoPathMember.train(inputs, labels, settings, 1)
        answers.append((ct.logits(inputs), ESparkMember.train(inputs, labels, settings, 1, ct, slides).logits(inputs)))
    for ours, theirs in zip(*answers, strict=True):
        agree(ours, theirs, labels)


def test_bfloat16_training_is_the_same_twice() -> None:
    inputs, labels = make_inputs()
    first, again = (CytoPathMember.train(inputs, labels, settings_of("bfloat16"), 1) for _ in range(2))
    np.testing.assert_array_equal(first.logits(inputs), again.logits(inputs))


def test_the_epoch_set_aside_is_chosen_in_float32() -> None:
    inputs, labels = make_inputs()
    settings = settings_of("bfloat16")
    early = settings.cytopath.model_copy(update={"inner_share": 0.25, "patience": 3})
    member = CytoPathMember.train(inputs, labels, dataclasses.replace(settings, cytopath=early), 1)
    assert np.isfinite(member.logits(inputs)).all()


def test_the_pseudo_inverse_is_not_iterated_in_bfloat16() -> None:
    torch.manual_seed(0)
    attention = NystromAttention(32, heads=2, landmarks=16)
    queries, keys = torch.randn(2, 1, 2, 16, 16, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = attention._inverse(queries, keys)
    torch.testing.assert_close(found, attention._inverse(queries.float(), keys.float()))
