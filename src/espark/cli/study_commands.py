"""The steps of a study, one command each, and what is done on request."""

from __future__ import annotations

from typing import Annotated

import typer

from espark.cli.options import (
    CORES,
    AsJson,
    AsPdf,
    Quiet,
    ShowWithheld,
    StudyFolder,
    Verbose,
    Workers,
    exit_on_failures,
    finish_run,
    open_study,
    print_json,
    reporter_of,
)
from espark.errors import InputProblems


def check(
    study: StudyFolder,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Also write check.html: CT, regions and slides of every patient.")
    ] = False,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Find everything that is wrong with the inputs, at once, before hours are spent."""
    from espark.steps.check.check import examine

    result = examine(study, pictures=pictures, workers=workers, reporter=reporter_of(quiet, verbose))
    if as_json:
        print_json(result.to_json())
        raise typer.Exit(2 if result.problems else 0)
    for line in result.lines():
        typer.echo(line)
    if pictures and result.verdicts:
        typer.echo(str(open_study(study, quiet, verbose).layout.contact_sheet))
    if result.problems:
        raise InputProblems(result.problems)
    typer.echo(f"No problems found: {result.summary()}")
    if result.doubted:
        typer.echo("Look at the patients that are doubted; docs/codes.md explains every code.")


def prepare(
    study: StudyFolder,
    only: Annotated[str | None, typer.Option("--only", metavar="ct|slides", help="Prepare one kind of image.")] = None,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Images to regions, radiomics, tiles and features."""
    if only not in (None, "ct", "slides"):
        raise typer.BadParameter(f"'{only}' is neither ct nor slides", param_hint="--only")
    result = open_study(study, quiet, verbose).prepare(only=only, workers=workers)  # type: ignore[arg-type]
    typer.echo(f"{result.done} items prepared, {len(result.failed)} failed, {result.skipped} without an image.")
    exit_on_failures(result.failed)


def train(study: StudyFolder, workers: Workers = CORES, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Folds and models."""
    models = open_study(study, quiet, verbose).train(workers=workers)
    for model in models:
        typer.echo(str(study / "models" / model))


def evaluate(study: StudyFolder, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Predictions to metrics, comparisons and figures."""
    opened = open_study(study, quiet, verbose)
    opened.evaluate()
    typer.echo(str(opened.layout.metrics))


def explain(
    study: StudyFolder,
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option("--pair", metavar="A B", help="Draw these two patients side by side, and nothing else."),
    ] = None,
    voxel_maps: Annotated[
        str | None,
        typer.Option(
            "--voxel-maps", metavar="PATIENT", help="Draw where the patient's texture features are high, nothing else."
        ),
    ] = None,
    features: Annotated[int, typer.Option("--features", min=1, help="Texture features of --voxel-maps.")] = 3,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Attributions, heatmaps, cell types, biomarkers."""
    opened = open_study(study, quiet, verbose)
    if pair is not None and voxel_maps is not None:
        raise typer.BadParameter("give one of --pair and --voxel-maps", param_hint="--voxel-maps")
    if voxel_maps is not None:
        result = opened.explain_voxel_maps(voxel_maps, features=features)
        if not result.failed:
            typer.echo(str(opened.layout.voxel_maps(voxel_maps)))
    elif pair is not None:
        result = opened.explain_pair(*pair)
        if not result.failed:
            typer.echo(str(opened.layout.figure("ct-pair-named.png")))
    else:
        result = opened.explain(workers=workers)
        typer.echo(str(study / "explain"))
    exit_on_failures(result.failed)


def report(
    study: StudyFolder,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="Write this patient's page alone.")
    ] = None,
    pdf: AsPdf = False,
    show_withheld: ShowWithheld = False,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """HTML pages of the study and of every patient."""
    opened = open_study(study, quiet, verbose)
    result = opened.report(patient_id=patient, show_withheld=show_withheld, pdf=pdf, workers=workers)
    typer.echo(str(opened.layout.patient_report(patient) if patient else result.index))
    exit_on_failures(result.failed)


def run(study: StudyFolder, workers: Workers = CORES, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Check, prepare, train, evaluate, explain, report; what is done stays done."""
    result = open_study(study, quiet, verbose).run(workers=workers)
    finish_run(result.report, result.failed)


def ablate(
    study: StudyFolder,
    ct: Annotated[
        bool, typer.Option("--ct", help="Compare CT models instead: MScaleCT, single scales, logistic regressions.")
    ] = False,
    cell_types: Annotated[
        bool,
        typer.Option("--cell-types", help="Train again without each cell type; into explain/ablation.csv."),
    ] = False,
    workers: Workers = CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Aggregators with and without cell-type selection, CT models, or cell types; long, so on request."""
    opened = open_study(study, quiet, verbose)
    if ct and cell_types:
        raise typer.BadParameter("give one of --ct and --cell-types", param_hint="--cell-types")
    if cell_types:
        found = opened.ablate_cell_types(workers=workers)
        pooled = found[(found["center"] == "all") & (found["cell_type"] != "none")]
        for row in pooled.to_dict("records"):
            typer.echo(f"without {row['cell_type']}: AUC changes by {row['auc_change']:+.3f}")
        typer.echo(str(opened.layout.explanation("ablation.csv")))
        return
    if ct:
        compared = opened.compare_ct_models(workers=workers)
        for cohort, (more, of) in compared.above.items():
            typer.echo(f"{cohort}: the AUC of MScaleCT is above that of {more} of {of} other CT models.")
        typer.echo(str(compared.table))
        return
    result = opened.ablate(workers=workers)
    for cohort, (more, of) in result.helped.items():
        typer.echo(f"{cohort}: the selection raises the AUC of {more} of {of} aggregators.")
    typer.echo(str(result.table))
