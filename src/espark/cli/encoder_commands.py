"""Encoders: `encoder teach`, `encoder fetch`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import Quiet, StudyFolder, Verbose, open_study


def encoder_teach(
    folder: StudyFolder,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="TABLE", help="Tiles counted by a person, instead of espark-mini."),
    ] = None,
    tiles: Annotated[int, typer.Option("--tiles", min=50, help="Tiles of the study that teach.")] = 4000,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Teach a cell probe, so that an encoder without a text side gives cell types and biomarkers."""
    from espark.steps.teach import teach

    study = open_study(folder, quiet, verbose)
    taught = teach(study.workspace, labels=labels, tiles=tiles, reporter=study.reporter)
    typer.echo(f"Taught on {taught.tiles} tiles. Agreement with the teacher on patients that did not teach (Spearman):")
    for name, value in (*taught.agreement.items(), ("tissue NLR, by patient", taught.nlr)):
        typer.echo(f"  {name:<34} {'not available' if math.isnan(value) else f'{value:.2f}'}")
    typer.echo(f'To use it, write in study.toml under [slides]: cell_probe = "{taught.path.name}"')
