"""`espark explain` for patients whom the user names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from commands import accept
from typer.testing import CliRunner

from espark.bundle.folder import load_bundle
from espark.cli import app
from espark.ct.features.voxel_maps import voxel_map
from espark.ct.files.volume import read_ct
from espark.ct.regions.regions import load_regions
from espark.errors import CohortError, InputError
from espark.files import read_json
from espark.steps.explain.ct_pair import draw_pairs
from espark.steps.explain.explain import patient_folds
from espark.steps.explain.on_request import explain_pair, explain_voxel_maps
from espark.steps.explain.voxel_maps import voxel_map_picture
from espark.steps.prepare.prepare import prepare, radiomics_settings
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.report.report import report
from espark.steps.report.study_page import study_page
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from espark.workspace.records import ItemStatus


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
    prepare(workspace, reporter=Reporter("quiet"))
    with pytest.raises(CohortError, match=r"no patient 'A-001'.*Did you mean 'A-0001'"):
        explain_pair(workspace, "A-0001", "A-001")
    with pytest.raises(InputError, match=r"'B-0001' has no CT.*The most similar id is '[A-Z]-000[0-9]'"):
        explain_pair(workspace, "B-0001", "A-0001")
    with pytest.raises(InputError, match="named twice"):
        explain_pair(workspace, "A-0001", "A-0001")
    assert not (study / "explain" / "ct-pair-named.json").exists()


def test_voxel_maps_are_those_of_the_features_that_speak_most(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(study)
    assert not explain_voxel_maps(workspace, "B-0001", features=2).failed
    folder = study / "explain" / "voxel-maps" / "B-0001"
    table = read_json(folder / "maps.json")
    texture = pd.read_parquet(study / "explain" / "ct_attribution.parquet").query("patient_id == 'B-0001'")
    texture = texture[texture["feature"].str.contains("_gl|_ngtdm_")]
    largest = texture.loc[texture["attribution"].abs().sort_values(ascending=False).index[: 2 + len(table["left_out"])]]
    named = [(entry["scale"], entry["feature"]) for entry in table["maps"] + table["left_out"]]
    assert set(named) == set(zip(largest["scale"], largest["feature"], strict=True))
    first = table["maps"][0]
    patient = workspace.cohort["B-0001"]
    assert patient.files.ct is not None
    ct = read_ct(patient.files.ct)
    mask = load_regions(workspace.layout.regions("B-0001"), ct).mask(first["scale"])
    again = voxel_map(ct, mask, first["feature"], radiomics_settings(workspace.config.ct))
    stored = sitk.ReadImage(str(folder / first["file"]))
    assert np.allclose(stored.GetOrigin(), again.GetOrigin(), atol=1e-3)
    there = np.isfinite(sitk.GetArrayFromImage(again))
    assert np.allclose(sitk.GetArrayFromImage(stored)[there], sitk.GetArrayFromImage(again)[there])
    assert there.sum() == first["voxels"]
    picture = voxel_map_picture(workspace.layout, "espark", "B-0001")
    assert picture is not None and picture.png == (folder / "voxel-maps.png").read_bytes()
    assert voxel_map_picture(workspace.layout, "espark", "A-0001") is None
    bundle = study / "models" / "espark" / "bundle.json"
    bundle.write_text(bundle.read_text() + "\n")
    assert voxel_map_picture(workspace.layout, "espark", "B-0001") is None, "the model is another"
    monkeypatch.setattr("espark.steps.explain.voxel_maps._MOST_SECONDS", 0.0)
    failed = explain_voxel_maps(open_workspace(study), "B-0001").failed
    assert [(item.item, item.state) for item in failed] == [("voxel-maps", "failed")]
    assert "(20 were left out)" in failed[0].error
    with pytest.raises(CohortError, match="Did you mean 'B-0001'"):
        explain_voxel_maps(workspace, "B-001")


def test_the_patient_page_shows_voxel_maps_where_there_are_some(study: Path) -> None:
    page = study / "report" / "patients" / "B-0001.html"
    result = CliRunner().invoke(app, ["explain", str(study), "--voxel-maps", "B-0001", "--features", "1"])
    assert result.exit_code == 0 and "voxel-maps/B-0001" in result.output
    assert "Where these textures are high" not in page.read_text(encoding="utf-8")
    report(open_workspace(study), patient_id="B-0001", show_withheld=True, reporter=Reporter("quiet"))
    assert "Where these textures are high" in page.read_text(encoding="utf-8")
    both = CliRunner().invoke(app, ["explain", str(study), "--voxel-maps", "B-0001", "--pair", "A-0001", "B-0001"])
    assert both.exit_code == 2


def test_a_ct_that_cannot_be_read_is_a_failed_item_and_stops_nothing(study: Path) -> None:
    workspace = open_workspace(study)
    left = read_json(study / "explain" / "ct-pair.json")["left"]
    ct = workspace.cohort[left].files.ct
    assert ct is not None
    shutil.rmtree(ct) if ct.is_dir() else ct.unlink()
    ct.mkdir()
    accept(study)
    (study / "explain" / "checks.json").unlink()
    result = CliRunner().invoke(app, ["explain", str(study), "--quiet", "--workers", "1"])
    assert result.exit_code == 1, result.output
    assert f"failed: {left} ct-pair: " in result.stderr
    assert (study / "explain" / "checks.json").exists()
    assert not list(study.rglob("ct-pair.*")), "no figure of an earlier model is left to be taken for this one's"
    failed = explain_pair(workspace, left, next(name for name in ("A-0001", "A-0002") if name != left)).failed
    assert [(item.patient_id, item.item, item.state) for item in failed] == [(left, "ct-pair-named", "failed")]
