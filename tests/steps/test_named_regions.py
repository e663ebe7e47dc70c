"""A study whose masks hold several regions, one name for all patients in study.toml."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from espark.ct.regions.regions import load_regions
from espark.steps.prepare.prepare import prepare
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Two patients with nnU-Net masks; the second says by itself which label is the tumor."""
    generator = np.random.default_rng(0)
    rows = ["patient_id,center,role,pcr,ct,slides,tumor_mask,tumor_roi"]
    for number in (1, 2):
        body = np.full((12, 24, 24), -1000, dtype=np.int16)
        body[:, 3:21, 3:21] = generator.integers(0, 80, (12, 18, 18))
        labels = np.zeros(body.shape, dtype=np.uint8)
        labels[3:9, 8:14, 8:14], labels[3:9, 14:18, 8:14] = 1, 2
        (tmp_path / f"p{number}").mkdir()
        for name, voxels in (("ct", body), ("mask", labels)):
            image = sitk.GetImageFromArray(voxels)
            image.SetSpacing((8.0, 8.0, 8.0))
            sitk.WriteImage(image, str(tmp_path / f"p{number}" / f"{name}.nii.gz"))
        roi = "" if number == 1 else "1"
        rows.append(f"p{number},A,development,{number - 1},p{number}/ct.nii.gz,,p{number}/mask.nii.gz,{roi}")
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "study.toml").write_text('[ct]\nimage_types = ["Original"]\ntumor_roi = "tumor"\n')
    return tmp_path


def _name(study: Path, labels: dict[str, int]) -> None:
    (study / "p1" / "dataset.json").write_text(json.dumps({"labels": labels}))


def _tumor_ml(workspace: Workspace, patient: str) -> float:
    return load_regions(workspace.layout.regions(patient)).volume_ml("tumor")


def test_the_name_of_study_toml_and_what_it_means(labelled: Path) -> None:
    _name(labelled, {"background": 0, "tumor": 1, "vertebra": 2})
    workspace = open_workspace(labelled)
    assert not prepare(workspace, reporter=QUIET).failed
    assert _tumor_ml(workspace, "p1") == pytest.approx(6 * 6 * 6 * 512 / 1000)
    before = workspace.layout.record("p2", "ct").read_bytes()
    _name(labelled, {"background": 0, "tumor": 2, "vertebra": 1})
    assert not prepare(workspace, reporter=QUIET).failed
    assert _tumor_ml(workspace, "p1") == pytest.approx(6 * 4 * 6 * 512 / 1000), "another meaning is another input"
    (labelled / "study.toml").write_text('[ct]\nimage_types = ["Original"]\ntumor_roi = "vertebra"\n')
    workspace = open_workspace(labelled)
    assert not prepare(workspace, reporter=QUIET).failed
    assert _tumor_ml(workspace, "p1") == pytest.approx(6 * 6 * 6 * 512 / 1000)
    assert workspace.layout.record("p2", "ct").read_bytes() == before, "a patient with a name of its own stays done"


def test_a_name_that_is_not_in_the_file_is_that_patients_failure(labelled: Path) -> None:
    _name(labelled, {"background": 0, "tumour": 1})
    failed = prepare(open_workspace(labelled), reporter=QUIET).failed
    assert [item.patient_id for item in failed] == ["p1"]
    assert failed[0].error == "there is no region tumor. [E-REGION-008]"
    local = (labelled / "local.log").read_text(encoding="utf-8")
    assert "1 tumour (111 ml), 2 (73.7 ml)" in local and "Did you mean tumour?" in local
