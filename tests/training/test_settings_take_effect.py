"""No setting of a model is ignored: each changes the weights, and learning rates by exactly what they say."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from planted import SETTINGS, make_inputs
from torch import Tensor

from espark.pathology.cytology import Cutoffs
from espark.training.inputs import Inputs
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.espark import ESparkMember
from espark.training.members.mscalect import MScaleCTMember
from espark.training.settings import ModelSettings
from espark.types import ClinicalColumn, IntArray

COMMON: dict[str, Any] = {
    "epochs": 5,
    "learning_rate": 4e-3,
    "weight_decay": 0.9,
    "warmup_epochs": 2,
    "label_smoothing": 0.45,
    "batch_size": 7,
    "inner_share": 0.25,
    "patience": 1,
    "precision": "bfloat16",
}
CHANGES: dict[str, dict[str, Any]] = {
    "mscalect": COMMON
    | {"width": 5, "depth": 2, "min_icc": 0.5, "features": ("a",), "selected": 2, "max_correlation": 0.05,
       "scale_dropout": 0.9},
    "cytopath": COMMON
    | {"aggregator": "mean", "cell_type_selection": False, "tile_vector": "profile", "hidden": 7, "attention": 3,
       "max_tiles": 2},
    "espark": COMMON
    | {"fusion": "gated", "clinical": True, "ct_learning_rate_factor": 0.7, "slide_learning_rate_factor": 0.3,
       "projection": 5, "modality_dropout": 0.9},
}  # fmt: skip
ELSEWHERE = {"model", "voices", "weighted_sum"}
"""Other CT models come from plug-ins, which have tests of their own, as voices have (test_voices.py)."""

BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("mscalect", "patience"): {"inner_share": 0.3, "learning_rate": 0.003, "epochs": 40, "batch_size": 2},
    ("cytopath", "patience"): {"inner_share": 0.3, "learning_rate": 0.3, "epochs": 12},
    ("espark", "patience"): {"inner_share": 0.3, "learning_rate": 0.3, "epochs": 12},
    ("mscalect", "max_correlation"): {"selected": 4},
}
"""What else must be set for a setting to matter; with patience, a loss that falls, rises and falls again."""


@cache
def patients() -> tuple[Inputs, IntArray]:
    """With a clinical value, and perturbed contours with which only the first feature of each scale agrees."""
    inputs, labels = make_inputs(24)
    rng = np.random.default_rng(1)
    noise = np.tile([0.01, 3, 3, 3], 2).astype(np.float32)
    repeats = tuple(row + noise * rng.normal(size=(3, 8)).astype(np.float32) for row in inputs.radiomics)
    ages = tuple((float(age),) for age in rng.integers(50, 80, size=24))
    return dataclasses.replace(
        inputs, repeats=repeats, clinical_columns=(ClinicalColumn("age", "number"),), clinical=ages
    ), labels


def settings_with(model: str, **values: Any) -> ModelSettings:
    plain = {"epochs": 3, "warmup_epochs": 0, "batch_size": 8}
    short = {name: getattr(SETTINGS, name).model_copy(update=plain) for name in CHANGES}
    short[model] = short[model].model_copy(update=values)
    return dataclasses.replace(SETTINGS, **short)


def trained(model: str, settings: ModelSettings) -> dict[str, Tensor]:
    """The weights of one model; a fusion has branches that are always the same."""
    inputs, labels = patients()
    if model == "mscalect":
        return MScaleCTMember.train(inputs, labels, settings, 1).state().tensors
    if model == "cytopath":
        return CytoPathMember.train(inputs, labels, settings, 1).state().tensors
    return ESparkMember.train(inputs, labels, settings, 1, *_branches()).state().tensors


@cache
def _branches() -> tuple[MScaleCTMember, CytoPathMember]:
    plain = settings_with("espark")
    return MScaleCTMember.train(*patients(), plain, 1), CytoPathMember.train(*patients(), plain, 1)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        first[name].shape == second[name].shape and torch.equal(first[name], second[name]) for name in first
    )


@pytest.mark.parametrize("model", CHANGES)
def test_every_setting_is_among_those_that_are_changed_here(model: str) -> None:
    assert set(CHANGES[model]) == set(type(getattr(SETTINGS, model)).model_fields) - ELSEWHERE


@pytest.mark.parametrize(("model", "name"), [(model, name) for model, part in CHANGES.items() for name in part])
def test_a_setting_changes_the_weights(model: str, name: str) -> None:
    beside = BESIDE.get((model, name), {})
    plain = trained(model, settings_with(model, **beside))
    assert not same(plain, trained(model, settings_with(model, **beside, **{name: CHANGES[model][name]})))


def test_the_cutoffs_of_the_cell_types_change_the_weights() -> None:
    plain = settings_with("cytopath")
    for cutoffs in (Cutoffs(share=0.5), Cutoffs(fixed=(0.1, None, None, None))):
        assert not same(trained("cytopath", plain), trained("cytopath", dataclasses.replace(plain, cutoffs=cutoffs)))


def one_step(**values: Any) -> dict[str, Tensor]:
    """Weights of eSPARK after a single step of AdamW: each has moved by its learning rate, up or down."""
    step = {"epochs": 1, "batch_size": 24, "weight_decay": 0.0, "learning_rate": 1e-3, "modality_dropout": 0.0}
    return trained("espark", settings_with("espark", **{"slide_learning_rate_factor": 1.0, **step, **values}))


@pytest.mark.parametrize(
    ("setting", "branch"), [("ct_learning_rate_factor", "ct_branch"), ("slide_learning_rate_factor", "slide_branch")]
)
def test_the_learning_rate_of_a_branch_is_the_common_one_times_its_factor(setting: str, branch: str) -> None:
    slow, fast = one_step(**{setting: 0.25}), one_step(**{setting: 2.0})
    own = [name for name in slow if name.startswith(f"net.{branch}.") and ".head." not in name]
    others = [name for name in slow if name.startswith("net.") and name not in own]
    assert own and others
    moved = torch.cat([(fast[name] - slow[name]).abs().flatten() for name in own])
    # A weight whose gradient is nearly zero moves less; the others by the whole step.
    assert float(moved.max()) == pytest.approx((2.0 - 0.25) * 1e-3, rel=1e-2)
    assert float(moved.median()) == pytest.approx((2.0 - 0.25) * 1e-3, rel=5e-2)
    assert all(torch.equal(slow[name], fast[name]) for name in others)


def test_the_common_learning_rate_moves_what_joins_the_branches() -> None:
    slow, fast = one_step(learning_rate=1e-3), one_step(learning_rate=3e-3)
    moved = (fast["net.slide_projection.weight"] - slow["net.slide_projection.weight"]).abs()
    assert float(moved.median()) == pytest.approx(2e-3, rel=5e-2)
