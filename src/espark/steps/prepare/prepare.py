"""Images to regions, radiomics, tiles and features."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import SimpleITK as sitk

from espark.ct.features.radiomics import RadiomicsSettings, feature_names, without_values
from espark.ct.hounsfield import CtVolume
from espark.ct.models.look import look_at_image
from espark.ct.regions.perturbation import perturb_contour
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import Regions, write_mask, write_regions
from espark.ct.regions.ring import peritumoral_ring
from espark.errors import EsparkError, InputError, WorkerLostError, what_went_wrong
from espark.files import digest, read_json, stamp, write_bytes, write_json, write_parquet
from espark.notes import Note, codes_of
from espark.pathology.features import write_slide_features
from espark.pathology.left_out import without_left_out
from espark.pathology.slide import open_slide
from espark.plots.style import figure_png
from espark.steps.prepare.as_prepared import is_prepared
from espark.steps.prepare.image_scale import image_columns, look_at_contours
from espark.steps.prepare.imported_tables import read_imported_table
from espark.steps.prepare.item import Item, study_items
from espark.steps.prepare.measure import measure_regions
from espark.steps.prepare.patient_ct import PatientCt, read_ct_and_regions, study_segmenter, weights_here
from espark.steps.prepare.slide_quality import left_out, quality_figure
from espark.steps.prepare.slide_tools import study_tools
from espark.steps.prepare.unchanged import read_stamps, stamps_of, write_stamps
from espark.types import SCALES, ItemState, Scale
from espark.work.memory import memory_of_workers
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.config import CtSettings
from espark.workspace.manifest import recorded, written
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus, StatusTable, recorded_notes, write_record

Only = Literal["ct", "slides"]


@dataclass(frozen=True)
class PrepareResult:
    """What `prepare` did.

    Attributes:
        done: items that are prepared, now or before.
        failed: items that failed.
        skipped: items without an image.
    """

    done: int
    failed: tuple[ItemStatus, ...]
    skipped: int


@dataclass(frozen=True)
class _Job:
    """One item, with what a worker process needs to know beside it."""

    item: Item
    earlier: ItemStatus | None
    workers: int = 1  # within the item; no part of its key, for it changes nothing


def prepare(
    workspace: Workspace, *, only: Only | None = None, workers: int = 1, reporter: Reporter | None = None
) -> PrepareResult:
    """Prepare every image of the study; what is done already stays.

    A bad image is recorded in ``prepared/status.csv`` and the batch goes on.

    Args:
        workspace: the opened study.
        only: prepare CTs or slides alone.
        workers: processes that work side by side, patient by patient; where there are more of them than images,
            they share the radiomics of a CT. The files do not depend on their number.
        reporter: shows the progress.
    """
    reporter = reporter or Reporter()
    with recorded(workspace, "prepare", workers=workers) as facts:
        status = StatusTable(workspace.layout, _all_items(workspace))
        skipped = _note_missing(workspace, status)
        items = [item for item in study_items(workspace) if only in (None, "ct" if item.slide is None else "slides")]
        stamps = read_stamps(workspace.layout)
        within = max(1, workers // max(1, len(items)))
        jobs = [_Job(item, status.earlier(item.patient.patient_id, item.name), within) for item in items]
        at_once = min(workers, max(1, len(jobs)))
        reporter.say(memory_of_workers(at_once))
        with reporter.track("prepare", len(jobs)) as advance:
            for ran in side_by_side(_run, jobs, workers=at_once, ordered=False, lost=_lost):
                result = ran.status
                status.put(result)
                reporter.detail(f"{result.patient_id} {result.item}: {result.state} {result.error}".strip())
                stamps |= ran.stamps
                advance()
        status.write()
        _assemble_radiomics(workspace)
        write_stamps(workspace.layout, stamps)
        facts["outputs"] = written(workspace, [path for path in [workspace.layout.radiomics] if path.exists()])
        done = len(items) - sum(status.state(item.patient.patient_id, item.name) == "failed" for item in items)
        facts.update(done=done, failed=len(status.failed), skipped=skipped)
    return PrepareResult(done, tuple(status.failed), skipped)


def _all_items(workspace: Workspace) -> Iterator[tuple[str, str]]:
    for patient in workspace.cohort.used:
        yield patient.patient_id, "ct"
        yield from ((patient.patient_id, name) for name in patient.files.named_slides)
        if not patient.files.slides:
            yield patient.patient_id, "slides"


def _note_missing(workspace: Workspace, status: StatusTable) -> int:
    """A patient without CT or slides is used for what there is; the table notes it."""
    imported_ct, imported_slides = bool(workspace.config.ct_features), bool(workspace.config.slide_features)
    skipped = 0
    for patient in workspace.cohort.used:
        missing = {
            "ct": (patient.files.ct is None, "no CT in cohort.csv", imported_ct),
            "slides": (not patient.files.slides, "no slide in cohort.csv", imported_slides),
        }
        for item, (absent, reason, imported) in missing.items():
            if absent:
                text = f"{reason}; features are imported" if imported else reason
                status.put(ItemStatus(patient.patient_id, item, "skipped", 0, 0.0, text))
                skipped += 1
    return skipped


@dataclass(frozen=True)
class _Ran:
    """The state of an item, and the stamps of its files if it is done."""

    status: ItemStatus
    stamps: dict[str, dict[str, str]] = field(default_factory=dict)


def _run(job: _Job) -> _Ran:
    """Prepare one item in a worker process, unless it was done before."""
    item, patient_id = job.item, job.item.patient.patient_id
    attempts = job.earlier.attempts if job.earlier else 0
    start = time.monotonic()
    state: ItemState = "done"
    error = codes = details = ""
    stamps: dict[str, dict[str, str]] = {}
    try:
        weights = weights_here(item.ct, item.layout.root) if item.is_segmented else ""
        seen = {role: stamp(path) for role, path in item.files().items()}  # before they are read
        inputs = item.fingerprints()
        key, settings = item.key(inputs), item.settings(weights)
        if is_prepared(item, key, weights, inputs):
            codes = codes_of(recorded_notes(item.layout, patient_id, item.name))
            seconds = job.earlier.seconds if job.earlier else 0.0
            before = ItemStatus(patient_id, item.name, "done", max(1, attempts), seconds, codes=codes)
            return _Ran(before, stamps_of(item, seen))
        made = _prepare_ct(job) if item.slide is None else _prepare_slide(item, item.slide)
        write_record(
            item.layout, patient_id, item.name, key, made.files, inputs=inputs, settings=settings, **made.facts
        )
        codes, stamps = codes_of(made.notes), stamps_of(item, seen)
    except (EsparkError, OSError) as problem:
        item.layout.record(patient_id, item.name).unlink(missing_ok=True)
        state, details = "failed", str(problem) or type(problem).__name__
        error = item.patient.files.without_paths(what_went_wrong(problem))
        codes = problem.code if isinstance(problem, EsparkError) else ""
    seconds = time.monotonic() - start
    status = ItemStatus(patient_id, item.name, state, attempts + 1, seconds, error, codes, details)
    return _Ran(status, stamps)


def _lost(job: _Job, error: WorkerLostError) -> _Ran:
    """The item that found too little memory; the time that it took is not known."""
    item, attempts = job.item, job.earlier.attempts if job.earlier else 0
    return _Ran(ItemStatus(item.patient.patient_id, item.name, "failed", attempts + 2, 0.0, str(error), error.code))


def radiomics_settings(ct: CtSettings) -> RadiomicsSettings:
    """The settings of PyRadiomics that study.toml asks for."""
    spacing = None if ct.spacing_mm == "native" else ct.spacing_mm
    return RadiomicsSettings(image_types=ct.image_types, spacing_mm=spacing, bin_width_hu=ct.bin_width_hu)


@dataclass(frozen=True)
class _Made:
    """What was made of an image.

    Attributes:
        files: what was written.
        facts: what later steps want to know of it.
        notes: what a reader must know of it.
    """

    files: list[Path]
    facts: dict[str, Any]
    notes: tuple[Note, ...]


def _prepare_ct(job: _Job) -> _Made:
    """Write regions and radiomics."""
    item, patient = job.item, job.item.patient
    layout, ring_mm = item.layout, item.ct.ring_mm
    segmenter = study_segmenter(item.ct, layout.root) if item.is_segmented else None
    proposing = item.ct.segmenter != "masks"
    how: dict[str, Any] = {"propose_tumor": proposing, "ring_mm": ring_mm, "outline": item.ct.outline}
    read = read_ct_and_regions(patient.files, segmenter, **how)
    ct, regions = read.ct, read.regions
    regions_path, radiomics_path = layout.regions(patient.patient_id), layout.patient_radiomics(patient.patient_id)
    write_regions(regions_path, regions)
    content: dict[str, Any] = {}
    described: dict[str, Any] = {}
    masks = [regions.mask(scale) for scale in regions.scales]
    results = measure_regions(ct, masks, radiomics_settings(item.ct), workers=job.workers)
    for scale, mask, result in zip(regions.scales, masks, results, strict=True):
        content[scale] = {"values": _known(result.values), "failures": result.failures}
        description = describe_region(ct, mask)
        described[scale] = {"volume_ml": description.volume_ml, "length_mm": description.length_mm}
    if item.image_model:
        seen = look_at_image(item.image_model, ct, regions)
        content["image"] = {"values": _known(seen.values), "failures": seen.failures}
    files = [regions_path, radiomics_path]
    if ring_mm:
        files += _write_ring(item, read, content)
    write_json(radiomics_path, content)
    if item.repeats:
        files.append(layout.patient_repeats(patient.patient_id))
        write_json(files[-1], _on_perturbed_contours(job, ct, regions))
    facts = {
        "simulated": ct.simulated,
        "notes": [note.to_json() for note in ct.notes],
        "segmenter": read.segmenter,
        "region_notes": [note.to_json() for note in read.region_notes],
        "regions": described,
    }
    return _Made(files, facts, (*ct.notes, *read.region_notes))


def _write_ring(item: Item, read: PatientCt, content: dict[str, Any]) -> list[Path]:
    """Write the ring's mask; without a ring, note the reason as that of all its features."""
    path = item.layout.ring(item.patient.patient_id)
    if "peritumoral" in read.regions.scales:
        write_mask(path, read.regions.mask("peritumoral"))
        return [path]
    path.unlink(missing_ok=True)
    missing = without_values(radiomics_settings(item.ct), read.region_notes[-1].text)
    content["peritumoral"] = {"values": _known(missing.values), "failures": missing.failures}
    return []


