"""Models and features to attributions, heatmaps, cell types and biomarkers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import espark
from espark.bundle import Bundle, load_bundle
from espark.cohort import Patient
from espark.errors import EsparkError
from espark.files import digest, fingerprint, write_bytes, write_csv, write_json, write_text
from espark.layout import StudyLayout
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import open_slide
from espark.plots.geojson import attention_geojson
from espark.plots.style import figure_png
from espark.steps.biomarker_tests import test_rows
from espark.steps.evaluate import trained_models
from espark.steps.explain_ct import explain_ct
from espark.steps.inputs import load_inputs, load_slides
from espark.steps.manifest import recorded
from espark.steps.patient import PatientExplanation, explain_patient
from espark.steps.pictures import heatmap_figure
from espark.steps.progress import Reporter
from espark.steps.records import ItemStatus
from espark.steps.splits import read_or_draw_splits
from espark.steps.workers import side_by_side
from espark.steps.workspace import Workspace
from espark.types import FloatArray


@dataclass(frozen=True)
class ExplainResult:
    """What `explain` did.

    Attributes:
        model: the model that was explained.
        failed: heatmaps that could not be drawn.
    """

    model: str
    failed: tuple[ItemStatus, ...]


@dataclass(frozen=True)
class _Explained:
    """One patient, explained."""

    patient: Patient
    explanation: PatientExplanation


def explain(workspace: Workspace, *, workers: int = 1, reporter: Reporter | None = None) -> ExplainResult:
    """Write ``explain/`` for eSPARK, or for the single-modality model where only one modality is there.

    A development patient is explained by the fold model that did not see that patient, every other patient by all.

    Args:
        workspace: the opened study.
        workers: processes that draw heatmaps side by side.
        reporter: says how far the work is.
    """
    reporter = reporter or Reporter()
    with recorded(workspace, "explain", workers=workers) as facts:
        model = explained_model(workspace)
        bundle = load_bundle(workspace.layout.model(model))
        inputs = load_inputs(workspace).inputs
        folds = patient_folds(workspace)
        explained: list[_Explained] = []
        with reporter.track("explain", len(inputs)) as advance:
            for index, patient in enumerate(workspace.cohort.used):
                slides = load_slides(workspace, patient)
                one = inputs.subset([index])
                fold = folds.get(patient.patient_id)
                explained.append(_Explained(patient, explain_patient(bundle, one, slides, fold=fold, ct=False)))
                advance()
        _write_tables(workspace, explained)
        checks: dict[str, Any] = {"model": model, "patients": len(explained)}
        checks |= explain_ct(workspace, bundle, inputs, folds, reporter)
        write_json(workspace.layout.explanation("checks.json"), checks)
        failed = _draw_heatmaps(workspace, bundle, explained, workers, reporter)
        facts.update(model=model, failed=len(failed))
    return ExplainResult(model, tuple(failed))


def explained_model(workspace: Workspace) -> str:
    """The model that sees most, which the registry lists last: eSPARK where it was trained."""
    return trained_models(workspace)[-1]


def patient_folds(workspace: Workspace) -> dict[str, int]:
    """By development patient, the fold whose model did not see that patient."""
    folds = read_or_draw_splits(workspace)
    return {patient.patient_id: int(fold) for patient, fold in zip(workspace.cohort.development, folds, strict=True)}


def _write_tables(workspace: Workspace, explained: list[_Explained]) -> None:
    layout = workspace.layout
    contributions = [
        (*_who(entry.patient), key, value)
        for entry in explained
        for key, value in entry.explanation.contributions.items()
    ]
    columns = ["patient_id", "center", "pcr"]
    cell_types = _table(contributions, [*columns, "cell_type", "contribution"])
    write_csv(layout.explanation("cell_types.csv"), cell_types)
    scores = [
        (*_who(entry.patient), entry.explanation.biomarkers["nlr"], entry.explanation.biomarkers["differentiation"])
        for entry in explained
        if entry.explanation.biomarkers
    ]
    biomarkers = _table(scores, [*columns, "nlr", "differentiation"])
    write_csv(layout.explanation("biomarkers.csv"), biomarkers)
    write_csv(layout.explanation("tests.csv"), test_rows(cell_types, biomarkers))


def _who(patient: Patient) -> tuple[str, str, int | None]:
    return patient.patient_id, patient.center, patient.pcr


def _table(rows: Sequence[tuple[object, ...]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns).astype({"pcr": "Int64"})


@dataclass(frozen=True)
class _HeatmapJob:
    layout: StudyLayout
    patient: Patient
    slide: Path
    features: SlideFeatures
    attention: FloatArray


def _draw_heatmaps(
    workspace: Workspace, bundle: Bundle, explained: list[_Explained], workers: int, reporter: Reporter
) -> list[ItemStatus]:
    jobs = list(_heatmap_jobs(workspace, explained))
    failed = []
    with reporter.track("heatmaps", len(jobs)) as advance:
        for job, error in zip(jobs, side_by_side(_draw_heatmap, jobs, workers=workers), strict=True):
            if error:
                item = f"heatmap:{job.slide.stem}"
                failed.append(ItemStatus(job.patient.patient_id, item, "failed", 1, 0.0, error))
            advance()
    return failed


def _heatmap_jobs(workspace: Workspace, explained: list[_Explained]) -> Iterator[_HeatmapJob]:
    for entry in explained:
        by_name = {slide.name: slide for slide in entry.patient.slides}
        features = load_slides(workspace, entry.patient) if entry.explanation.attention else []
        for part, attention in zip(features, entry.explanation.attention, strict=False):
            if part.source in by_name:
                yield _HeatmapJob(workspace.layout, entry.patient, by_name[part.source], part, attention)


def _draw_heatmap(job: _HeatmapJob) -> str:
    """Draw one heatmap, as a picture and as shapes, unless the files show just this already.

    Returns:
        Why it failed; empty when it did not.
    """
    target = job.layout.heatmap(job.patient.patient_id, job.slide.stem)
    shown = [np.ascontiguousarray(part).tobytes().hex() for part in (job.attention, job.features.coords)]
    key = digest([espark.__version__, fingerprint(job.slide), shown])
    shapes = job.layout.heatmap_shapes(job.patient.patient_id, job.slide.stem)
    if target.exists() and shapes.exists() and _key_in(target) == key:
        return ""
    try:
        with open_slide(job.slide, mpp=job.patient.slide_mpp) as slide:
            write_text(shapes, attention_geojson(job.features, job.attention, slide.bounds_origin))
            write_bytes(target, figure_png(heatmap_figure(slide, job.features, job.attention), key=key))
    except (EsparkError, OSError) as error:
        return " ".join(str(error).split())
    return ""


def _key_in(picture: Path) -> str | None:
    try:
        with Image.open(picture) as image:
            comment = image.info.get("Comment")
    except OSError:
        return None
    return comment if isinstance(comment, str) else None
