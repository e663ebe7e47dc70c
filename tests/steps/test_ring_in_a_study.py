"""The ring around the tumor as a third scale: from `prepare` through models, screening and pages to a new patient."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from espark.bundle.folder import load_bundle
from espark.ct.segmentation import wall
from espark.files import read_json
from espark.steps.ablate import ct_models
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.explain import explain
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.report.report import report
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from espark.workspace.records import read_record

QUIET = Reporter("quiet")
WITHOUT_TUMOR = "B-0001"


@pytest.fixture(scope="module")
def ringed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study without its slides and with a ring of 6 mm; of one patient, only the esophagus is known."""
    study = Path(shutil.copytree(finished, tmp_path_factory.mktemp("ringed") / "study"))
    config = study / "study.toml"
    text = config.read_text().replace("ring_mm = 0.0", "ring_mm = 6.0")
    config.write_text(text.replace('segmenter = "espark-mini-seg"', 'segmenter = "masks"'))
    cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
    cohort.loc[cohort["patient_id"] == WITHOUT_TUMOR, "tumor_mask"] = ""
    cohort["slides"] = ""
    cohort.to_csv(study / "cohort.csv", index=False)
    for folder in ("models", "predictions", "evaluation"):  # of a study that had slides
        shutil.rmtree(study / folder)
    prepare(open_workspace(study), only="ct", reporter=QUIET)
    return study


def test_features_masks_and_reasons(ringed: Path) -> None:
    workspace = open_workspace(ringed)
    table = pd.read_parquet(ringed / "prepared" / "radiomics.parquet").set_index("patient_id")
    by_scale = {name.split("__")[0] for name in table.columns}
    assert by_scale == {"tumor", "esophagus", "peritumoral"}
    ring = [name for name in table.columns if name.startswith("peritumoral__")]
    assert len(ring) == sum(name.startswith("tumor__") for name in table.columns)
    assert table.loc[WITHOUT_TUMOR, ring].isna().all()
    assert table.drop(index=WITHOUT_TUMOR)[ring].notna().to_numpy().mean() > 0.99
    stored = read_json(workspace.layout.patient_radiomics(WITHOUT_TUMOR))["peritumoral"]["failures"]
    assert set(stored.values()) == {"There is no ring around the tumor: the tumor is not known."}
    inputs = load_inputs(workspace).inputs
    assert inputs.scales == ("tumor", "esophagus", "peritumoral")
    row = inputs.known_scales[inputs.patient_ids.index(WITHOUT_TUMOR)]
    assert row.tolist() == [False, True, False]
    one = next(patient_id for patient_id in inputs.patient_ids if patient_id != WITHOUT_TUMOR)
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(workspace.layout.ring(one)))) > 0
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(workspace.layout.regions(one))))
    assert mask.any() and not (mask & (labels == 2)).any()
    assert not workspace.layout.ring(WITHOUT_TUMOR).exists()


def test_of_an_esophagus_alone_the_thick_part_is_the_tumor(
    ringed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "_ABOVE_MEDIAN", 1.3)  # the tumor of this patient is thin, and its CT is coarse
    study = Path(shutil.copytree(ringed, tmp_path / "study"))
    config = study / "study.toml"
    config.write_text(config.read_text().replace('segmenter = "masks"', 'segmenter = "espark-mini-seg"'))
    prepare(open_workspace(study), only="ct", reporter=QUIET)
    table = pd.read_parquet(study / "prepared" / "radiomics.parquet").set_index("patient_id")
    measured = {name.split("__")[0] for name in table.columns[table.loc[WITHOUT_TUMOR].notna()]}
    assert measured == {"tumor", "esophagus", "peritumoral"}
    before = pd.read_parquet(ringed / "prepared" / "radiomics.parquet").set_index("patient_id")
    pd.testing.assert_frame_equal(table.drop(index=WITHOUT_TUMOR), before.drop(index=WITHOUT_TUMOR))
    record = read_record(open_workspace(study).layout, WITHOUT_TUMOR, "ct") or {}
    assert "wall thicker" in record["region_notes"][0]["text"] and record["segmenter"] is None


def test_without_a_ring_nothing_is_prepared_anew(study: Path) -> None:
    files = list((study / "prepared" / "ct").rglob("*"))
    before = {path: path.stat().st_mtime_ns for path in files}
    prepare(open_workspace(study), only="ct", reporter=QUIET)
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_models_screening_and_pages_take_it_as_a_scale_like_any_other(
    ringed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ct_models, "CT_COMPARATORS", {})  # they are tested elsewhere
    workspace = open_workspace(ringed)
    train(workspace, reporter=QUIET)
    evaluate(workspace, reporter=QUIET)
    screened = pd.read_csv(ringed / "evaluation" / "screening.csv")
    assert screened.groupby("scale").size().nunique() == 1 and screened["scale"].nunique() == 3
    arms = [arm.words for arm in ct_models.ct_answers(workspace, workers=1, reporter=QUIET)]
    assert arms == [
        "tumor + esophagus + peritumoral", "tumor + esophagus", "tumor", "esophagus", "peritumoral",
    ]  # fmt: skip
    assert load_bundle(ringed / "models" / "mscalect").card.radiomics.ring_mm == 6.0  # type: ignore[union-attr]
    explain(workspace, reporter=QUIET)
    report(workspace, patient_id=WITHOUT_TUMOR, reporter=QUIET)
    page = (ringed / "report" / "patients" / f"{WITHOUT_TUMOR}.html").read_text(encoding="utf-8")
    assert "Ring around the tumor" in page
    assert "The peritumoral scale was missing: there was no ring around the tumor" in page
    other = next(
        patient for patient in workspace.cohort.used if patient.role == "external" and patient.files.tumor_mask
    )
    new = NewPatient(**vars(other.files))
    prediction = predict(ringed / "models" / "mscalect", new, tmp_path / "new", show_withheld=True, reporter=QUIET)
    answers = pd.read_csv(ringed / "predictions" / "mscalect.csv").set_index("patient_id")
    assert prediction.probability == pytest.approx(answers.loc[other.patient_id, "probability"], abs=1e-5)
    found = json.loads((tmp_path / "new" / "prediction.json").read_text())
    assert found["regions"]["peritumoral"]["volume_ml"] > 0
    assert prediction.probability is not None and np.isfinite(prediction.probability)
