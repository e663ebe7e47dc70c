"""The segmenter on one CT, and on a user's own masks: `segment run`, `segment train`, `segment evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import (
    MaskedCts,
    Quiet,
    Verbose,
    reporter_of,
)


def segment_run(
    ct: Annotated[Path, typer.Argument(metavar="CT", help="DICOM folder, NIfTI or NRRD file.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where masks, picture and doubts go.")],
    segmenter: Annotated[str, typer.Option("--segmenter", help="Which segmenter.")] = "espark-mini-seg",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder of its weights.", show_default="the default weights")
    ] = None,
) -> None:
    """Find the regions of one CT: masks, volumes, a picture of every level, and everything that is doubted."""
    from espark.steps.segment_run import region_origin, run_segmenter
    from espark.types import REGIONS

    found = run_segmenter(ct, out, segmenter=segmenter, weights=weights)
    for scale in REGIONS:
        if scale in found.regions.scales:
            typer.echo(f"{scale}: {found.regions.volume_ml(scale):.1f} ml, {region_origin(scale, found)}")
    for note in found.notes:
        typer.echo(str(note))
    typer.echo(str(out))


def segment_train(
    source: MaskedCts,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the weights go.")],
    steps: Annotated[int, typer.Option("--steps", min=1, help="Optimizer steps.")] = 600,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same weights.")] = 1000,
    device: Annotated[str, typer.Option("--device", help="auto (a GPU where there is one), cpu or cuda.")] = "auto",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fit the embedded segmenter to your own masks; of a study, development patients only."""
    from espark.steps.segment import train_segmenter

    reporter = reporter_of(quiet, verbose)
    weights = train_segmenter(source, out, steps=steps, seed=seed, device=device, reporter=reporter)
    typer.echo(
        f'{weights}\nTo use it, write in study.toml under [ct]: segmenter_weights = "{weights.parent.resolve()}"'
    )


def segment_evaluate(
    source: MaskedCts,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where tables and figures go.")],
    segmenter: Annotated[str, typer.Option("--segmenter", help="Which segmenter.")] = "espark-mini-seg",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder of its weights.", show_default="the default weights")
    ] = None,
    figures: Annotated[int, typer.Option("--figures", min=0, help="Patients whose planes are drawn.")] = 3,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare automatic regions with given masks: Dice, surface Dice at 3 mm, HD95, and planes with both."""
    from espark.steps.segment import evaluate_segmenter

    summary = evaluate_segmenter(
        source, out, segmenter=segmenter, weights=weights, figures=figures, reporter=reporter_of(quiet, verbose)
    )
    typer.echo(summary.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    typer.echo(str(out))
