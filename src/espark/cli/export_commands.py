"""`export`: results for other programs, except DICOM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import Quiet, StudyFolder, Verbose, exit_on_failures, open_study, reporter_of


def export_anndata(
    study: StudyFolder,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go: <patient>.h5ad.")],
    patient: Annotated[str | None, typer.Option("--patient", metavar="ID", help="Only this patient.")] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write the tiles of a study as AnnData, for scanpy, squidpy and LazySlide."""
    from espark.steps.export.anndata_tiles import export_anndata as run_export

    workspace = open_study(study, quiet, verbose).workspace
    result = run_export(workspace, out, patient_id=patient, reporter=reporter_of(quiet, verbose))
    typer.echo(f"{len(result.files)} files: {out}")
    exit_on_failures(result.failed)
