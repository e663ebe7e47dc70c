"""A CT model that looks at the image: its numbers are a scale like any other, from `prepare` to a new patient."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from espark import catalogue
from espark.bundle.folder import load_bundle
from espark.ct.hounsfield import CtVolume
from espark.ct.models.catalogue import CT_MODELS, CtModelEntry
from espark.ct.regions.regions import Regions
from espark.errors import BundleError, FeatureError, InputProblems
from espark.steps.ablate import ct_models
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.config import MScaleCTSettings
from espark.workspace.opened import open_workspace
from espark.workspace.records import read_status

QUIET = Reporter("quiet")
WITHOUT_TUMOR, WITHOUT_ESOPHAGUS = "B-0001", "B-0002"


def look(ct: CtVolume, regions: Regions) -> Mapping[str, float]:
    """Of a patient without tumor nothing; of one without esophagus an error."""
    organ = sitk.GetArrayFromImage(regions.mask("esophagus")) > 0
    if "tumor" not in regions.scales:
        return {}
    hu = sitk.GetArrayFromImage(ct.image)
    return {"air_share": float((hu < -500).mean()), "organ_voxels": float(organ.sum())}


ENTRY = CtModelEntry("organs", "Organs", look=look, features=("air_share", "organ_voxels"))


@pytest.fixture(scope="module")
def looked(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The finished study without its slides, whose CT model looks at the image; prepared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_registered", {})
        CT_MODELS.register(ENTRY)
        study = Path(shutil.copytree(finished, tmp_path_factory.mktemp("looked") / "study"))
        config = study / "study.toml"
        text = config.read_text().replace('model = "network"', 'model = "organs"')
        text = text.replace("stability_patients = 0", "stability_patients = 1")
        config.write_text(text.replace('segmenter = "espark-mini-seg"', 'segmenter = "masks"'))
        cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
        cohort.loc[cohort["patient_id"] == WITHOUT_TUMOR, "tumor_mask"] = ""
        cohort.loc[cohort["patient_id"] == WITHOUT_ESOPHAGUS, "esophagus_mask"] = ""
        cohort[cohort["center"] != "C"].assign(slides="").to_csv(study / "cohort.csv", index=False)
        for folder in ("models", "predictions", "evaluation"):  # of a study that had slides
            shutil.rmtree(study / folder)
        prepare(open_workspace(study), only="ct", reporter=QUIET)
        yield study


def test_one_patient_fails_with_the_model_named_and_the_batch_goes_on(looked: Path) -> None:
    status = {row.patient_id: row for row in read_status(open_workspace(looked).layout) if row.item == "ct"}
    failed = [patient for patient, row in status.items() if row.state == "failed"]
    assert failed == [WITHOUT_ESOPHAGUS]
    expected = "the CT model 'organs' of test_image_scale_in_a_study: the esophagus is not known."
    assert status[WITHOUT_ESOPHAGUS].error.startswith(expected)


def test_its_numbers_are_a_scale_that_one_patient_lacks(looked: Path) -> None:
    inputs = load_inputs(open_workspace(looked)).inputs
    assert inputs.scales == ("tumor", "esophagus", "image") and inputs.feature_names[2] == ENTRY.features
    known = dict(zip(inputs.patient_ids, inputs.known_scales.tolist(), strict=True))
    assert known[WITHOUT_TUMOR] == [False, True, False] and known[WITHOUT_ESOPHAGUS] == [False] * 3
    assert all(all(scales) for patient, scales in known.items() if patient not in (WITHOUT_TUMOR, WITHOUT_ESOPHAGUS))
    table = pd.read_parquet(looked / "prepared" / "radiomics.parquet").set_index("patient_id")
    stored = json.loads((looked / "prepared" / "ct" / "A-0001" / "radiomics.json").read_text())
    assert stored["image"]["values"] == table.loc["A-0001", ["image__air_share", "image__organ_voxels"]].rename(
        lambda name: name.removeprefix("image__")
    ).to_dict()  # fmt: skip


def test_it_looks_at_perturbed_contours_too(looked: Path) -> None:
    ((_, part),) = [
        (patient, part)
        for patient, part in zip(*_inputs_and_repeats(looked), strict=True)
        if part is not None
    ]  # fmt: skip
    air, voxels = part[:, -2:].T
    assert len(set(air.tolist())) == 1 and len(set(voxels.tolist())) == len(voxels)


def _inputs_and_repeats(study: Path) -> tuple[tuple[str, ...], tuple[np.ndarray | None, ...]]:
    inputs = load_inputs(open_workspace(study)).inputs
    return inputs.patient_ids, inputs.repeats


def test_what_is_prepared_stays_and_another_model_needs_it_anew(looked: Path, tmp_path: Path) -> None:
    files = sorted((looked / "prepared" / "ct").rglob("radiomics.json"))
    before = [path.stat().st_mtime_ns for path in files]
    prepare(open_workspace(looked), only="ct", reporter=QUIET)
    assert [path.stat().st_mtime_ns for path in files] == before
    other = CtModelEntry("others", "Others", look=look, features=("air_share", "organ_voxels", "more"))
    CT_MODELS.register(other)
    config = (looked / "study.toml").read_text()
    for model, words in (("network", "is not set and was organs"), ("others", "is others.* and was organs")):
        study = Path(shutil.copytree(looked, tmp_path / model))
        (study / "study.toml").write_text(config.replace('model = "organs"', f'model = "{model}"'))
        cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
        cohort[:2].to_csv(study / "cohort.csv", index=False)
        with pytest.raises(FeatureError, match=rf"image_model {words}.*espark prepare"):
            load_inputs(open_workspace(study))
    prepare(open_workspace(tmp_path / "network"), only="ct", reporter=QUIET)
    assert load_inputs(open_workspace(tmp_path / "network")).inputs.scales == ("tumor", "esophagus")


def test_models_screening_and_a_new_patient(looked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(looked)
    train(workspace, reporter=QUIET)
    evaluate(workspace, reporter=QUIET)
    screened = pd.read_csv(looked / "evaluation" / "screening.csv").groupby("scale")["feature"].apply(list)
    assert screened["image"] == list(ENTRY.features)
    card = load_bundle(looked / "models" / "mscalect").card
    assert card.radiomics is not None and card.radiomics.image_model == "organs"
    assert [(plugin.kind, plugin.name) for plugin in card.plugins] == [("CT model", "organs")]
    assert any("'organs' of test_image_scale_in_a_study" in decision for decision in card.decisions)
    answers = pd.read_csv(looked / "predictions" / "mscalect.csv").set_index("patient_id")["probability"]
    for patient_id in ("B-0003", WITHOUT_TUMOR):
        patient = workspace.cohort[patient_id]
        new, model = NewPatient(**vars(replace(patient.files, slides=()))), looked / "models" / "mscalect"
        found = predict(model, new, tmp_path / patient_id, show_withheld=True, reporter=QUIET)
        assert found.probability == pytest.approx(answers[patient_id], abs=1e-5)
    written = json.loads((tmp_path / WITHOUT_TUMOR / "prediction.json").read_text())
    assert any(
        "The image scale was missing: the CT model did not compute a number" in line for line in written["missing"]
    )
    monkeypatch.setattr(catalogue, "_registered", {})
    with pytest.raises(BundleError, match=r"needs the CT model 'organs', which was registered from the Python module"):
        load_bundle(looked / "models" / "mscalect")
    with pytest.raises(InputProblems, match=r"unknown CT model 'organs' \(known: network; the names of a plug-in"):
        open_workspace(looked)


def test_the_study_s_own_model_leads_the_comparison_of_ct_models(looked: Path) -> None:
    CT_MODELS.register(CtModelEntry("unprepared", "Looks too, but nothing is prepared for it", look, ("a",)))
    models = ct_models._models(MScaleCTSettings(model="organs"))
    assert models == ["organs", "network", "logistic-l1", "logistic-l2"]
    arms = ct_models._arms(("tumor", "esophagus", "image"), models)
    assert [arm.words for arm in arms[:: len(models)]] == [
        "tumor + esophagus + image", "tumor + esophagus", "tumor", "esophagus", "image",
    ]  # fmt: skip
    assert ct_models._title("organs", "organs") == "Organs (on all scales: MScaleCT)"
    assert ct_models._title("network", "organs") == "Network"


def test_chosen_names_that_leave_its_numbers_out_are_an_error(looked: Path, tmp_path: Path) -> None:
    study = Path(shutil.copytree(looked, tmp_path / "study"))
    config = study / "study.toml"
    config.write_text(config.read_text().replace('features = ["*"]', 'features = ["original_*"]'))
    with pytest.raises(FeatureError, match=r"computes from the image is called original_\*.*such as air_share, too"):
        train(open_workspace(study), reporter=QUIET)
