"""A new patient is measured as the model's own patients were, with the segmenter that the bundle names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from espark.bundle.card import SegmenterCard
from espark.bundle.folder import load_bundle, save_bundle
from espark.cli import app
from espark.ct.hounsfield import CtVolume
from espark.ct.segmentation.segmenter import FoundMasks
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.errors import InputProblems
from espark.files import read_json
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.prepare import patient_ct
from espark.steps.prepare.prepare import prepare
from espark.steps.train.train import train
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")


def with_segmenter(model: Path, target: Path, segmenter: SegmenterCard | None) -> Path:
    """A copy of a bundle that names another segmenter."""
    shutil.copytree(model, target)
    bundle = load_bundle(model)
    card = bundle.card.model_copy(update={"segmenter": segmenter})
    save_bundle(target, card, dict(bundle.applicability), (model / "MODEL_CARD.md").read_text(encoding="utf-8"))
    return target


def bare(study: Path) -> NewPatient:
    """A patient of whom nobody outlined anything."""
    return NewPatient(ct=study / "ct" / "B-0001")


def problems(model: Path, patient: NewPatient, out: Path) -> str:
    with pytest.raises(InputProblems) as caught:
        predict(model, patient, out, reporter=QUIET)
    return str(caught.value)


class _Copier:
    """Finds the masks that it was given, as a network would."""

    finds_tumor = True

    def __init__(self, name: str, study: Path):
        self.name = name
        self._masks = {
            region: sitk.GetArrayFromImage(sitk.ReadImage(str(study / "masks" / f"B-0001_{region}.nii.gz"))) > 0
            for region in ("esophagus", "tumor")
        }

    def segment(self, ct: CtVolume) -> FoundMasks:
        assert self._masks["tumor"].shape == ct.size[::-1]
        return FoundMasks(**self._masks)


def test_a_model_of_a_study_of_masks_refuses_a_patient_without_one(study: Path, tmp_path: Path) -> None:
    """The images stay as they are prepared: every patient of this study has masks."""
    text = (study / "study.toml").read_text(encoding="utf-8")
    (study / "study.toml").write_text(text.replace('segmenter = "espark-mini-seg"', 'segmenter = "masks"'))
    before = (study / "predictions" / "mscalect.csv").read_bytes()
    stamps = {path: path.stat().st_mtime_ns for path in (study / "prepared" / "ct").rglob("*.json")}
    prepare(open_workspace(study), reporter=QUIET)
    train(open_workspace(study), reporter=QUIET)
    assert {path: path.stat().st_mtime_ns for path in (study / "prepared" / "ct").rglob("*.json")} == stamps
    assert (study / "predictions" / "mscalect.csv").read_bytes() == before
    assert load_bundle(study / "models" / "cytopath").card.segmenter is None
    for name in ("mscalect", "espark"):
        found = load_bundle(study / "models" / name).card.segmenter
        assert found == SegmenterCard(name="masks", weights="", proposes_tumor=False)
        assert "a CT without a region" in problems(study / "models" / name, bare(study), tmp_path)
    masked = NewPatient(ct=study / "ct" / "B-0001", tumor_mask=study / "masks" / "B-0001_tumor.nii.gz")
    predict(study / "models" / "mscalect", masked, tmp_path, reporter=QUIET)
    assert read_json(tmp_path / "prediction.json")["segmenter"] is None


def test_the_default_segmenter_is_the_contract_of_a_study_whose_patients_all_have_masks(finished: Path) -> None:
    segmenter = load_bundle(finished / "models" / "espark").card.segmenter
    assert segmenter is not None and segmenter.proposes_tumor
    assert segmenter.name == "espark-mini-seg" and len(segmenter.weights) == 64


def test_the_segmenter_of_the_bundle_finds_the_regions(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(name: str, *, weights: Path | None = None) -> _Copier:
        asked.append((name, weights))
        return _Copier(name, finished)

    monkeypatch.setattr(patient_ct, "load_segmenter", load)
    predict(finished / "models" / "mscalect", bare(finished), tmp_path / "own", reporter=QUIET)
    assert asked == [("espark-mini-seg", None)]
    found = read_json(tmp_path / "own" / "prediction.json")
    assert found["segmenter"] == "espark-mini-seg"
    given = NewPatient(
        ct=finished / "ct" / "B-0001",
        tumor_mask=finished / "masks" / "B-0001_tumor.nii.gz",
        esophagus_mask=finished / "masks" / "B-0001_esophagus.nii.gz",
    )
    predict(finished / "models" / "mscalect", given, tmp_path / "given", reporter=QUIET)
    regions = read_json(tmp_path / "given" / "prediction.json")["regions"]
    assert found["regions"]["tumor"] == regions["tumor"]
    # What a segmenter finds is cut at the landmarks of the CT, which are coarse in this one.
    assert 0 < found["regions"]["esophagus"]["volume_ml"] <= regions["esophagus"]["volume_ml"]


def test_another_segmenter_is_refused_and_the_own_one_may_be_named(finished: Path, tmp_path: Path) -> None:
    model = finished / "models" / "espark"
    ct, mask = finished / "ct" / "B-0001", finished / "masks" / "B-0001_tumor.nii.gz"
    for name in ("nnunet", "masks"):
        said = problems(model, NewPatient(ct=ct, segmenter=name), tmp_path)
        assert f"the model was trained on regions of espark-mini-seg, not of {name}" in said
    arguments = ["predict", str(model), "--ct", str(ct), "--out", str(tmp_path / "out"), "--quiet"]
    refused = CliRunner().invoke(app, [*arguments, "--tumor-mask", str(mask), "--segmenter", "nnunet"])
    assert "not of nnunet" in str(refused.exception)
    named = CliRunner().invoke(app, [*arguments, "--tumor-mask", str(mask), "--segmenter", "espark-mini-seg"])
    assert named.exit_code == 0, named.output


def test_other_weights_of_the_segmenter_are_refused(finished: Path, tmp_path: Path) -> None:
    model, mine = finished / "models" / "mscalect", tmp_path / "mine"
    mine.mkdir()
    shutil.copy(SHIPPED / WEIGHTS_FILE, mine)
    with (mine / WEIGHTS_FILE).open("ab") as file:
        file.write(b"\0")
    given = NewPatient(ct=finished / "ct" / "B-0001", segmenter_weights=mine)
    assert "these are not the weights of espark-mini-seg" in problems(model, given, tmp_path / "out")
    # A model whose study had weights of its own does not take the default ones either.
    own = SegmenterCard(name="espark-mini-seg", weights="0" * 64, proposes_tumor=True)
    other = with_segmenter(model, tmp_path / "other", own)
    said = problems(other, bare(finished), tmp_path / "out")
    assert "these are not the weights" in said and "--segmenter-weights" in said


def test_the_same_weights_may_lie_elsewhere(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(SHIPPED / WEIGHTS_FILE, tmp_path)
    asked = []

    def load(name: str, *, weights: Path | None = None) -> _Copier:
        asked.append(weights)
        return _Copier(name, finished)

    monkeypatch.setattr(patient_ct, "load_segmenter", load)
    given = NewPatient(ct=finished / "ct" / "B-0001", segmenter_weights=tmp_path)
    predict(finished / "models" / "mscalect", given, tmp_path / "out", reporter=QUIET)
    assert asked == [tmp_path]


def test_a_tumor_is_proposed_only_where_the_bundle_says_so(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposals = []

    def spy(ct: CtVolume, regions: object) -> tuple[object, tuple[str, ...]]:
        proposals.append(regions)
        return regions, ()

    monkeypatch.setattr(patient_ct, "with_proposed_tumor", spy)
    patient = NewPatient(ct=finished / "ct" / "B-0001", esophagus_mask=finished / "masks" / "B-0001_esophagus.nii.gz")
    masks = SegmenterCard(name="masks", weights="", proposes_tumor=False)
    predict(with_segmenter(finished / "models" / "mscalect", tmp_path / "m", masks), patient, tmp_path, reporter=QUIET)
    assert proposals == []
    predict(finished / "models" / "mscalect", patient, tmp_path, reporter=QUIET)
    assert len(proposals) == 1


def test_a_model_of_slides_does_not_segment_the_ct(finished: Path, tmp_path: Path) -> None:
    patient = NewPatient(ct=finished / "ct" / "B-0001", slides=(finished / "slides" / "B-0001.tif",))
    predict(finished / "models" / "cytopath", patient, tmp_path, reporter=QUIET)
    found = read_json(tmp_path / "prediction.json")
    assert found["regions"] == {} and found["modality"] == "slides"
    assert any("The CT was not read: CytoPath does not look at it" in note for note in found["quality"])


def test_slides_are_cut_by_the_share_of_tissue_of_the_bundle(finished: Path, tmp_path: Path) -> None:
    model, target = finished / "models" / "cytopath", tmp_path / "strict"
    shutil.copytree(model, target)
    bundle = load_bundle(model)
    assert bundle.card.encoder is not None
    encoder = bundle.card.encoder.model_copy(update={"min_tissue": 0.95})
    card = bundle.card.model_copy(update={"encoder": encoder})
    save_bundle(target, card, dict(bundle.applicability), "")
    patient = NewPatient(slides=(finished / "slides" / "B-0001.tif",))
    tiles = []
    for folder in (model, target):
        predict(folder, patient, tmp_path / folder.name, reporter=QUIET)
        tiles.append(read_json(tmp_path / folder.name / "prediction.json")["slides"][0]["tiles"])
    assert 0 < tiles[1] < tiles[0]
    assert np.isfinite(tiles).all()
