"""One new patient: `predict`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from espark.cli.options import (
    CORES,
    AsDicom,
    AsJson,
    AsPdf,
    Quiet,
    ShowWithheld,
    Verbose,
    Workers,
    reporter_of,
)
from espark.wording import UNNAMED


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL_DIR", help="A trained model, such as STUDY/models/espark.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where prediction.json and report.html go.")],
    ct: Annotated[Path | None, typer.Option("--ct", help="DICOM folder, NIfTI or NRRD.")] = None,
    slide: Annotated[list[Path] | None, typer.Option("--slide", help="Whole-slide image; may be repeated.")] = None,
    tumor_mask: Annotated[Path | None, typer.Option("--tumor-mask", help="Mask of the tumor on the CT's grid.")] = None,
    esophagus_mask: Annotated[Path | None, typer.Option("--esophagus-mask", help="Mask of the esophagus.")] = None,
    rtstruct: Annotated[
        Path | None, typer.Option("--rtstruct", help="DICOM RTSTRUCT or SEG with the regions instead.")
    ] = None,
    tumor_roi: Annotated[
        str | None,
        typer.Option("--tumor-roi", help="Name or number of the tumor in its mask, or else in the RTSTRUCT."),
    ] = None,
    esophagus_roi: Annotated[
        str | None, typer.Option("--esophagus-roi", help="Name or number of the esophagus, likewise.")
    ] = None,
    slide_mpp: Annotated[
        float | None, typer.Option("--slide-mpp", help="µm per pixel, where the slide does not say.")
    ] = None,
    patient_id: Annotated[str, typer.Option("--patient-id", help="What the report calls the patient.")] = UNNAMED,
    encoder_path: Annotated[
        Path | None,
        typer.Option("--encoder-path", help="Folder of the tile encoder, where it is not the embedded one."),
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option("--segmenter", help="Stop unless the model names this segmenter.", show_default="the model's own"),
    ] = None,
    segmenter_weights: Annotated[
        Path | None,
        typer.Option("--segmenter-weights", help="Folder of its weights.", show_default="the default weights"),
    ] = None,
    clinical: Annotated[
        list[str] | None,
        typer.Option("--clinical", metavar="NAME=VALUE", help="A clinical value; may be repeated."),
    ] = None,
    ct_series: Annotated[
        str | None,
        typer.Option("--ct-series", help="Series to read, where the folder holds several: UID, number or description."),
    ] = None,
    workers: Workers = CORES,
    pdf: AsPdf = False,
    dicom: AsDicom = False,
    show_withheld: ShowWithheld = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Predict one new patient from CT, slides or both: prediction.json and report.html."""
    from espark.steps.predict.new_patient import NewPatient
    from espark.steps.predict.predict import predict as run_predict

    patient = NewPatient(
        ct=ct,
        slides=tuple(slide or ()),
        esophagus_mask=esophagus_mask,
        tumor_mask=tumor_mask,
        rtstruct=rtstruct,
        tumor_roi=tumor_roi,
        esophagus_roi=esophagus_roi,
        slide_mpp=slide_mpp,
        ct_series=ct_series,
        patient_id=patient_id,
        clinical=_named_values(clinical or []),
        segmenter=segmenter,
        segmenter_weights=segmenter_weights,
        encoder_path=encoder_path,
    )
    reporter = reporter_of(quiet, verbose)
    run_predict(
        model, patient, out, show_withheld=show_withheld, pdf=pdf, dicom=dicom, workers=workers, reporter=reporter
    )
    if as_json:
        typer.echo((out / "prediction.json").read_text(encoding="utf-8"))
    else:
        typer.echo(str(out / "report.html"))


def _named_values(given: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for text in given:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign):
            raise typer.BadParameter(f"'{text}' is not NAME=VALUE, such as age=63", param_hint="--clinical")
        if name in values:
            raise typer.BadParameter(f"'{name}' is given twice", param_hint="--clinical")
        values[name] = value
    return values
