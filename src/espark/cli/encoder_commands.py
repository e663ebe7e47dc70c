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


def encoder_fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as uni2, phikon-v2, plip or quiltnet.")],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Folder for the files.", show_default="models/NAME")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="You agree to the license: download now.")] = False,
) -> None:
    """Show the license of an encoder and the steps to get it; with --yes, download it."""
    from espark.pathology.encoders.published import fetch_steps, find_published, terms, use_steps
    from espark.steps.fetch_encoder import fetch_encoder

    entry, folder = find_published(name), to or Path("models") / name
    typer.echo(terms(entry))
    if not yes:
        typer.echo("Nothing was downloaded. Type the same command with --yes, or do it by hand:")
        typer.echo(fetch_steps(entry, str(folder)))
        return
    fetch_encoder(entry, folder)
    typer.echo(f"{folder}\n{use_steps(entry, str(folder))}")
