"""A small bundle, trained once on made-up patients."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from espark.bundle.folder import member_path, save_bundle
from espark.training.likeness.applicability import Applicability
from espark.training.likeness.views import applicability_views
from espark.training.members.mscalect import MScaleCTMember
from made_up_bundle import FOLDS, SETTINGS, made_up_card, made_up_patients


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle's folder; read only."""
    folder = tmp_path_factory.mktemp("bundle") / "mscalect"
    inputs, labels = made_up_patients()
    members = [MScaleCTMember.train(inputs, labels, SETTINGS, seed) for seed in range(FOLDS)]
    for fold, member in enumerate(members):
        member.state().save(member_path(folder, fold), f"key {fold}")
    views = [applicability_views(inputs, index)["ct"] for index in range(len(labels))]
    raw = 1 / (1 + np.exp(-members[0].logits(inputs)))
    save_bundle(folder, made_up_card(labels, raw), {"ct": Applicability.fit(views)}, "# MScaleCT\n")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(saved, tmp_path / "mscalect"))
