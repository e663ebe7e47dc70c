"""The command `plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import Quiet, Verbose, reporter_of


def plan(
    patients: Annotated[int, typer.Option(metavar="N", help="Development patients that you have or can recruit.")],
    prevalence: Annotated[float, typer.Option(help="Share of patients with the outcome that you expect.")] = 0.3,
    parameters: Annotated[
        int, typer.Option(help="Candidate parameters, for the minimum sample size of Riley et al. 2020.")
    ] = 10,
    study: Annotated[
        Path | None,
        typer.Option(metavar="STUDY", help="A prepared study: compute its own curves instead of the shipped ones."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="Samples of each size, with --study.")] = 5,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of plan.html and plan.csv.")] = Path("plan"),
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """How many patients are enough: expected AUC, calibration and power, as a page and a table."""
    from espark.steps.plan.plan import plan as run_plan

    found = run_plan(
        patients, out, prevalence=prevalence, parameters=parameters, study=study, repeats=repeats,
        reporter=reporter_of(quiet, verbose),
    )  # fmt: skip
    typer.echo(str(found.page))
