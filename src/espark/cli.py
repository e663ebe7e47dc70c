"""The command ``espark``: one thin command per step. Everything it does can be done from Python too.

Nothing heavy is imported before a step needs it, so that ``espark --help`` answers at once.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import espark
from espark.errors import EsparkError, InputProblems
from espark.wording import UNNAMED

if TYPE_CHECKING:
    from espark.work.progress import Reporter
    from espark.workspace.records import ItemStatus

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Predict, before treatment, whether esophageal cancer will respond completely to neoadjuvant "
    "immunochemotherapy, from CT and H&E slides. For research use only; not a medical device.",
)

segment = typer.Typer(no_args_is_help=True, help="Fit the segmenter to your own masks, or measure it against them.")
app.add_typer(segment, name="segment")

StudyFolder = Annotated[Path, typer.Argument(metavar="STUDY", help="The study folder, with study.toml and cohort.csv.")]
Workers = Annotated[
    int,
    typer.Option("--workers", min=1, help="Processes that work side by side.", show_default="cores of this machine"),
]
MaskedCts = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY_OR_FOLDER", help="A study with masks, or a folder of <name>_ct, <name>_esophagus, <name>_tumor."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log every item.")]
ShowWithheld = Annotated[
    bool, typer.Option("--show-withheld", help="Print the probability even where the model does not apply.")
]
AsPdf = Annotated[bool, typer.Option("--pdf", help="Write the report as PDF too; needs the extra espark[pdf].")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

_CORES = os.cpu_count() or 1


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


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the demonstration is written.")] = Path("demo"),
    workers: Workers = _CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Simulate a small trial and run every step on it; ends with the path of the report."""
    from espark.steps.trial.demo import demo as run_demo

    result = run_demo(folder, workers=workers, reporter=_reporter(quiet, verbose))
    _finish_run(result.report, result.failed)


@app.command()
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
        typer.Option(min=1, metavar="N", help="Only write N fresh label columns for the trial that lies in DIR."),
    ] = None,
    workers: Workers = _CORES,
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
    run_simulate(folder, settings, reporter=_reporter(quiet, verbose))
    typer.echo(str(folder))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The study folder; made when missing.")],
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="Settings of the models: published, or lean for few patients.")
    ] = "published",
) -> None:
    """Write a commented study.toml, a commented cytology.toml and a first cohort.csv."""
    from espark.steps.init import init as run_init

    layout = run_init(folder, recipe=recipe)
    typer.echo(
        f"Wrote {layout.config}, {layout.cytology} and {layout.cohort}. Fill in one row per patient, then: "
        f"espark check {folder}"
    )


