"""`deidentify`: images without the identity of their patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import Quiet, Verbose, reporter_of

KeepCharacteristics = Annotated[
    bool, typer.Option("--keep-characteristics", help="Keep sex, age (up to 89), size and weight.")
]


def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Folder of CTs (DICOM) and slides (DICOM, SVS, TIFF).")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The study folder to write.")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="The key table, outside of the study folder.")],
    keep_characteristics: KeepCharacteristics = False,
    keep_doubted: Annotated[
        bool, typer.Option("--keep-doubted", help="Write also CTs with what looks like burnt-in text.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Copy images into a study without the identity of the patients; one key table leads back."""
    from espark.steps.export.dicom_extra import check_dicom

    check_dicom()
    from espark.deidentify.deidentify_folder import deidentify_folder

    result = deidentify_folder(
        source,
        out,
        key,
        characteristics=keep_characteristics,
        keep_doubted=keep_doubted,
        reporter=reporter_of(quiet, verbose),
    )
    typer.echo(f"{result.patients} patients, {result.written} files written, {result.held_back} held back")
    typer.echo(str(result.report))
    if result.held_back:
        raise typer.Exit(1)
