"""No step uses images, features or predictions that are not as they were left: it names them, and what to run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from commands import edit
from typer.testing import CliRunner

from espark.cli.app import app
from espark.errors import BundleError, EsparkError, FeatureError, InputError, MissingStepError
from espark.files import fingerprint, read_json, write_json
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.explain.explain import explain
from espark.steps.prepare import unchanged
from espark.steps.prepare.item import study_items
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.unchanged import check_unchanged, left_behind, stale_items
from espark.steps.report.report import report
from espark.steps.train.train import train
from espark.steps.verify import verify
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace
from espark.workspace.records import ItemStatus, StatusTable, read_record, write_record
from espark.workspace.template import config_template

QUIET = Reporter("quiet")
COHORT = """patient_id,center,role,pcr,ct,slides,tumor_mask,esophagus_mask
p1,A,development,1,p1.ct,p1.svs,p1.mask,p1.mask
p2,A,development,0,p2.ct,p2.svs,p2.mask,p2.mask
p3,B,external,0,p3.ct,,,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study whose images and features are a few bytes each, and whose records say that all of it is prepared."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.toml").write_text(config_template(), encoding="utf-8")
    (folder / "cohort.csv").write_text(COHORT)
    for row in COHORT.splitlines()[1:]:
        for name in filter(None, row.split(",")[4:]):
            (folder / name).write_text(name)
    layout = open_workspace(folder).layout
    for item in study_items(open_workspace(folder)):
        patient = item.patient.patient_id
        slide = layout.slide_features(patient, item.name), layout.slide_quality(patient, item.name)
        written = slide if item.slide else (layout.regions(patient), layout.patient_radiomics(patient))
        for path in written:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{path.name} of {patient}")
        inputs = item.fingerprints()
        write_record(layout, patient, item.name, item.key(inputs), written, inputs=inputs, settings=item.settings())
    layout.radiomics.write_text("table")
    write_json(layout.manifest, {"steps": {"prepare": {"state": "done"}}})
    return folder


def problem(folder: Path) -> str:
    with pytest.raises((FeatureError, MissingStepError)) as caught:
        check_unchanged(open_workspace(folder))
    assert f"Run `espark prepare {folder}` again" in str(caught.value)
    return caught.value.found


