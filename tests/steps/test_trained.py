"""A model is asked only about the features it was trained on; an older one is refused with what to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from commands import accept

from espark.errors import BundleError
from espark.steps.ablate.cell_ablation import retrain_without_types
from espark.steps.explain.explain import explain
from espark.steps.explain.on_request import explain_pair, explain_voxel_maps
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.report.report import report
from espark.steps.train.trained_model import trained_model
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")

ASKED = {
    "explain": lambda workspace: explain(workspace, reporter=QUIET),
    "explain pair": lambda workspace: explain_pair(workspace, "A-0001", "B-0001"),
    "voxel maps": lambda workspace: explain_voxel_maps(workspace, "A-0001"),
    "ablate": lambda workspace: retrain_without_types(workspace, reporter=QUIET),
    "report": lambda workspace: report(workspace, reporter=QUIET),
}


def without_a_feature(study: Path) -> Workspace:
    table = pd.read_parquet(study / "prepared" / "radiomics.parquet")
    feature = next(name for name in table.columns if name.startswith("tumor__"))
    table.drop(columns=feature).to_parquet(study / "prepared" / "radiomics.parquet")
    accept(study)
    return open_workspace(study)


@pytest.mark.parametrize("step", ASKED)
def test_features_made_anew_need_a_model_trained_anew(step: str, study: Path) -> None:
    before = {path: path.read_bytes() for path in (study / "report").rglob("*.html")}
    with pytest.raises(BundleError, match=r"trained on other features .* of the tumor.*and were.*Run `espark train"):
        ASKED[step](without_a_feature(study))
    assert {path: path.read_bytes() for path in (study / "report").rglob("*.html")} == before


def test_the_model_of_a_study_knows_its_own_features_and_not_other_names_or_tiles(finished: Path) -> None:
    workspace = open_workspace(finished)
    study = load_inputs(workspace)
    assert trained_model(workspace, "espark", study).card.folds == 3
    assert study.radiomics is not None and study.encoder is not None
    names = tuple(tuple(reversed(part)) for part in study.radiomics.feature_names)
    renamed = study.radiomics.model_copy(update={"feature_names": names})
    with pytest.raises(BundleError, match="the CT features have other names"):
        trained_model(workspace, "espark", dataclasses.replace(study, radiomics=renamed))
    stained = study.encoder.model_copy(update={"stain": "macenko"})
    with pytest.raises(BundleError, match="stain of the tiles is macenko, and was none"):
        trained_model(workspace, "cytopath", dataclasses.replace(study, encoder=stained))
    assert trained_model(workspace, "mscalect", dataclasses.replace(study, encoder=stained))
