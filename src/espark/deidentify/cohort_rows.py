"""Rows of ``cohort.csv`` for images that came without a table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from espark.files import write_csv


def row_of(patient_id: str, folder: Path, study: Path) -> dict[str, str]:
    """A row for the images of a patient; center and outcome are for the user to fill in.

    Args:
        patient_id: id in the study.
        folder: with the subfolders ``CT`` and ``SM`` (a folder for each series), and ``slides``.
        study: folder of the study, from which paths are given.
    """
    slides = [min(series.glob("*.dcm")) for series in sorted((folder / "SM").glob("*"))]
    slides += sorted((folder / "slides").glob("*"))
    return {
        "patient_id": patient_id,
        "center": "",
        "role": "development",
        "pcr": "",
        "ct": (folder / "CT").relative_to(study).as_posix() if (folder / "CT").is_dir() else "",
        "slides": ";".join(slide.relative_to(study).as_posix() for slide in slides),
    }


def write_cohort(study: Path, rows: list[dict[str, str]]) -> Path | None:
    """Write ``cohort.csv``; None when there is one already, which is left as it is, or when there is no row."""
    cohort = study / "cohort.csv"
    if cohort.exists() or not rows:
        return None
    write_csv(cohort, pd.DataFrame(rows))
    return cohort
