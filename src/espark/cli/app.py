"""The command ``espark`` and its subcommands, in the order in which the help lists them."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, NoReturn

import typer

import espark
from espark.cli.adapt_command import adapt
from espark.cli.deidentify_command import deidentify
from espark.cli.dicom_commands import export_dicom, fetch, node
from espark.cli.doctor_command import doctor
from espark.cli.encoder_commands import encoder_fetch, encoder_teach
from espark.cli.export_commands import export_anndata
from espark.cli.plan_command import plan
from espark.cli.predict_command import predict
from espark.cli.segment_commands import segment_evaluate, segment_run, segment_train
from espark.cli.serve_command import serve
from espark.cli.start_commands import demo, init, simulate
from espark.cli.study_commands import ablate, check, evaluate, explain, prepare, report, run, train
from espark.cli.verify_command import verify
from espark.disk import write_problem
from espark.errors import EsparkError, Interrupted

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
    plan,
    check,
    prepare,
    train,
    evaluate,
    explain,
    report,
    run,
    serve,
    predict,
    adapt,
    ablate,
    verify,
    deidentify,
    fetch,
    node,
    doctor,
):
    app.command()(command)

encoder = typer.Typer(no_args_is_help=True, help="Get an encoder, or teach one the cell types.")
encoder.command("teach")(encoder_teach)
encoder.command("fetch")(encoder_fetch)
app.add_typer(encoder, name="encoder")

segment = typer.Typer(
    no_args_is_help=True, help="Find the regions of a CT; fit the segmenter to your masks, or measure it."
)
segment.command("run")(segment_run)
segment.command("train")(segment_train)
segment.command("evaluate")(segment_evaluate)
app.add_typer(segment, name="segment")

export = typer.Typer(no_args_is_help=True, help="Give results to other systems.")
export.command("dicom")(export_dicom)
export.command("anndata")(export_anndata)
app.add_typer(export, name="export")


def main() -> None:
    """Run the command line; an error espark raises on purpose becomes a message and its exit code."""
    from espark.work.stopping import how_to_go_on, stopping_on_signals

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("espark").setLevel(logging.INFO)
    try:
        with stopping_on_signals():
            app()
    except EsparkError as error:
        _end(str(error), error.exit_code)
    except Interrupted as stop:
        typer.echo(f"espark: {how_to_go_on(stop)}", err=True)
        # All is written. To take PyTorch and ITK down may need seconds, for which nobody shall wait.
        os._exit(stop.exit_code)
    except OSError as error:
        # Most writers say it themselves; this is for what is not written by espark, such as the files of its workers.
        problem = write_problem(error, Path(error.filename or tempfile.gettempdir()))
        if problem is None:
            raise
        _end(str(problem), problem.exit_code)


def _end(message: str, exit_code: int) -> NoReturn:
    typer.echo(f"espark: {message}", err=True)
    sys.exit(exit_code)


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
