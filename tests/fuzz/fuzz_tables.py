"""Tables: CSV and TSV, XLSX, Parquet, and other spreadsheets under their names."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pandas as pd
from fuzz_harness import Family
from mutate import damage_file, damaged_text

from espark.errors import TableError
from espark.outcome import Outcome
from espark.tables.names import id_problem, name_problem
from espark.tables.read import read_table
from espark.workspace.cohort import Cohort, read_cohort


def _frame() -> pd.DataFrame:
    roles = ("development", "external")
    rows = [(f"P-{n:03d}", "ABC"[n % 3], roles[n % 4 == 3], n % 2, "", "", 0.5) for n in range(40)]
    return pd.DataFrame(rows, columns=["patient_id", "center", "role", "pcr", "ct", "slides", "slide_mpp"])


def _make_csv(folder: Path) -> None:
    frame = _frame()
    frame.to_csv(folder / "a.csv", index=False)
    frame.to_csv(folder / "b.tsv", index=False, sep="\t")
    frame.to_csv(folder / "c.csv", index=False, sep=";", encoding="utf-16")


def _make_xlsx(folder: Path) -> None:
    _frame().to_excel(folder / "a.xlsx", index=False)


def _make_parquet(folder: Path) -> None:
    _frame().to_parquet(folder / "a.parquet")


def _damage(folder: Path, chance: random.Random) -> str:
    files = sorted(folder.iterdir())
    kept = chance.choice(files)
    for file in files:
        if file != kept:
            file.unlink()
    renamed = kept.with_suffix(chance.choice((kept.suffix,) * 12 + (".xlsx", ".csv", ".ods", ".xls", ".parquet")))
    kept.rename(renamed)
    if renamed.name == "a.csv" and kept.suffix == ".csv" and chance.random() < 0.7:
        text, said = damaged_text(renamed.read_text(encoding="utf-8"), chance)
        renamed.write_bytes(text.encode("utf-8", "surrogatepass"))
        return said
    return damage_file(renamed, chance, header=0)


def _read(folder: Path) -> tuple:
    file = min(folder.iterdir())
    table = read_table(file, key="patient_id")
    with contextlib.suppress(TableError):
        table.number_column("slide_mpp")
    return table, read_cohort(file, Outcome(), masks_required=False)


def _wrong(value: tuple, folder: Path) -> str:
    del folder
    table, cohort = value
    assert isinstance(cohort, Cohort)
    if any(len(row) != len(table.header) for row in table.rows) or len(table.numbers) != len(table.rows):
        return "rows of different lengths"
    ids = [patient.patient_id for patient in cohort]
    if len({text.lower() for text in ids}) != len(ids) or any(map(id_problem, ids)):
        return "ids that are not safe"
    return "a center that is not safe" if any(name_problem(patient.center) for patient in cohort) else ""


FAMILIES = {
    "CSV": Family(_make_csv, _damage, _read, _wrong),
    "XLSX": Family(_make_xlsx, _damage, _read, _wrong),
    "Parquet": Family(_make_parquet, _damage, _read, _wrong),
}
