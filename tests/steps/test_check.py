"""`check`: a verdict for each patient, codes everywhere, and no image with two patients."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk
from commands import edit, espark

from espark.steps.check.check import check, examine
from espark.steps.check.result import CheckResult
from espark.steps.prepare.prepare import prepare
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace
from espark.workspace.records import read_record, read_status, recorded_notes, rewrite_record

QUIET = Reporter("quiet")


@pytest.fixture
def images(trial: Path, tmp_path: Path) -> Path:
    """Five patients of the study with CT and masks, before anything was prepared: as few as can be trained on."""
    folder = tmp_path / "images"
    shutil.copytree(trial, folder, ignore=shutil.ignore_patterns("truth"))
    cohort = pd.read_csv(folder / "cohort.csv", dtype=str, keep_default_na=False)
    kept = pd.concat([cohort[cohort.role == "development"].head(4), cohort[cohort.role == "external"].head(1)])
    kept.assign(pcr=["0", "1", "0", "1", "0"]).to_csv(folder / "cohort.csv", index=False)
    config = (folder / "study.toml").read_text(encoding="utf-8")
    (folder / "study.toml").write_text(config.replace("folds = 3", "folds = 2"), encoding="utf-8")
    return folder


def ids(folder: Path) -> list[str]:
    return pd.read_csv(folder / "cohort.csv", dtype=str).patient_id.tolist()


def change_mask(folder: Path, patient: str, region: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    path = folder / "masks" / f"{patient}_{region}.nii.gz"
    image = sitk.ReadImage(str(path))
    changed = sitk.GetImageFromArray(change(sitk.GetArrayFromImage(image)).astype(np.uint8))
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))


def verdicts(result: CheckResult) -> dict[str, tuple[str, list[str]]]:
    return {
        verdict.patient_id: (
            verdict.state,
            [problem.code for problem in verdict.problems] + [note.code for note in verdict.doubts],
        )
        for verdict in result.verdicts
    }


def test_right_inputs_are_ok(images: Path) -> None:
    result = check(images, reporter=QUIET)
    assert list(verdicts(result).values()) == [("ok", [])] * 5
    assert result.summary().endswith("5 ok.")


def test_each_patient_is_ok_doubted_or_refused(images: Path) -> None:
    first, second, third, fourth, external = ids(images)
    swap = [images / "masks" / f"{first}_{region}.nii.gz" for region in ("tumor", "esophagus")]
    swap[0].rename(images / "kept")
    swap[1].rename(swap[0])
    (images / "kept").rename(swap[1])
    change_mask(images, second, "tumor", lambda mask: 1 - mask)
    change_mask(images, external, "tumor", lambda mask: mask & (np.cumsum(mask).reshape(mask.shape) == 1))
    result = examine(images, reporter=QUIET)
    assert verdicts(result) == {
        first: ("doubted", ["D-REGION-005", "D-REGION-010"]),  # the esophagus is longer than a tumor
        second: ("refused", ["E-REGION-019"]),
        third: ("ok", []),
        fourth: ("ok", []),
        external: ("refused", ["E-REGION-021"]),
    }
    assert [problem.code for problem in result.problems] == ["E-REGION-019", "E-REGION-021"]


def test_the_command_prints_doubts_and_json(images: Path) -> None:
    first, second, *_ = ids(images)
    change_mask(images, first, "tumor", lambda mask: np.roll(mask, mask.shape[0] // 4, axis=1))
    said = espark("check", images, "--quiet", "--workers", "1")
    answer = espark("check", images, "--quiet", "--workers", "1", "--json")
    content = json.loads(answer.stdout)
    by_patient = {verdict["patient_id"]: verdict for verdict in content["verdicts"]}
    assert by_patient[second]["state"] == "ok"
    moved = by_patient[first]
    found = [*moved["problems"], *moved["notes"]]
    assert moved["state"] != "ok" and all(entry["code"] for entry in found)
    assert (said.returncode, answer.returncode) == ((2, 2) if moved["problems"] else (0, 0))
    assert f"{first}" in said.stdout + said.stderr and found[0]["code"] in said.stdout + said.stderr


def test_one_image_with_two_patients_is_refused(images: Path, tmp_path: Path) -> None:
    first, *_, external = ids(images)
    target = images / "ct" / external
    shutil.rmtree(target)
    target.mkdir()
    for path in (images / "ct" / first).iterdir():  # the same image under another person's header
        dataset = pydicom.dcmread(path)
        dataset.PatientID, dataset.SeriesInstanceUID = "another", "1.2.3"
        dataset.save_as(target / f"other-{path.name}")
    for region in ("tumor", "esophagus"):
        shutil.copy(images / f"masks/{first}_{region}.nii.gz", images / f"masks/{external}_{region}.nii.gz")
    shutil.copy(images / f"slides/{first}.tif", images / "slides/renamed.tif")
    edit(images, external, slides="slides/renamed.tif")
    result = examine(images, reporter=QUIET)
    found = verdicts(result)
    assert found[first] == found[external] == ("refused", ["E-STUDY-010", "E-STUDY-010"])
    assert len(result.problems) == 2
    assert f"the CT of patient {external}" in str(result.problems[0]) and "development" in str(result.problems[0])
    assert f"the slide of patient {external}" in str(result.problems[1])


def test_the_same_slide_twice_in_one_patient_is_doubted(images: Path) -> None:
    first, *_ = ids(images)
    shutil.copy(images / f"slides/{first}.tif", images / "slides/again.tif")
    edit(images, first, slides=f"slides/{first}.tif;slides/again.tif")
    assert verdicts(check(images, reporter=QUIET))[first] == ("doubted", ["D-STUDY-010"])


def test_codes_stand_in_the_status_table_and_the_records(images: Path) -> None:
    first, second, third, *_ = ids(images)
    change_mask(images, second, "tumor", lambda mask: 1 - mask)
    for path in sorted((images / "ct" / third).iterdir())[:2]:
        shutil.copy(path, path.with_name(f"again-{path.name}"))
    workspace = open_workspace(images)
    prepare(workspace, only="ct", reporter=QUIET)
    rows = {row.patient_id: row for row in read_status(workspace.layout) if row.item == "ct"}
    assert (rows[first].state, rows[first].codes) == ("done", "")
    assert (rows[second].state, rows[second].codes) == ("failed", "E-REGION-019")
    assert (rows[third].state, rows[third].codes) == ("done", "N-CT-006")
    assert [note.code for note in recorded_notes(workspace.layout, third, "ct")] == ["N-CT-006"]
    record = read_record(workspace.layout, third, "ct") or {}
    assert record["notes"] == [{"code": "N-CT-006", "text": recorded_notes(workspace.layout, third, "ct")[0].text}]
    rewrite_record(workspace.layout, third, "ct", record | {"notes": ["a sentence of an older version"]})
    assert [str(note) for note in recorded_notes(workspace.layout, third, "ct")] == ["a sentence of an older version"]