def hashed(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> list[str]:
    """The files that a comparison reads, by name."""
    read: list[str] = []
    real = unchanged.fingerprint
    monkeypatch.setattr(unchanged, "fingerprint", lambda path: read.append(path.name) or real(path))
    stale_items(workspace)
    monkeypatch.undo()
    return read


def swapped(folder: Path, first: str, second: str) -> None:
    (folder / first).rename(folder / "kept")
    (folder / second).rename(folder / first)
    (folder / "kept").rename(folder / second)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "swapped CTs": (
        lambda folder: swapped(folder, "p1.ct", "p2.ct"),
        "2 images are not as `espark prepare` left them: p1 ct (the CT changed), p2 ct (the CT changed)",
    ),
    "a replaced CT": (lambda folder: (folder / "p3.ct").write_text("another"), "1 image is not"),
    "another mask": (lambda folder: (folder / "p1.mask").write_text("x"), "p1 ct (the mask of the esophagus changed"),
    "another slide": (lambda folder: (folder / "p2.svs").write_text("y"), "p2 slide-1 (the slide changed)"),
    "another file of the same size": (lambda folder: flipped(folder / "p2.svs"), "p2 slide-1 (the slide changed)"),
    "a flipped byte in the tiles": (
        lambda folder: flipped(folder / "prepared/slides/p1/slide-1.h5"), "p1 slide-1 (its tile features changed)",
    ),
    "deleted regions": (
        lambda folder: (folder / "prepared/ct/p3/regions.nii.gz").unlink(), "p3 ct (its regions are missing)",
    ),
    "a renamed patient": (
        lambda folder: (folder / "cohort.csv").write_text(COHORT.replace("p3,B", "p4,B")), "p4 ct (not prepared)",
    ),
    "a CT that was taken out": (
        lambda folder: edit(folder, "p3", ct=""), "p3 ct (no longer in cohort.csv)",
    ),
    "a deleted table": (
        lambda folder: (folder / "prepared/radiomics.parquet").unlink(), "the table of CT features is missing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_changed_after_prepare_is_named(folder: Path, fault: str) -> None:
    check_unchanged(open_workspace(folder))
    spoil, said = FAULTS[fault]
    spoil(folder)
    assert said in problem(folder)
    assert said in problem(folder), "it must not be forgotten when it was said once"


def test_a_changed_table_is_noticed_by_its_hash(folder: Path) -> None:
    workspace = open_workspace(folder)
    name = "prepared/radiomics.parquet"
    noted = {"state": "done", "outputs": {name: fingerprint(folder / name)}}
    write_json(workspace.layout.manifest, {"steps": {"prepare": noted}})
    check_unchanged(workspace)
    flipped(folder / name)
    assert "the table of CT features was changed after `espark prepare`" in problem(folder)


def test_a_prepare_that_did_not_finish_must_finish_first(folder: Path) -> None:
    write_json(folder / "manifest.json", {"steps": {"prepare": {"state": "stopped by KeyboardInterrupt"}}})
    assert "did not finish (stopped by KeyboardInterrupt)" in problem(folder)


def test_what_failed_or_was_left_out_as_a_kind_stops_nothing(folder: Path) -> None:
    workspace = open_workspace(folder)
    workspace.layout.record("p1", "ct").unlink()
    assert "p1 ct (not prepared)" in problem(folder)
    StatusTable(workspace.layout, [("p1", "ct")]).put(ItemStatus("p1", "ct", "failed", 1, 0.0, "unreadable"))
    check_unchanged(workspace)
    for patient in ("p1", "p2"):
        workspace.layout.record(patient, "slide-1").unlink()
    check_unchanged(workspace)  # as after `espark prepare --only ct`


def test_a_ct_that_prepare_noticed_as_taken_out_stops_nothing(folder: Path) -> None:
    edit(folder, "p3", ct="")
    workspace = open_workspace(folder)
    StatusTable(workspace.layout, [("p3", "ct")]).put(ItemStatus("p3", "ct", "skipped", 0, 0.0, "no CT in cohort.csv"))
    check_unchanged(workspace)


def test_a_removed_patient_is_named_and_stops_nothing(folder: Path) -> None:
    (folder / "cohort.csv").write_text("\n".join(COHORT.splitlines()[:3]) + "\n")
    workspace = open_workspace(folder)
    check_unchanged(workspace)
    assert left_behind(workspace) == ("p3",)


def test_only_what_has_another_size_or_time_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(folder)
    assert "p1.ct" in hashed(monkeypatch, workspace)
    assert hashed(monkeypatch, workspace) == []
    os.utime(folder / "p1.ct", ns=(1, 1))
    assert hashed(monkeypatch, workspace) == ["p1.ct"]
    assert hashed(monkeypatch, workspace) == []
    workspace.layout.stamps.write_text("{not JSON")
    assert "p1.svs" in hashed(monkeypatch, workspace)
    assert hashed(monkeypatch, workspace) == []


def test_a_change_that_keeps_size_and_time_is_found_when_everything_is_read(folder: Path) -> None:
    workspace = open_workspace(folder)
    path = folder / "prepared/slides/p1/slide-1.h5"
    assert stale_items(workspace) == []
    found = path.stat()
    flipped(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert stale_items(workspace) == []
    assert [str(part) for part in stale_items(workspace, thorough=True)] == ["p1 slide-1 (its tile features changed)"]


def test_a_record_of_an_earlier_version_gets_the_hashes_that_its_key_proves(folder: Path) -> None:
    workspace = open_workspace(folder)
    record = read_record(workspace.layout, "p1", "ct") or {}
    older = {name: value for name, value in record.items() if name != "inputs"}
    path = workspace.layout.record("p1", "ct")
    write_json(path, older)  # without a hash of itself, as earlier versions wrote it
    check_unchanged(workspace)
    assert set((read_record(workspace.layout, "p1", "ct") or {})["inputs"]) == {"ct", "esophagus_mask", "tumor_mask"}
    write_json(path, older)
    (folder / "p1.ct").write_text("another")
    assert "p1 ct (the CT changed" in problem(folder)


# In a whole study


STEPS: dict[str, Callable[[Workspace], object]] = {
    "train": lambda workspace: train(workspace, reporter=QUIET),
    "evaluate": lambda workspace: evaluate(workspace, reporter=QUIET),
    "explain": lambda workspace: explain(workspace, reporter=QUIET),
    "report": lambda workspace: report(workspace, reporter=QUIET),
}


def refused(study: Path, step: str, kind: type[EsparkError]) -> str:
    with pytest.raises(kind) as caught:
        STEPS[step](open_workspace(study))
    return str(caught.value)


def test_every_step_stops_at_other_images_and_prepare_mends_it(study: Path) -> None:
    first, second = (study / "ct" / name for name in ("A-0001", "A-0002"))
    swapped(study, "ct/A-0001", "ct/A-0002")
    assert first.exists() and second.exists()
    flipped(study / "prepared" / "slides" / "B-0001" / "slide-1.h5")
    before = (study / "predictions" / "espark.csv").read_bytes()
    for step in STEPS:
        said = refused(study, step, FeatureError)
        assert "A-0001 ct (the CT changed), A-0002 ct (the CT changed)" in said
        assert "B-0001 slide-1 (its tile features changed)" in said and "Run `espark prepare" in said
    assert (study / "predictions" / "espark.csv").read_bytes() == before
    swapped(study, "ct/A-0001", "ct/A-0002")
    prepare(open_workspace(study), reporter=QUIET)
    check_unchanged(open_workspace(study))


def test_predictions_of_other_data_are_not_evaluated_explained_or_reported(study: Path) -> None:
    cohort = (study / "cohort.csv").read_text(encoding="utf-8")
    development = pd.read_csv(study / "cohort.csv").query("role == 'development'").iloc[0]
    edit(study, development.patient_id, pcr=str(1 - int(development.pcr)))
    for step in ("evaluate", "explain", "report"):
        said = refused(study, step, BundleError)
        assert f"{development.patient_id} (features, or its row in cohort.csv, changed)" in said
        assert "Run `espark train" in said
    (study / "cohort.csv").write_text("\n".join(row for row in cohort.splitlines() if "B-0001" not in row) + "\n")
    assert "B-0001 (not in cohort.csv any more)" in refused(study, "evaluate", BundleError)
    (study / "cohort.csv").write_text(cohort)
    flipped(study / "predictions" / "mscalect.csv")
    assert "predictions/mscalect.csv: the file was changed" in refused(study, "evaluate", InputError)


def test_a_report_shows_no_evaluation_or_explanation_of_another_training(study: Path) -> None:
    manifest = read_json(study / "manifest.json")
    for step, fact in (("evaluate", "predictions"), ("explain", "bundle")):
        older = read_json(study / "manifest.json")
        known = older["steps"][step][fact]
        older["steps"][step][fact] = "another" if isinstance(known, str) else dict.fromkeys(known, "another")
        write_json(study / "manifest.json", older)
        assert f"Run `espark {step} {study}` again" in refused(study, "report", MissingStepError)
        write_json(study / "manifest.json", manifest)


def test_verify_names_every_fault_and_writes_nothing(study: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*") if path.is_file()}
    intact = CliRunner().invoke(app, ["verify", str(study)])
    assert intact.exit_code == 0, intact.output
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*") if path.is_file()} == before
    bundle = study / "models" / "espark"
    assert verify(bundle).intact
    flipped(bundle / "fold-00.safetensors")
    flipped(study / "evaluation" / "metrics.csv")
    shutil.rmtree(study / "prepared" / "slides" / "A-0001")
    (study / "report" / "patients" / "B-0001.html").unlink()
    found = CliRunner().invoke(app, ["verify", str(study)])
    assert found.exit_code == 1
    for said in (
        "damaged      models/espark", "fold-00.safetensors: the file is damaged", "A-0001 slide-1",
        "its tile features are missing", "evaluation/metrics.csv was changed",
        "report/patients/B-0001.html is missing", f"Run `espark report {study}` again",
    ):  # fmt: skip
        assert said in found.stdout, said
    answer = CliRunner().invoke(app, ["verify", str(bundle), "--json"])
    assert answer.exit_code == 1 and json.loads(answer.stdout)["intact"] is False
    with pytest.raises(InputError, match="neither a study nor a bundle"):
        verify(study / "slides")
