"""Bad input: what is said, where, what to do, and the exit code."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from commands import edit, espark

PATIENTS = ("A-0001", "A-0002")


@pytest.fixture
def images(trial: Path, tmp_path: Path) -> Path:
    """The study before it was prepared, reduced to few patients so that reading is quick."""
    folder = tmp_path / "images"
    shutil.copytree(trial, folder)
    return folder


def test_check_tells_everything_at_once(images: Path, data: Path) -> None:
    volume = sitk.ReadImage(str(images / "masks" / "A-0001_tumor.nii.gz"))
    sitk.WriteImage(volume * 0, str(images / "masks" / "A-0001_tumor.nii.gz"))
    other = sitk.GetImageFromArray(np.ones((4, 4, 4), np.uint8))
    sitk.WriteImage(other, str(images / "masks" / "A-0002_tumor.nii.gz"))
    edit(images, "A-0003", slides=str(data / "slides" / "broken.svs"))
    edit(images, "A-0004", slides=str(data / "slides" / "tcga-cr-7395-01a-01-ts1.svs"))
    result = espark("check", images, "--quiet", "--workers", "1")
    assert result.returncode == 2
    for part in ("A-0001", "empty", "A-0002", "grid", "A-0003", "broken.svs", "A-0004", "slide_mpp"):
        assert part in result.stderr, (part, result.stderr)
    assert "Traceback" not in result.stderr


def test_a_slide_without_mpp_works_once_it_is_given(images: Path, data: Path) -> None:
    slide = str(data / "slides" / "tcga-cr-7395-01a-01-ts1.svs")
    cohort = pd.read_csv(images / "cohort.csv", dtype=str, keep_default_na=False)
    cohort = cohort.assign(slides="", slide_mpp="")
    last = cohort.index[-1]  # an external patient: a development patient with slides would need others
    cohort.loc[last, ["slides", "slide_mpp"]] = [slide, "0.25"]
    cohort.assign(ct="", tumor_mask="", esophagus_mask="").to_csv(images / "cohort.csv", index=False)
    result = espark("check", images, "--quiet", "--workers", "1")
    assert result.returncode == 0, result.stderr


def test_a_dicom_slide_is_a_file_or_its_folder(images: Path, data: Path, tmp_path: Path) -> None:
    file = data / "slides" / "cptac-brca-dicom-sm.dcm"
    folder = tmp_path / "one-slide"
    folder.mkdir()
    (folder / "IM0001").symlink_to(file)
    cohort = pd.read_csv(images / "cohort.csv", dtype=str, keep_default_na=False)
    cohort = cohort.assign(ct="", tumor_mask="", esophagus_mask="", slides="")
    cohort.loc[0, "slides"] = f"{file};{folder}"
    cohort.to_csv(images / "cohort.csv", index=False)
    result = espark("check", images, "--quiet", "--workers", "1")
    assert result.returncode == 2
    for name in ("cptac-brca-dicom-sm.dcm", "one-slide"):
        assert f"{name}: the slide's finest level has 15.8 µm per pixel" in result.stderr
    result = espark("prepare", images, "--quiet", "--workers", "1")
    assert result.returncode == 1
    for number in (1, 2):
        assert f"slide-{number}: the slide's finest level" in result.stderr
    assert "15.8 µm per pixel" in result.stderr


def test_one_bad_image_never_stops_the_batch_and_never_disappears(study: Path, data: Path) -> None:
    edit(study, "A-0003", slides=str(data / "slides" / "broken.svs"))
    result = espark("run", study, "--quiet", "--workers", "2")
    assert result.returncode == 1
    assert "A-0003 slide-1: this is not a readable slide" in result.stderr
    status = pd.read_csv(study / "prepared" / "status.csv").set_index(["patient_id", "item"])
    assert status.loc[("A-0003", "slide-1"), "state"] == "failed"
    assert "broken.svs" not in status.loc[("A-0003", "slide-1"), "error"], "a file may be named after a patient"
    assert "broken.svs" in (study / "local.log").read_text(encoding="utf-8")
    answer = pd.read_csv(study / "predictions" / "espark.csv").set_index("patient_id").loc["A-0003"]
    assert answer["modality"] == "ct"
    index = (study / "report" / "index.html").read_text(encoding="utf-8")
    assert "slide-1" in index and "broken.svs" not in index


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "nowhere"], "espark init"),
        (["predict", "nowhere", "--out", "out", "--ct", "missing"], "'--ct' names missing, which does not exist"),
        (["predict", "nowhere", "--out", "out"], "nothing to look at"),
        (["train", "nowhere"], "there is no such folder"),
    ],
)
def test_exit_code_and_message(tmp_path: Path, arguments: list[str], said: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "espark", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_init_then_check_leads_the_user_on(tmp_path: Path) -> None:
    first = espark("init", tmp_path / "mine")
    assert first.returncode == 0
    assert "espark check" in first.stdout
    assert espark("init", tmp_path / "mine").returncode == 2
    result = espark("check", tmp_path / "mine")
    assert result.returncode == 2
    assert "holds no patients" in result.stderr


def test_steps_in_the_wrong_order_name_the_missing_one(trial: Path) -> None:
    result = espark("train", trial)
    assert result.returncode == 2
    assert "espark prepare" in result.stderr
    result = espark("report", trial)
    assert "espark evaluate" in result.stderr
