"""DICOM in and out: `export dicom`, `fetch` and `node`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import Quiet, ShowWithheld, StudyFolder, Verbose, exit_on_failures, open_study, reporter_of


def export_dicom(
    study: StudyFolder,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the folders of the patients go.")],
    patient: Annotated[str | None, typer.Option("--patient", metavar="ID", help="Only this patient.")] = None,
    show_withheld: ShowWithheld = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write regions, measurements, answers and pages of a study as DICOM objects, one folder for each patient."""
    from espark.steps.export.dicom_extra import check_dicom

    check_dicom()
    from espark.steps.export.export_study import export_study

    result = export_study(
        open_study(study, quiet, verbose).workspace,
        out,
        patient_id=patient,
        show_withheld=show_withheld,
        reporter=reporter_of(quiet, verbose),
    )
    for note in result.notes:
        typer.echo(note, err=True)
    typer.echo(str(result.folder))
    exit_on_failures(result.failed)


NodeToml = Annotated[Path, typer.Option("--config", metavar="FILE", help="The file node.toml; see docs/dicom.md.")]


def fetch(
    peer: Annotated[str, typer.Argument(metavar="PEER", help="Name of the PACS in node.toml.")],
    config: NodeToml,
    studies: Annotated[
        Path,
        typer.Option(
            "--studies", metavar="CSV", help="Columns patient_id (your own id) and study_uid or accession_number."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The study folder to fill.")],
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="De-identify the images; this key table leads back.")
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Get the CTs and slides of a list of studies from a PACS, with a cohort.csv for them."""
    from espark.steps.export.dicom_extra import check_dicom

    check_dicom()
    from espark.node.fetch import fetch as run_fetch
    from espark.node.node_config import read_node_config

    result = run_fetch(read_node_config(config), peer, studies, out, reporter_of(quiet, verbose), key=key)
    cohort = result.cohort or f"{out / 'cohort.csv'} (was there, and was left as it is)"
    typer.echo(f"{result.fetched} studies: {cohort}")
    exit_on_failures(result.failed)


def node(
    config: NodeToml,
    status: Annotated[bool, typer.Option("--status", help="Print what waits, failed or is dead, and end.")] = False,
    retry: Annotated[
        bool,
        typer.Option(
            "--retry",
            help="First queue failed cases and dead parcels again. A node that runs takes them up.",
        ),
    ] = False,
) -> None:
    """Receive CTs and slides, predict complete studies, and send the results to the peers of node.toml."""
    from espark.steps.export.dicom_extra import check_dicom

    check_dicom()
    from espark.errors import StudyBusyError
    from espark.node.node_config import read_node_config
    from espark.node.serve import serve
    from espark.node.status import retry as run_retry
    from espark.node.status import status_lines

    settings = read_node_config(config)
    if retry:
        typer.echo(f"queued again: {run_retry(settings)}")
    if status:
        for line in status_lines(settings):
            typer.echo(line)
        return
    try:
        serve(settings)
    except StudyBusyError:
        if not retry:
            raise
        typer.echo("The node that runs takes them from here.")
