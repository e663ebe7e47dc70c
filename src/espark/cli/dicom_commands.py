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
