"""`espark explain` for patients whom the user names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from espark.bundle import load_bundle
from espark.cli import app
from espark.errors import CohortError, InputError
from espark.files import read_json
from espark.steps.ct_pair import draw_pairs
from espark.steps.explain import patient_folds
from espark.steps.explain_on_request import explain_pair
from espark.steps.inputs import load_inputs
from espark.steps.records import ItemStatus
from espark.steps.study_page import study_page
from espark.steps.workspace import open_workspace


def _draw_pairs(study: Path) -> list[ItemStatus]:
    workspace = open_workspace(study)
    bundle = load_bundle(study / "models" / "espark")
    return draw_pairs(workspace, bundle, load_inputs(workspace).inputs, patient_folds(workspace))


def test_a_pair_that_the_user_names_stands_beside_that_of_the_rule(study: Path) -> None:
    workspace = open_workspace(study)
    by_rule = {path: path.read_bytes() for path in study.rglob("ct-pair.*")}
    assert not explain_pair(workspace, "B-0001", "A-0001").failed
    pair = read_json(study / "explain" / "ct-pair-named.json")
    assert (pair["left"], pair["right"], pair["basis"]) == ("B-0001", "A-0001", "named by the user")
    drawn = (study / "figures" / "ct-pair-named.svg").read_bytes()
    assert drawn.count(b"<svg") == 1
    assert not _draw_pairs(study), "`explain` draws the named pair again"
    assert (study / "figures" / "ct-pair-named.svg").read_bytes() == drawn
    assert {path: path.read_bytes() for path in study.rglob("ct-pair.*")} == by_rule
    page = study_page(workspace, "espark", ())
    assert "A further pair is named by the user." in page
    assert page.count("Two patients named by the user, side by side") >= 1


def test_a_patient_who_cannot_be_shown_is_an_error_with_the_nearest(study: Path) -> None:
    cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
    cohort.loc[cohort["patient_id"] == "B-0001", ["ct", "tumor_mask", "esophagus_mask"]] = ""
    cohort.to_csv(study / "cohort.csv", index=False)
    workspace = open_workspace(study)
    with pytest.raises(CohortError, match=r"no patient 'A-001'.*Did you mean 'A-0001'"):
        explain_pair(workspace, "A-0001", "A-001")
    with pytest.raises(InputError, match=r"'B-0001' has no CT.*The nearest is '[A-Z]-000[0-9]'"):
        explain_pair(workspace, "B-0001", "A-0001")
    with pytest.raises(InputError, match="named twice"):
        explain_pair(workspace, "A-0001", "A-0001")
    assert not (study / "explain" / "ct-pair-named.json").exists()


def test_a_ct_that_cannot_be_read_is_a_failed_item_and_stops_nothing(study: Path) -> None:
    workspace = open_workspace(study)
    left = read_json(study / "explain" / "ct-pair.json")["left"]
    ct = workspace.cohort[left].ct
    assert ct is not None
    shutil.rmtree(ct) if ct.is_dir() else ct.unlink()
    ct.mkdir()
    failed = _draw_pairs(study)
    assert [(item.patient_id, item.item, item.state) for item in failed] == [(left, "ct-pair", "failed")]
    assert failed[0].error
    assert not list(study.rglob("ct-pair.*")), "no figure of an earlier model is left to be taken for this one's"
    other = next(name for name in ("A-0001", "A-0002") if name != left)
    result = CliRunner().invoke(app, ["explain", str(study), "--pair", left, other])
    assert result.exit_code == 1
    assert f"failed: {left} ct-pair-named" in result.stderr
    whole = CliRunner().invoke(app, ["explain", str(study), "--quiet", "--workers", "1"])
    assert whole.exit_code == 1, whole.output
    assert (study / "explain" / "checks.json").exists()
