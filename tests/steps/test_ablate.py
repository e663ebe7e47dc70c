"""`espark ablate` on the tiny simulated study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from espark.bundle.folder import load_bundle
from espark.errors import FeatureError
from espark.pathology.cytology import cytology_template
from espark.steps.ablate.ablate import ablate
from espark.steps.explain.patient_explanation import explain_patient
from espark.steps.prepare.prepared_inputs import load_inputs, load_slides
from espark.training.members.espark import ESparkMember
from espark.training.preprocessing import TileSelector
from espark.wording import percent
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")
FEW = ("gated-attention", "mean")


@pytest.fixture
def ablated(study: Path) -> Path:
    ablate(open_workspace(study), aggregators=FEW, reporter=QUIET)
    return study


def test_the_arm_of_the_study_has_the_auc_of_the_study(ablated: Path) -> None:
    table = pd.read_csv(ablated / "evaluation" / "ablation_aggregators.csv")
    own = table[(table["aggregator"] == "gated-attention") & table["selection"]].set_index("cohort")
    metrics = pd.read_csv(ablated / "evaluation" / "metrics.csv")
    reported = metrics[(metrics["model"] == "cytopath") & (metrics["metric"] == "auc")].set_index("cohort")
    assert len(own) > 1
    for column, same in (("auc", "value"), ("ci_low", "ci_low"), ("ci_high", "ci_high"), ("n", "n")):
        np.testing.assert_allclose(own[column], reported.loc[own.index, same], rtol=1e-9)


def test_tables_and_figure_hold_every_arm_and_cohort(ablated: Path) -> None:
    table = pd.read_csv(ablated / "evaluation" / "ablation_aggregators.csv")
    gains = pd.read_csv(ablated / "evaluation" / "ablation_selection.csv")
    cohorts = table["cohort"].nunique()
    assert len(table) == len(FEW) * 2 * cohorts
    assert len(gains) == len(FEW) * cohorts
    wide = table.pivot_table(index=["aggregator", "cohort"], columns="selection", values="auc")
    expected = (wide[True] - wide[False]).reindex(pd.MultiIndex.from_frame(gains[["aggregator", "cohort"]]))
    known = gains["auc_gain"].notna().to_numpy()
    assert known.any()
    np.testing.assert_allclose(gains["auc_gain"][known], expected[known], atol=1e-12)
    for suffix in ("svg", "png"):
        assert (ablated / "figures" / f"ablation-aggregators.{suffix}").stat().st_size > 1000


def test_what_is_trained_stays(ablated: Path) -> None:
    folds = sorted((ablated / "evaluation" / "ablation").rglob("fold-*.safetensors"))
    assert len(folds) == len(FEW) * 2 * 3
    before = {path: path.stat().st_mtime_ns for path in folds}
    content = (ablated / "evaluation" / "ablation_aggregators.csv").read_bytes()
    folds[0].unlink()
    ablate(open_workspace(ablated), aggregators=FEW, reporter=QUIET)
    changed = [path for path in folds if path.stat().st_mtime_ns != before[path]]
    assert changed == [folds[0]]
    assert (ablated / "evaluation" / "ablation_aggregators.csv").read_bytes() == content


def test_other_cell_types_than_the_prepared_ones_are_refused(study: Path) -> None:
    text = cytology_template() + '[[cell_types]]\nkey = "mucosa"\nname = "mucosa"\n'
    (study / "cytology.toml").write_text(text, encoding="utf-8")
    with pytest.raises(FeatureError, match="espark prepare"):
        ablate(open_workspace(study), aggregators=FEW, reporter=QUIET)


def test_a_patient_of_whom_no_tile_passes_is_told(finished: Path) -> None:
    workspace = open_workspace(finished)
    bundle = load_bundle(finished / "models" / "espark")
    patient, inputs = workspace.cohort.used[0], load_inputs(workspace).inputs.subset([0])
    slides = load_slides(workspace, patient)
    assert explain_patient(bundle, inputs, slides).notes == ()
    for member in bundle.members[:2]:
        assert isinstance(member, ESparkMember)
        member.selector = TileSelector(torch.full((10,), 2.0))
    (note,) = explain_patient(bundle, inputs, slides).notes
    assert note.startswith(f"No tile passed a cell-type cut-off of 2 of 3 fold models; the best {percent(0.15)} of the")
