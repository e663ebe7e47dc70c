"""The command line and the cohort table, as a user works with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd


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
