"""Whether a study or a bundle is as espark left it: `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import AsJson, print_json


def verify(
    folder: Annotated[Path, typer.Argument(metavar="STUDY_OR_BUNDLE", help="A study folder, or a trained model.")],
    as_json: AsJson = False,
) -> None:
    """Compare every file with the hash noted when it was written, and name what is damaged, stale or missing."""
    from espark.steps.verify import verify as run_verify

    result = run_verify(folder)
    if as_json:
        print_json(result.to_json())
    else:
        for line in result.lines():
            typer.echo(line)
    if not result.intact:
        raise typer.Exit(1)
