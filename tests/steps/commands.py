"""The command line and the cohort table, as a user works with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

from espark.files import fingerprint, read_json, write_json
from espark.steps.prepare.item import study_items
from espark.workspace.opened import open_workspace
from espark.workspace.records import read_record, rewrite_record


def espark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "espark", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def edit(study: Path, patient: str, **cells: str) -> None:
    """Change cells of a patient's row in cohort.csv."""
    cohort = pd.read_csv(study / "cohort.csv", dtype=str, keep_default_na=False)
    for column, value in cells.items():
        if column not in cohort:
            cohort[column] = ""
        cohort.loc[cohort["patient_id"] == patient, column] = value
    cohort.to_csv(study / "cohort.csv", index=False)


def accept(study: Path) -> None:
    """Note the images, and what a test has changed below ``prepared/``, as if `espark prepare` had left them so."""
    for item in study_items(open_workspace(study)):
        patient_id = item.patient.patient_id
        record = read_record(item.layout, patient_id, item.name) or {}
        record["inputs"] = item.fingerprints()
        record["outputs"] = {name: fingerprint(study / name) for name in record["outputs"]}
        rewrite_record(item.layout, patient_id, item.name, record)
    manifest = read_json(study / "manifest.json")
    outputs = manifest["steps"]["prepare"]["outputs"]
    manifest["steps"]["prepare"]["outputs"] = {name: fingerprint(study / name) for name in outputs}
    write_json(study / "manifest.json", manifest)
