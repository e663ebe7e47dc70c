"""The slide half of `explain`: attributions, clusters, checks and pictures of the tiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from espark.bundle.bundle import Bundle
from espark.bundle.folder import bundle_once
from espark.errors import WorkerLostError
from espark.explain.focus import top_share
from espark.files import fingerprint, write_csv, write_parquet
from espark.outcome import NEGATIVE, POSITIVE
from espark.steps.explain.slide_checks import write_slide_checks
from espark.steps.explain.slide_clusters import (
    NamedClusters,
    draw_clusters,
    fit_clusters,
    share_rows,
    titles_on,
    write_cluster_tables,
)
from espark.steps.explain.slide_evidence import SlideEvidence, slide_evidence, tile_table
from espark.steps.explain.slide_pictures import PictureJob, draw_slide
from espark.steps.prepare.prepared_inputs import load_slides
from espark.steps.train.predictions import read_predictions
from espark.training.inputs import Inputs
from espark.training.members.catalogue import MODELS
from espark.types import Unseen
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus

_DIRECTIONS = {POSITIVE: 1, NEGATIVE: -1}


@dataclass(frozen=True)
class _Job:
    """One patient, with all that a worker process needs to explain the tiles."""

    folder: Path
    model_hash: str
    inputs: Inputs
    fold: Unseen | None
    direction: int


def explain_slides(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    folds: Mapping[str, Unseen],
    *,
    workers: int = 1,
    reporter: Reporter | None = None,
) -> list[ItemStatus]:
    """Write everything about tiles in ``explain/`` and ``figures/``.

    A development patient is explained by the fold model that did not see that patient, other patients by all fold
    models.

    Args:
        workspace: the opened study.
        bundle: the model that is explained.
        inputs: every used patient.
        folds: by development patient, the members that did not see that patient.
        workers: processes side by side; the result does not depend on it.
        reporter: reports the progress.

    Returns:
        Slides that could not be drawn.
    """
    reporter = reporter or Reporter()
    if "slides" not in MODELS[bundle.card.model].modalities or not inputs.has_slides.any():
        return []
    directions = _confident(workspace, bundle.card.model)
    clusters = fit_clusters(workspace, inputs, bundle.card.encoder)
    evidence = _evidence(workspace, bundle, inputs, folds, directions, clusters, workers, reporter)
    _write_tables(workspace, evidence, clusters)
    write_slide_checks(workspace.layout, evidence, directions, folds)
    if clusters is not None:
        draw_clusters(workspace, inputs, clusters)
    return _draw(workspace, evidence, clusters, workers, reporter)


def _confident(workspace: Workspace, model: str) -> dict[str, int]:
    """By patient with a single outcome in the conformal set: 1 for the outcome, −1 for its absence."""
    table = read_predictions(workspace, model)
    answers = zip(table["patient_id"], table["conformal_set"], strict=True)
    return {str(patient_id): _DIRECTIONS[answer] for patient_id, answer in answers if answer in _DIRECTIONS}


def _evidence(
    workspace: Workspace,
    bundle: Bundle,
    inputs: Inputs,
    folds: Mapping[str, Unseen],
    directions: Mapping[str, int],
    clusters: NamedClusters | None,
    workers: int,
    reporter: Reporter,
) -> dict[str, SlideEvidence]:
    folder = workspace.layout.model(bundle.card.model)
    model_hash = fingerprint(folder)
    who = np.flatnonzero(inputs.has_slides).tolist()
    jobs = (
        _Job(folder, model_hash, inputs.subset([index]), folds.get(name), directions.get(name, 0))
        for index in who
        for name in (inputs.patient_ids[index],)
    )
    found: dict[str, SlideEvidence] = {}
    with reporter.track("slide attributions", len(who)) as advance:
        for index, evidence in zip(who, side_by_side(_explain, jobs, workers=workers), strict=True):
            bag = inputs.bags[index]
            assert evidence is not None
            assert bag is not None
            if clusters is not None:
                evidence = replace(evidence, clusters=clusters.fit.assign(bag.features))
            found[inputs.patient_ids[index]] = evidence
            advance()
    return found


def _explain(job: _Job) -> SlideEvidence | None:
    return slide_evidence(bundle_once(job.folder, job.model_hash), job.inputs, fold=job.fold, direction=job.direction)


def _write_tables(workspace: Workspace, evidence: Mapping[str, SlideEvidence], clusters: NamedClusters | None) -> None:
    layout, cohort = workspace.layout, workspace.cohort
    tiles = [tile_table(name, load_slides(workspace, cohort[name]), part) for name, part in evidence.items()]
    write_parquet(layout.explanation("slide_attribution.parquet"), pd.concat(tiles, ignore_index=True))
    patients = pd.DataFrame([_patient_row(workspace, name, part) for name, part in evidence.items()])
    write_csv(layout.explanation("slide_patients.csv"), workspace.outcome.named(patients.astype({"label": "Int64"})))
    if clusters is not None:
        rows = [row for name, part in evidence.items() for row in share_rows(cohort[name], part, len(clusters.names))]
        shares = pd.DataFrame(rows).astype({"label": "Int64"})
        write_cluster_tables(layout, clusters, shares, workspace.outcome)


def _patient_row(workspace: Workspace, name: str, part: SlideEvidence) -> dict[str, object]:
    patient = workspace.cohort[name]
    return {
        "patient_id": name,
        "center": patient.center,
        "role": patient.role,
        "label": patient.label,
        "n_tiles": len(part.attention),
        "n_in_bag": int((part.attention > 0).sum()),
        "attention_top_tenth": top_share(part.attention),
        "attribution": float(part.attribution.sum()),
        "totals": ";".join(f"{total:.6g}" for total in part.totals),
        "completeness": part.completeness,
        "attention_agreement": part.attention_agreement,
        "attribution_agreement": part.attribution_agreement,
    }


def _draw(
    workspace: Workspace,
    evidence: Mapping[str, SlideEvidence],
    clusters: NamedClusters | None,
    workers: int,
    reporter: Reporter,
) -> list[ItemStatus]:
    jobs = list(_picture_jobs(workspace, evidence, clusters.titles if clusters is not None else ()))
    failed = []
    with reporter.track("heatmaps", len(jobs)) as advance:
        for job, error in zip(jobs, side_by_side(draw_slide, jobs, workers=workers, lost=_lost), strict=True):
            if error:
                item = f"heatmap:{job.features.source}"
                failed.append(ItemStatus(job.patient.patient_id, item, "failed", 1, 0.0, error))
            advance()
    return failed


def _lost(_: PictureJob, error: WorkerLostError) -> str:
    return str(error)


def _picture_jobs(
    workspace: Workspace, evidence: Mapping[str, SlideEvidence], titles: tuple[str, ...]
) -> Iterator[PictureJob]:
    for name, whole in evidence.items():
        patient = workspace.cohort[name]
        by_name = patient.files.named_slides
        slides = load_slides(workspace, patient)
        for features, part in zip(slides, whole.split(slides), strict=True):
            if features.source in by_name:
                slide = by_name[features.source]
                named = titles_on(titles, cells_reliable=features.cells_reliable)
                yield PictureJob(workspace.layout, patient, slide, features, part, named, workspace.outcome)
