"""Tables of CT features made elsewhere, and whose rows they hold."""

from __future__ import annotations

from dataclasses import dataclass

from espark.ct.features.feature_table import FeatureValues, read_feature_table
from espark.errors import TableError
from espark.tables.identity import Match, match_ids
from espark.workspace.imported import FeatureTable
from espark.workspace.opened import Workspace


@dataclass(frozen=True)
class ImportedTable:
    """A table that study.toml names.

    Attributes:
        entry: its settings in study.toml.
        table: its features.
        match: its patients beside those of the cohort.
    """

    entry: FeatureTable
    table: FeatureValues
    match: Match


def read_imported_table(workspace: Workspace, entry: FeatureTable) -> ImportedTable:
    """Read a table of features and compare its ids with the cohort's.

    Raises:
        TableError: when it cannot be read, is of other patients, or some ids are only written differently, so that
            patients would lose their features in silence.
    """
    path = workspace.root / entry.file
    table = read_feature_table(path, entry.patient_column, entry.columns)
    rows = [str(name) for name in table.values.index]
    match = match_ids([patient.patient_id for patient in workspace.cohort], rows)
    if match.near:
        raise TableError(
            f"{len(match.near)} patients of cohort.csv have no row because their ids are written differently there: "
            f"{match.near_misses}",
            where=path,
            expected="the same id in both",
            action=f"Write the ids of '{entry.patient_column}' as in cohort.csv; as text, so that zeros stay.",
            code="E-TABLE-008",
        )
    if not match.matched:
        raise TableError(
            f"none of its patients is in cohort.csv (its ids: {', '.join(rows[:5])})", where=path,
            action="Check `patient_column` and how the ids are written.", code="E-TABLE-013",
        )  # fmt: skip
    return ImportedTable(entry, table, match)


def imported_tables(workspace: Workspace) -> tuple[list[ImportedTable], list[TableError]]:
    """Every table that study.toml names, and an error for each that cannot be used."""
    found: list[ImportedTable] = []
    problems: list[TableError] = []
    for entry in workspace.config.ct_features:
        try:
            found.append(read_imported_table(workspace, entry))
        except TableError as error:
            problems.append(error)
    return found, problems
