"""Commands that make a study: `demo`, `simulate`, `init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import (
    CORES,
    Quiet,
    Verbose,
    Workers,
    finish_run,
    reporter_of,
)


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demonstration is written.")] = Path("demo"),
    patients: Annotated[int, typer.Option(min=12, help="Patients over three centers.")] = 40,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Simulate a small trial and run every step on it; ends with the path of the report."""
    from espark.steps.trial.demo import demo as run_demo

    result = run_demo(folder, patients=patients, workers=workers, reporter=reporter_of(quiet, verbose))
    finish_run(result.report, result.failed)


def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the study is written.")],
    patients: Annotated[int, typer.Option(min=1, help="Patients over all centers.")] = 344,
    centers: Annotated[int, typer.Option(min=1, help="Centers; the first develops, the others are external.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes. 0-99 are for development.")] = 0,
    effect: Annotated[float, typer.Option(min=0, help="Scale of the effects on the outcome.")] = 1.0,
    null: Annotated[bool, typer.Option("--null", help="Outcomes that depend on nothing.")] = False,
    no_masks: Annotated[bool, typer.Option("--no-masks", help="Leave segmentation to the software.")] = False,
    tiles: Annotated[int | None, typer.Option(min=1, help="Tissue tiles a slide.", show_default="150")] = None,
    redraw: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Only write N fresh label columns for the trial in DIR."),
    ] = None,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a virtual multicenter trial: patients whose truth is known."""
    from espark.simulate.trial.trial import TrialSettings
    from espark.steps.trial.simulate import redraw as run_redraw
    from espark.steps.trial.simulate import simulate as run_simulate

    if redraw is not None:
        typer.echo(str(run_redraw(folder, redraw, null=null)))
        return
    settings = TrialSettings(
        centers=centers, patients=patients, seed=seed, null=null, effect=effect, masks=not no_masks, tiles=tiles,
        workers=workers,
    )  # fmt: skip
    run_simulate(folder, settings, reporter=reporter_of(quiet, verbose))
    typer.echo(str(folder))


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The study folder; made when missing.")],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="Settings of the models: robust, lean, or published (the paper's).")
    ] = "robust",
) -> None:
    """Write a commented study.toml, a commented cytology.toml and a first cohort.csv."""
    from espark.steps.init import init as run_init

    layout = run_init(folder, recipe=recipe)
    typer.echo(
        f"Wrote {layout.config}, {layout.cytology} and {layout.cohort}. Fill in one row per patient, then: "
        f"espark check {folder}"
    )
