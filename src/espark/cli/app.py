"""The command ``espark`` and its subcommands, in the order in which the help lists them."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

import espark
from espark.cli.doctor_command import doctor
from espark.cli.predict_command import predict
from espark.cli.segment_commands import segment_evaluate, segment_train
from espark.cli.serve_command import serve
from espark.cli.start_commands import demo, init, simulate
from espark.cli.study_commands import ablate, check, evaluate, explain, prepare, report, run, train
from espark.errors import EsparkError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Predict, before treatment, whether esophageal cancer will respond completely to neoadjuvant "
    "immunochemotherapy, from CT and H&E slides. For research use only; not a medical device.",
)

for command in (
    demo,
    simulate,
    init,
    check,
    prepare,
    train,
    evaluate,
    explain,
    report,
    run,
    serve,
    predict,
    ablate,
    doctor,
):
    app.command()(command)

segment = typer.Typer(no_args_is_help=True, help="Fit the segmenter to your own masks, or measure it against them.")
segment.command("train")(segment_train)
segment.command("evaluate")(segment_evaluate)
app.add_typer(segment, name="segment")


def main() -> None:
    """Run the command line; an error espark raises on purpose becomes a message and its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("espark").setLevel(logging.INFO)
    try:
        app()
    except EsparkError as error:
        typer.echo(f"espark: {error}", err=True)
        sys.exit(error.exit_code)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"espark {espark.__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version
