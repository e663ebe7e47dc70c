"""The training loop: its learning rate, its seed, and the epoch that is kept."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from planted import SETTINGS, make_inputs

from espark.training.fitting import fit, learning_rate_factor, seeded, set_aside
from espark.training.members.mscalect import MScaleCTMember
from espark.types import IntArray


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
        return MScaleCTMember.train(inputs, labels, settings, 0).state().tensors["net.layers.0.weight"]

    plain = weights(labels)
    assert torch.equal(weights(told), plain)
    others = labels.copy()
    others[np.flatnonzero(~aside)[0]] ^= 1
    assert not torch.equal(weights(others), plain)
