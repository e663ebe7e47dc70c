"""A whole study, from images to reports, on simulated patients."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import espark
from espark.bundle.folder import load_bundle
from espark.cells import CELL_GROUPS, CELL_TYPES
from espark.errors import BundleError, InputError
from espark.pathology.features import read_slide_features
from espark.plots.slides.slide_quality import REASONS
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

CELL_TYPE_KEYS = tuple(entry.key for entry in CELL_TYPES)

QUIET = Reporter("quiet")
MODELS = ("clinical", "mscalect", "cytopath", "espark")


def tree(folder: Path) -> dict[str, bytes]:
    """Every artefact by its path; times and attempts aside."""
    skipped = {"manifest.json", "status.csv", "stamps.json"}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in skipped)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_artefact_of_the_design_is_there(finished: Path) -> None:
    patients = pd.read_csv(finished / "cohort.csv")["patient_id"]
    for patient in patients:
        assert (finished / "prepared" / "ct" / patient / "regions.nii.gz").is_file()
        assert (finished / "report" / "patients" / f"{patient}.html").is_file()
        assert (finished / "explain" / "heatmaps" / patient / "slide-1.png").is_file()
        assert (finished / "prepared" / "slides" / patient / "slide-1-qc.png").is_file()
    for model in MODELS:
        assert {path.name for path in (finished / "models" / model).glob("fold-*")} == {
            f"fold-{fold:02d}.safetensors" for fold in range(3)
        }
        assert (finished / "models" / model / "MODEL_CARD.md").is_file()
        for suffix in ("svg", "png"):
            assert (finished / "figures" / f"roc-{model}.{suffix}").is_file()
    assert not list(finished.rglob(".partial-*"))


def test_columns_are_those_of_the_design(finished: Path) -> None:
    columns = {
        "prepared/status.csv": "patient_id item state attempts seconds error codes",
        "splits.csv": "patient_id role fold",
        "predictions/espark.csv": "patient_id center role fold pcr modality probability probability_sd n_models "
        "prediction conformal_set",
        "predictions/espark-members.csv": "patient_id fold probability",
        "evaluation/metrics.csv": "model cohort n n_pcr metric value ci_low ci_high method",
        "evaluation/comparisons.csv": "model_a model_b cohort metric difference ci_low ci_high p_value test p_adjusted "
        "detectable",
        "explain/cell_types.csv": "patient_id center pcr cell_type contribution",
        "explain/biomarkers.csv": "patient_id center pcr nlr differentiation",
        "explain/tests.csv": "center quantity n effect ci_low ci_high p_value p_adjusted",
    }
    for name, expected in columns.items():
        assert list(pd.read_csv(finished / name).columns) == expected.split(), name
    attribution = pd.read_parquet(finished / "explain" / "ct_attribution.parquet")
    assert list(attribution.columns) == ["patient_id", "scale", "feature", "attribution"]


def test_features_lie_on_the_grid_and_say_how_they_were_made(finished: Path) -> None:
    for path in (finished / "prepared" / "slides").rglob("*.h5"):
        with h5py.File(path) as file:
            assert file["features"].dtype == np.float32
            assert file["coords"].dtype == np.int32
            assert (file["coords"][:] % 256 == 0).all()
            assert file["similarity"].shape == (len(file["features"]), len(CELL_TYPE_KEYS))
            assert {"encoder", "dim", "tile_px", "mpp", "tile_px_level0", "slide_mpp", "cell_types", "stain"} <= set(
                file.attrs
            )


def test_what_was_left_out_of_a_slide_is_stored_and_said(finished: Path) -> None:
    for path in (finished / "prepared" / "slides").rglob("*.h5"):
        features = read_slide_features(path)
        page = (finished / "report" / "patients" / f"{path.parent.name}.html").read_text(encoding="utf-8")
        said = f"{len(features.rejected_coords)} of {len(features) + len(features.rejected_coords)} tiles were left out"
        assert said in page
        assert f"prepared/slides/{path.parent.name}/slide-1-qc.png" in page
        for reason in set(features.rejected_reasons):
            assert f"{features.rejected_reasons.count(reason)} {REASONS[reason][0]}" in page


def test_the_manifest_records_every_step(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    for step in ("prepare", "train", "evaluate", "explain", "report"):
        assert manifest["steps"][step]["state"] == "done"
        assert manifest["steps"][step]["start"] <= manifest["steps"][step]["end"]
    assert manifest["versions"]["espark"] == espark.__version__
    assert set(manifest["inputs"]) == {"study.toml", "cohort.csv"}


def test_development_predictions_are_out_of_fold_and_the_others_are_votes(finished: Path) -> None:
    table = pd.read_csv(finished / "predictions" / "espark.csv")
    members = pd.read_csv(finished / "predictions" / "espark-members.csv").groupby("patient_id")["probability"]
    development = table["role"] == "development"
    assert (table.loc[development, "n_models"] == 1).all()
    assert (table.loc[~development, "n_models"] == 3).all()
    means = members.mean().reindex(table["patient_id"]).to_numpy()
    np.testing.assert_allclose(table["probability"], means, rtol=1e-12)
    others = table.loc[~development]
    np.testing.assert_allclose(others["probability_sd"], members.std().reindex(others["patient_id"]), rtol=1e-9)


def test_contributions_sum_to_one_within_their_group(finished: Path) -> None:
    table = pd.read_csv(finished / "explain" / "cell_types.csv")
    for _, patient in table.groupby("patient_id"):
        values = patient.set_index("cell_type")["contribution"]
        for keys in CELL_GROUPS.values():
            assert values[list(keys)].sum() == pytest.approx(1.0, abs=1e-5)


def test_attributions_are_complete(finished: Path) -> None:
    checks = json.loads((finished / "explain" / "checks.json").read_text())
    assert checks["ct_attribution_completeness"]["largest_relative_error"] < 0.01
    for key in ("ct_attribution_completeness", "ct_deletion", "ct_insertion", "ct_stability_rank"):
        assert {"title", "n", "value", "ci_low", "ci_high", "sentence"} <= set(checks[key])


def test_the_study_report_prints_subgroups_checks_and_no_withheld_answer(finished: Path) -> None:
    page = (finished / "report" / "index.html").read_text(encoding="utf-8")
    checks = json.loads((finished / "explain" / "checks.json").read_text())
    assert checks["ct_deletion"]["title"] in page and checks["slide_deletion"]["title"] in page
    assert "eSPARK by subgroup" in page
    predictions = pd.read_csv(finished / "predictions" / "espark.csv")
    withheld = sum(
        "No probability is given" in (finished / "report" / "patients" / f"{name}.html").read_text(encoding="utf-8")
        for name in predictions["patient_id"]
    )
    assert page.count(">withheld</td>") == withheld > 0


def test_a_bundle_predicts_without_its_study(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "models" / "espark", tmp_path / "espark")
    bundle = load_bundle(tmp_path / "espark")
    inputs = load_inputs(open_workspace(finished)).inputs
    table = pd.read_csv(finished / "predictions" / "espark.csv").set_index("patient_id")
    others = [index for index, name in enumerate(inputs.patient_ids) if table.loc[name, "role"] != "development"]
    for answer in bundle.predict(inputs.subset(others)):
        assert answer is not None
        assert answer.probability == pytest.approx(table.loc[answer.patient_id, "probability"], abs=1e-9)


def test_one_bundle_answers_for_ct_slides_and_both(finished: Path) -> None:
    bundle = load_bundle(finished / "models" / "espark")
    inputs = load_inputs(open_workspace(finished)).inputs.subset([0])
    for modality in ("ct", "slides", "both"):
        answer = bundle.predict(inputs.only(modality))[0]
        assert answer is not None
        assert answer.modality == modality
        assert 0 < answer.probability < 1
    assert bundle.predict(inputs.only("ct").only("slides")) == [None]


def test_simulated_studies_say_so_on_every_page(finished: Path) -> None:
    for page in (finished / "report").rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "imulated patients" in text
        assert "not a medical device" in text


def test_running_again_changes_no_byte(study: Path) -> None:
    before = tree(study)
    espark.Study(study, reporter=QUIET).run(workers=2)
    after = tree(study)
    assert {name for name in before if before[name] != after.get(name)} == set()
    assert set(after) == set(before)


def test_splits_are_never_silently_redrawn(study: Path) -> None:
    cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
    first = cohort.index[cohort["role"] == "development"][0]
    cohort.drop(index=first).to_csv(study / "cohort.csv", index=False)
    with pytest.raises(InputError, match=r"delete splits\.csv and models/"):
        train(open_workspace(study), reporter=QUIET)


@pytest.mark.parametrize("spoil", ["missing", "format", "weights"])
def test_a_spoilt_bundle_is_refused_with_the_reason(study: Path, spoil: str) -> None:
    folder = study / "models" / "espark"
    if spoil == "missing":
        with pytest.raises(BundleError, match=r"Did you mean .*espark"):
            load_bundle(study)
        return
    if spoil == "format":
        card = json.loads((folder / "bundle.json").read_text())
        (folder / "bundle.json").write_text(json.dumps(card | {"format": 99}))
    else:
        shutil.copy(study / "models" / "mscalect" / "fold-00.safetensors", folder / "fold-00.safetensors")
    said = "does not know the format" if spoil == "format" else "damaged or was changed"
    with pytest.raises(BundleError, match=said):
        load_bundle(folder)


def test_tiles_are_explained_with_numbers_pictures_and_checks(finished: Path) -> None:
    tiles = pd.read_parquet(finished / "explain" / "slide_attribution.parquet")
    assert list(tiles.columns) == ["patient_id", "slide", "x", "y", "attention", "attribution", "cluster"]
    patients = pd.read_csv(finished / "explain" / "slide_patients.csv").set_index("patient_id")
    sums = tiles.groupby("patient_id")[["attention", "attribution"]].sum()
    for name, row in patients.iterrows():
        assert sums.loc[name, "attention"] == pytest.approx(1, abs=1e-5)
        totals = [float(total) for total in str(row["totals"]).split(";")]
        assert len(totals) == (1 if row["role"] == "development" else 3)
        assert sums.loc[name, "attribution"] == pytest.approx(sum(totals) / len(totals), rel=0.02, abs=1e-3)
        folder = finished / "explain" / "heatmaps" / str(name)
        assert (folder / "slide-1.png").exists() and (folder / "slide-1-attribution.png").exists()
        shapes = json.loads((folder / "slide-1.geojson").read_text())["features"]
        assert all("attribution (log-odds)" in shape["properties"]["measurements"] for shape in shapes)
        page = (finished / "report" / "patients" / f"{name}.html").read_text(encoding="utf-8")
        withheld = "No probability is given" in page
        assert ("What each tile added to the answer" in page) != withheld
    checks = json.loads((finished / "explain" / "checks.json").read_text())
    assert checks["slide_completeness"]["value"] == 1.0
    for name in ("slide_deletion", "slide_insertion", "slide_attention_stability"):
        assert {"title", "n", "value", "ci_low", "ci_high", "sentence"} <= set(checks[name])
