"""The reference of the files in a study folder, from their declarations."""

from __future__ import annotations

import re

from espark.formats import ARTEFACTS, Artefact

_HEAD = """\
# Files of a study

This page is made from `espark.formats`; the tests compare it with a study. In names of columns, `pcr` stands for the
outcome of the study (`[study.outcome] column`). All text is UTF-8. Numbers in CSV have a point and no thousands
separator; an empty cell is a missing value. Parquet has no index. No file is a pickle.

Each table has a schema in the format Table Schema (Frictionless Data), for programs that check or read tables.
"""


def files_page() -> str:
    """The page as Markdown."""
    tables = [entry for entry in ARTEFACTS if entry.columns]
    others = [entry for entry in ARTEFACTS if not entry.columns]
    lines = [_HEAD, "## Tables", ""]
    for entry in tables:
        lines += _table(entry)
    lines += ["## Other files", "", "| file | made by | content |", "|---|---|---|"]
    lines += [f"| `{entry.pattern}` | {_by(entry)} | {entry.about} |" for entry in others]
    return "\n".join(lines) + "\n"


def _table(entry: Artefact) -> list[str]:
    name = re.sub(r"[^a-z_-]+", "-", entry.pattern.rsplit(".", 1)[0]).strip("-")
    lines = [
        f"### `{entry.pattern}`", "", f"{entry.about} Made by {_by(entry)}. [Schema](schemas/{name}.json)", "",
        "| column | kind | meaning |", "|---|---|---|",
    ]  # fmt: skip
    for column in entry.columns:
        may = " It may be empty." if column.empty and "empty" not in column.meaning else ""
        lines.append(f"| `{column.name.replace('{outcome}', 'pcr')}` | {column.kind} | {column.meaning}{may} |")
    return [*lines, ""]


def _by(entry: Artefact) -> str:
    return "you" if entry.made_by == "you" else entry.made_by if " step" in entry.made_by else f"`{entry.made_by}`"
