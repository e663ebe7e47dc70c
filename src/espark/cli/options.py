"""What the commands share: options that mean the same everywhere, and how a command ends."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import espark

if TYPE_CHECKING:
    from espark.work.progress import Reporter
    from espark.workspace.records import ItemStatus

CORES = os.cpu_count() or 1

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The study folder, with study.toml and cohort.csv.")]
Workers = Annotated[
    int,
    typer.Option("--workers", min=1, help="Processes that work side by side.", show_default="cores of this machine"),
]
MaskedCts = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY_OR_FOLDER", help="A study with masks, or a folder of <name>_ct, <name>_esophagus, <name>_tumor."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every item.")]
ShowWithheld = Annotated[
    bool, typer.Option("--show-withheld", help="Print the probability even where the model does not apply.")
]
AsPdf = Annotated[bool, typer.Option("--pdf", help="Write the report as PDF too; needs the extra espark[pdf].")]
AsDicom = Annotated[
    bool,
    typer.Option("--dicom", help="Write the result as DICOM objects too, to the folder dicom; needs espark[dicom]."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def reporter_of(quiet: bool, verbose: bool) -> Reporter:
    """How much is said while a command works."""
    from espark.work.progress import Reporter

    return Reporter("quiet" if quiet else "verbose" if verbose else "normal")


def open_study(folder: Path, quiet: bool, verbose: bool) -> espark.Study:
    """A study, not yet read."""
    return espark.Study(folder, reporter=reporter_of(quiet, verbose))


def finish_run(report_path: Path, failed: Sequence[ItemStatus]) -> None:
    """Print where the report is, and what failed."""
    typer.echo(str(report_path))
    exit_on_failures(failed)


def exit_on_failures(failed: Sequence[ItemStatus]) -> None:
    """Print what failed; exit code 1 when anything did."""
    for item in failed:
        typer.echo(f"failed: {item.patient_id} {item.item}: {item.error}", err=True)
    if any(item.details for item in failed):
        typer.echo("local.log in the study folder names the files. Do not share that log.", err=True)
    if failed:
        raise typer.Exit(1)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
