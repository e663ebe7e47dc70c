"""An account of the tables: who has features, which levels a category has, and numbers that look like codes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from espark.ct.features.feature_table import FeatureValues
from espark.notes import Note
from espark.steps.check.result import Findings
from espark.steps.prepare.imported_tables import ImportedTable, imported_tables
from espark.tables.account import levels_written_differently, values_like_codes
from espark.tables.table import listed, to_number
from espark.types import ClinicalColumn
from espark.workspace.cohort import Cohort
from espark.workspace.opened import Workspace

_MOST_NAMES, _MOST_LEVELS = 60, 12


def check_tables(workspace: Workspace) -> Findings:
    """Read every table that study.toml names, and give an account of them and of the cohort."""
    tables, problems = imported_tables(workspace)
    found = [*_cohort_account(workspace.cohort), *(part for table in tables for part in _feature_table_account(table))]
    return Findings(
        problems=tuple(problems),
        notes=tuple(part for part in found if isinstance(part, Note)),
        account=tuple(part for part in found if isinstance(part, str)),
    )


def _cohort_account(cohort: Cohort) -> Iterator[str | Note]:
    """Levels, ranges and gaps of the clinical columns and the centers: plain lines, and notes of what looks wrong."""
    yield from cohort.notes
    centers = [patient.center for patient in cohort]
    yield from _levels("center", centers, 0)
    for column in cohort.clinical:
        values = [patient.clinical[column.name] for patient in cohort]
        known = [value for value in values if value is not None]
        missing = len(values) - len(known)
        if column.kind == "category":
            yield from _levels(column.name, [str(value) for value in known], missing)
            yield from _unlikely_category(cohort, column.name, [str(value) for value in known])
        else:
            yield from _numbers(column, [float(value) for value in known], missing)


def _feature_table_account(imported: ImportedTable) -> Iterator[str | Note]:
    """Who has a row in a table of CT features."""
    table, match = imported.table, imported.match
    name, (rows, columns) = table.path.name, table.values.shape
    others = f"; not features: {listed(table.left_out)}" if table.left_out else ""
    patients = len(match.matched) + len(match.without_row)
    yield f"{name}: {rows} rows, {columns} features; {len(match.matched)} of {patients} patients have a row{others}"
    yield from table.notes
    yield from _codes_among_features(table)
    empty = [str(name) for name in table.values.index[table.values.isna().all(axis=1)]]
    if empty:
        yield Note("N-TABLE-008", f"{name}: the rows of {listed(empty, _MOST_NAMES)} hold no value.")
    if match.without_row:
        yield Note("N-TABLE-001", f"{name} has no row of {listed(match.without_row, _MOST_NAMES)}.")
    if match.without_patient:
        yield Note(
            "N-TABLE-002", f"{name} has rows that belong to no patient in cohort.csv: {listed(match.without_patient)}."
        )


def _codes_among_features(table: FeatureValues) -> Iterator[Note]:
    found = [
        f"{name} ({code:g} {_times(count)})"
        for name, column in table.values.items()
        for code, count in values_like_codes(column.to_numpy())
    ]
    if found:
        text = f"{table.path.name} holds numbers far from all others. If they are codes, empty the cells: "
        yield Note("D-TABLE-002", f"{text}{listed(found)}.")


def _levels(name: str, values: Sequence[str], missing: int) -> Iterator[str | Note]:
    counts = Counter(values)
    found = listed([f"{level} {count}" for level, count in counts.most_common()], _MOST_NAMES)
    yield f"{name}: {found or 'no value'}{_gaps(missing)}"
    for group in levels_written_differently(sorted(counts)):
        written = ", ".join(f"{level} ({counts[level]})" for level in group)
        yield Note("D-TABLE-001", f"Column '{name}' has levels that may be one: {written}.")


def _unlikely_category(cohort: Cohort, name: str, values: Sequence[str]) -> Iterator[Note]:
    """A number that is declared as a category, and levels from which a model learns nothing."""
    levels = sorted(set(values))
    if len(levels) > _MOST_LEVELS and all(isinstance(to_number(level), float) for level in levels):
        text = f"Column '{name}' is declared as a category, but holds {len(levels)} different numbers."
        yield Note("D-TABLE-005", text)
    learned = {str(patient.clinical[name]) for patient in cohort.development}
    unknown = [level for level in levels if level not in learned]
    if unknown:
        text = f"Column '{name}': no development patient has {listed(unknown)}, which will count as unknown."
        yield Note("N-TABLE-009", text)


def _numbers(column: ClinicalColumn, values: Sequence[float], missing: int) -> Iterator[str | Note]:
    unit = f" {column.unit}" if column.unit else ""
    if not values:
        yield f"{column.name}: no value{_gaps(missing)}"
        return
    low, middle, high = np.quantile(values, [0.0, 0.5, 1.0])
    yield f"{column.name}: {low:g} to {high:g}{unit}, median {middle:g}{_gaps(missing)}"
    for code, count in values_like_codes(np.array(values)):
        text = (
            f"Column '{column.name}' holds {code:g} {_times(count)}, far from all other values. If it stands for a "
            f"missing value, write missing = [{code:g}] under its [[clinical]] in study.toml."
        )
        yield Note("D-TABLE-002", text)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _gaps(missing: int) -> str:
    return f"; missing {missing}" if missing else ""