def _on_perturbed_contours(job: _Job, ct: CtVolume, regions: Regions) -> dict[str, list[dict[str, float | None]]]:
    """By scale, the features of each perturbed contour; the same patient always gets the same contours."""
    item, settings = job.item, radiomics_settings(job.item.ct)
    found: dict[str, list[dict[str, float | None]]] = {}
    contours: dict[Scale, list[sitk.Image]] = {}
    for scale in regions.scales:
        generator = np.random.default_rng(int(digest([item.patient.patient_id, scale])[:16], 16))
        ring = scale == "peritumoral"  # it moves with the contour of the tumor
        mask = regions.mask("tumor" if ring else scale)
        drawn = [perturb_contour(mask, generator=generator, sd_mm=item.ct.stability_mm) for _ in range(item.repeats)]
        contours[scale] = drawn = [peritumoral_ring(ct, mask, item.ct.ring_mm) for mask in drawn] if ring else drawn
        results = measure_regions(ct, drawn, settings, workers=job.workers)
        found[scale] = [_known(result.values) for result in results]
    if item.image_model:
        found["image"] = [_known(values) for values in look_at_contours(item.image_model, ct, regions, contours)]
    return found


def _known(values: dict[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _prepare_slide(item: Item, path: Path) -> _Made:
    """Write tile features and the picture of what was left out."""
    patient = item.patient
    with open_slide(path, mpp=patient.files.slide_mpp) as slide:
        features = study_tools(item.layout.root, item.slides, item.cytology).encode(slide, item.name)
        if polygons := item.polygons:
            features = without_left_out(features, polygons)
        notes = (*slide.notes, *features.notes)
        facts: dict[str, Any] = {"simulated": slide.simulated, "n_tiles": len(features.coords)}
        picture = figure_png(quality_figure(slide, features))
    target = item.layout.slide_features(patient.patient_id, item.name)
    shown = item.layout.slide_quality(patient.patient_id, item.name)
    write_slide_features(target, features)
    write_bytes(shown, picture)
    facts |= {"notes": [note.to_json() for note in notes], "left_out": left_out(features)}
    return _Made([target, shown], facts, notes)


def _assemble_radiomics(workspace: Workspace) -> None:
    """Join the features of every patient, computed here or imported, to one table."""
    columns: dict[str, pd.DataFrame] = {}
    computed = _computed_radiomics(workspace)
    if not computed.empty:
        columns["computed"] = computed
    for number, entry in enumerate(workspace.config.ct_features):
        values = read_imported_table(workspace, entry).table.values
        columns[f"imported-{number}"] = values.add_prefix(f"{entry.scale}__")
    if not columns:
        workspace.layout.radiomics.unlink(missing_ok=True)  # of CTs that are not in cohort.csv any more
        return
    ids = [patient.patient_id for patient in workspace.cohort.used]
    joined = pd.concat([table.reindex(ids) for table in columns.values()], axis=1)
    twice = joined.columns[joined.columns.duplicated()]
    if len(twice):
        raise InputError(
            f"feature '{twice[0]}' comes from two sources",
            where=workspace.layout.config,
            action="Import each feature once, and not beside CTs from which espark computes it.",
        )
    known = joined.dropna(how="all").astype(np.float64)
    write_parquet(workspace.layout.radiomics, known.rename_axis("patient_id").reset_index())


def _computed_radiomics(workspace: Workspace) -> pd.DataFrame:
    names = feature_names(radiomics_settings(workspace.config.ct))
    rows: dict[str, dict[str, float]] = {}
    for patient in workspace.cohort.used:
        path = workspace.layout.patient_radiomics(patient.patient_id)
        if patient.files.ct is None or not workspace.layout.record(patient.patient_id, "ct").exists():
            continue
        content = read_json(path)
        rows[patient.patient_id] = {
            f"{scale}__{name}": value for scale, part in content.items() for name, value in part["values"].items()
        }
    scales = [scale for scale in SCALES if any(f"{scale}__{names[0]}" in row for row in rows.values())]
    columns = [f"{scale}__{name}" for scale in scales if scale != "image" for name in names]
    columns += image_columns(workspace.config.mscalect.image_model)
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