@app.command()
def check(
    study: StudyFolder,
    workers: Workers = _CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Find everything that is wrong with the inputs, at once, before hours are spent."""
    from espark.steps.check.check import examine

    result = examine(study, workers=workers, reporter=_reporter(quiet, verbose))
    if as_json:
        _print_json(result.to_json())
        raise typer.Exit(2 if result.problems else 0)
    for line in result.lines():
        typer.echo(line)
    if result.problems:
        raise InputProblems(result.problems)
    typer.echo(f"Nothing stands in the way: {result.summary()}")
    if result.doubted:
        typer.echo("Look at the patients that are doubted; docs/codes.md explains every code.")


@app.command()
def prepare(
    study: StudyFolder,
    only: Annotated[str | None, typer.Option("--only", metavar="ct|slides", help="Prepare one kind of image.")] = None,
    workers: Workers = _CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Images to regions, radiomics, tiles and features."""
    if only not in (None, "ct", "slides"):
        raise typer.BadParameter(f"'{only}' is neither ct nor slides", param_hint="--only")
    result = _study(study, quiet, verbose).prepare(only=only, workers=workers)  # type: ignore[arg-type]
    typer.echo(f"{result.done} items prepared, {len(result.failed)} failed, {result.skipped} without an image.")
    _exit_on_failures(result.failed)


@app.command()
def train(study: StudyFolder, workers: Workers = _CORES, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Folds and models."""
    models = _study(study, quiet, verbose).train(workers=workers)
    for model in models:
        typer.echo(str(study / "models" / model))


@app.command()
def evaluate(study: StudyFolder, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Predictions to metrics, comparisons and figures."""
    opened = _study(study, quiet, verbose)
    opened.evaluate()
    typer.echo(str(opened.layout.metrics))


@app.command()
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
    workers: Workers = _CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Attributions, heatmaps, cell types, biomarkers."""
    opened = _study(study, quiet, verbose)
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
    _exit_on_failures(result.failed)


@app.command()
def report(
    study: StudyFolder,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="Write this patient's page alone.")
    ] = None,
    pdf: AsPdf = False,
    show_withheld: ShowWithheld = False,
    workers: Workers = _CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """HTML pages of the study and of every patient."""
    opened = _study(study, quiet, verbose)
    result = opened.report(patient_id=patient, show_withheld=show_withheld, pdf=pdf, workers=workers)
    typer.echo(str(opened.layout.patient_report(patient) if patient else result.index))
    _exit_on_failures(result.failed)


@app.command()
def run(study: StudyFolder, workers: Workers = _CORES, quiet: Quiet = False, verbose: Verbose = False) -> None:
    """Check, prepare, train, evaluate, explain, report; what is done stays done."""
    result = _study(study, quiet, verbose).run(workers=workers)
    _finish_run(result.report, result.failed)


@app.command()
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
    workers: Workers = _CORES,
    pdf: AsPdf = False,
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
    reporter = _reporter(quiet, verbose)
    run_predict(model, patient, out, show_withheld=show_withheld, pdf=pdf, workers=workers, reporter=reporter)
    if as_json:
        typer.echo((out / "prediction.json").read_text(encoding="utf-8"))
    else:
        typer.echo(str(out / "report.html"))


@segment.command("train")
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

    reporter = _reporter(quiet, verbose)
    weights = train_segmenter(source, out, steps=steps, seed=seed, device=device, reporter=reporter)
    typer.echo(
        f'{weights}\nTo use it, write in study.toml under [ct]: segmenter_weights = "{weights.parent.resolve()}"'
    )


@segment.command("evaluate")
def segment_evaluate(
    source: MaskedCts,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where tables and figures go.")],
    segmenter: Annotated[str, typer.Option("--segmenter", help="Which segmenter.")] = "espark-mini-seg",
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder of its weights.", show_default="the default weights")
    ] = None,
    figures: Annotated[int, typer.Option("--figures", min=0, help="Patients of whom planes are drawn.")] = 3,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Compare automatic regions with given masks: Dice, surface Dice at 3 mm, HD95, and planes with both."""
    from espark.steps.segment import evaluate_segmenter

    summary = evaluate_segmenter(
        source, out, segmenter=segmenter, weights=weights, figures=figures, reporter=_reporter(quiet, verbose)
    )
    typer.echo(summary.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    typer.echo(str(out))


@app.command()
def ablate(
    study: StudyFolder,
    ct: Annotated[
        bool, typer.Option("--ct", help="Compare CT models instead: MScaleCT, single scales, logistic regressions.")
    ] = False,
    cell_types: Annotated[
        bool,
        typer.Option("--cell-types", help="Train again without each cell type; into explain/ablation.csv."),
    ] = False,
    workers: Workers = _CORES,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Aggregators with and without cell-type selection, CT models, or cell types; long, so on request."""
    opened = _study(study, quiet, verbose)
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


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """What this machine can do: libraries, accelerators, encoders, weights."""
    from espark.steps.doctor import doctor as run_doctor

    findings = run_doctor()
    if as_json:
        _print_json([{"what": f.what, "state": f.state, "good": f.good, "advice": f.advice} for f in findings])
        return
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        mark = {True: "ok", False: "!!", None: "  "}[finding.good]
        advice = f"  -> {finding.advice}" if finding.advice else ""
        typer.echo(f"{mark} {finding.what:<{width}}  {finding.state}{advice}")


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


def _reporter(quiet: bool, verbose: bool) -> Reporter:
    from espark.work.progress import Reporter

    return Reporter("quiet" if quiet else "verbose" if verbose else "normal")


def _study(folder: Path, quiet: bool, verbose: bool) -> espark.Study:
    return espark.Study(folder, reporter=_reporter(quiet, verbose))


def _finish_run(report_path: Path, failed: Sequence[ItemStatus]) -> None:
    typer.echo(str(report_path))
    _exit_on_failures(failed)


def _exit_on_failures(failed: Sequence[ItemStatus]) -> None:
    for item in failed:
        typer.echo(f"failed: {item.patient_id} {item.item}: {item.error}", err=True)
    if failed:
        raise typer.Exit(1)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
