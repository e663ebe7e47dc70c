"""The command `adapt`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.wording import percent


def adapt(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="A trained model, such as STUDY/models/espark.")],
    patients: Annotated[
        Path, typer.Option("--patients", metavar="STUDY", help="A prepared study of your site; no label is read.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the adapted model.")],
    center: Annotated[str, typer.Option(metavar="NAME", help="Whose patients are used, of several centers.")] = "",
) -> None:
    """Adapt a model to the CT scanner of your site, with 10 to 20 patients without labels."""
    from espark.steps.adapt import adapt as run_adapt

    found = run_adapt(model, patients, out, center=center)
    new = "looks new" if found.new_before else "does not look new"
    typer.echo(
        f"{found.center} {new} to the model. {found.n} patients were used. The CTs of "
        f"{percent(found.noted_before)} of them looked as if from an unknown scanner before, and of "
        f"{percent(found.noted_after)} after."
    )
    typer.echo(str(out))
