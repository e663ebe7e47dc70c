"""Perturbed contours in a study: computed in `prepare`, reported in `evaluate`, used in `train`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from espark.files import read_json
from espark.steps.evaluate.evaluate import evaluate
from espark.steps.prepare.prepare import prepare
from espark.steps.prepare.prepared_inputs import load_inputs
from espark.work.progress import Reporter
from espark.workspace.opened import open_workspace

QUIET = Reporter("quiet")


def test_chosen_patients_get_repeats_and_no_other_is_touched(study: Path) -> None:
    config = study / "study.toml"
    config.write_text(config.read_text().replace("stability_patients = 0", "stability_patients = 2"))
    workspace = open_workspace(study)
    before = {path: path.stat().st_mtime_ns for path in (study / "prepared" / "ct").rglob("radiomics.json")}
    prepare(workspace, only="ct", reporter=QUIET)
    changed = {path.parent.name for path in before if path.stat().st_mtime_ns != before[path]}
    repeated = {path.parent.name for path in (study / "prepared" / "ct").rglob("repeats.json")}
    assert len(repeated) == 2 and changed == repeated
    assert repeated <= {patient.patient_id for patient in workspace.cohort.development}
    name = sorted(repeated)[0]
    content, plain = (read_json(study / "prepared" / "ct" / name / f) for f in ("repeats.json", "radiomics.json"))
    assert {scale: len(draws) for scale, draws in content.items()} == {"tumor": 3, "esophagus": 3}
    volumes = [draw["original_shape_VoxelVolume"] for draw in content["tumor"]]
    assert len(set(volumes)) == 3
    assert np.allclose(volumes, plain["tumor"]["values"]["original_shape_VoxelVolume"], rtol=0.5)
    inputs = load_inputs(workspace).inputs
    assert sum(part is not None for part in inputs.repeats) == 2
    evaluate(workspace, reporter=QUIET)
    table = pd.read_csv(study / "evaluation" / "stability.csv")
    assert len(table) == inputs.radiomics.shape[1] and set(table["n"]) == {2} and set(table["contours"]) == {4}
