"""Images to regions, radiomics, tiles and features."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import SimpleITK as sitk

from espark._version import __version__
from espark.ct.features.radiomics import RadiomicsSettings, feature_names, without_values
from espark.ct.hounsfield import CtVolume
from espark.ct.models.look import look_at_image
from espark.ct.regions.label_map import names_beside
from espark.ct.regions.perturbation import perturb_contour
from espark.ct.regions.plausibility import describe_region
from espark.ct.regions.regions import Regions, write_mask, write_regions
from espark.ct.regions.ring import peritumoral_ring
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.errors import EsparkError, InputError
from espark.files import digest, fingerprint, read_json, write_bytes, write_json, write_parquet
from espark.notes import Note, codes_of
from espark.pathology.cytology import Cytology
from espark.pathology.features import write_slide_features
from espark.pathology.slide import open_slide, slide_files
from espark.plots.style import figure_png
from espark.steps.prepare.image_scale import image_columns, image_key, look_at_contours
from espark.steps.prepare.imported_tables import read_imported_table
from espark.steps.prepare.measure import measure_regions
from espark.steps.prepare.patient_ct import (
    PatientCt,
    has_regions,
    read_ct_and_regions,
    segmenter_weights,
    study_segmenter,
)
from espark.steps.prepare.slide_quality import left_out, quality_figure
from espark.steps.prepare.slide_tools import study_tools
from espark.types import SCALES, ItemState, Scale
from espark.work.progress import Reporter
from espark.work.workers import side_by_side
from espark.workspace.cohort import Patient
from espark.workspace.config import CtSettings, SlideSettings
from espark.workspace.layout import StudyLayout
from espark.workspace.manifest import recorded
from espark.workspace.opened import Workspace
from espark.workspace.records import ItemStatus, StatusTable, is_done, recorded_notes, write_record

Only = Literal["ct", "slides"]

_SEGMENTER_KEYS = ("segmenter", "segmenter_weights")
_STABILITY = ("stability_patients", "stability_draws", "stability_mm")
# Settings that count only where they matter, so that what they do not touch stays done.
_KEYED_APART = {*_SEGMENTER_KEYS, *_STABILITY, "ring_mm", "tumor_roi", "esophagus_roi"}


@dataclass(frozen=True)
class PrepareResult:
    """What `prepare` did.

    Attributes:
        done: items that are prepared, now or before.
        failed: items that failed.
        skipped: items of which there is no image.
    """

    done: int
    failed: tuple[ItemStatus, ...]
    skipped: int


@dataclass(frozen=True)
class _Job:
    """One item, with all that a worker process needs to know."""

    layout: StudyLayout
    patient: Patient
    item: str
    slide: Path | None
    ct: CtSettings
    slides: SlideSettings
    cytology: Cytology
    attempts: int
    repeats: int = 0
    workers: int = 1  # within the item; no part of its key, for it changes nothing
    image_model: str = ""  # the CT model, where it looks at the image itself

    def key(self) -> str:
        """Hash of the item's inputs and settings."""
        patient = self.patient
        if self.slide is not None:
            files = list(slide_files(self.slide))
            tools = study_tools(self.layout.root, self.slides, self.cytology)
            settings = tools.identity() | {"slide_mpp": patient.slide_mpp}
        else:
            candidates = (patient.ct, patient.esophagus_mask, patient.tumor_mask, patient.rtstruct)
            files = [path for path in candidates if path is not None]
            files += _names_of_labels(patient)
            rois = {"tumor_roi": patient.tumor_roi, "esophagus_roi": patient.esophagus_roi}
            rois |= {"ct_series": patient.ct_series} if patient.ct_series else {}
            given = {"masks": [patient.esophagus_mask is not None, patient.tumor_mask is not None]}
            settings = self.ct.model_dump(mode="json", exclude=_KEYED_APART) | rois | given
            settings |= {"ring_mm": self.ct.ring_mm} if self.ct.ring_mm else {}
            settings |= image_key(self.image_model)
            if not has_regions(patient):
                settings |= self.segmenter()
            elif patient.tumor_mask is None:
                settings |= {"propose_tumor": self.ct.segmenter != "masks"}
            if self.repeats:
                settings |= {name: getattr(self.ct, name) for name in _STABILITY[1:]}
        return digest([__version__, self.item, [fingerprint(path) for path in files], settings])

    def segmenter(self) -> dict[str, Any]:
        """What identifies the segmenter and its weights."""
        weights = segmenter_weights(self.ct, self.layout.root)
        if weights is None and self.ct.segmenter == "espark-mini-seg":
            weights = SHIPPED / WEIGHTS_FILE
        found = fingerprint(weights) if weights is not None and weights.exists() else ""
        plugin = SEGMENTERS.plugin(self.ct.segmenter)
        outside = {"plugin": [plugin.package, plugin.release]} if plugin else {}
        return {"segmenter": self.ct.segmenter, "weights": found} | outside


def _names_of_labels(patient: Patient) -> list[Path]:
    """Files beside the masks that say which label a named region is."""
    masks = ((patient.esophagus_mask, patient.esophagus_roi), (patient.tumor_mask, patient.tumor_roi))
    return [path for mask, roi in masks if mask is not None and roi for path in names_beside(mask)]


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
        reporter: says how far the work is.
    """
    reporter = reporter or Reporter()
    with recorded(workspace, "prepare", workers=workers) as facts:
        status = StatusTable(workspace.layout, _all_items(workspace))
        skipped = _note_missing(workspace, status)
        jobs = [job for job in _jobs(workspace, status) if only in (None, "ct" if job.slide is None else "slides")]
        within = max(1, workers // max(1, len(jobs)))
        jobs = [replace(job, workers=within) for job in jobs]
        with reporter.track("prepare", len(jobs)) as advance:
            for result in side_by_side(_run, jobs, workers=min(workers, max(1, len(jobs))), ordered=False):
                if result is not None:
                    status.put(result)
                    reporter.detail(f"{result.patient_id} {result.item}: {result.state} {result.error}".strip())
                advance()
        status.write()
        _assemble_radiomics(workspace)
        done = len(jobs) - sum(1 for job in jobs if status.state(job.patient.patient_id, job.item) == "failed")
        facts.update(done=done, failed=len(status.failed), skipped=skipped)
    return PrepareResult(done, tuple(status.failed), skipped)


def _all_items(workspace: Workspace) -> Iterator[tuple[str, str]]:
    for patient in workspace.cohort.used:
        yield patient.patient_id, "ct"
        yield from ((patient.patient_id, f"slide:{slide.stem}") for slide in patient.slides)
        if not patient.slides:
            yield patient.patient_id, "slides"


def _note_missing(workspace: Workspace, status: StatusTable) -> int:
    """A patient without CT or slides is used for what there is; the table says so."""
    imported_ct, imported_slides = bool(workspace.config.ct_features), bool(workspace.config.slide_features)
    skipped = 0
    for patient in workspace.cohort.used:
        missing = {
            "ct": (patient.ct is None, "no CT in cohort.csv", imported_ct),
            "slides": (not patient.slides, "no slide in cohort.csv", imported_slides),
        }
        for item, (absent, reason, imported) in missing.items():
            if absent:
                text = f"{reason}; features are imported" if imported else reason
                status.put(ItemStatus(patient.patient_id, item, "skipped", 0, 0.0, text))
                skipped += 1
    return skipped


def _jobs(workspace: Workspace, status: StatusTable) -> Iterator[_Job]:
    config = workspace.config
    repeated = _repeated(workspace)
    for patient in workspace.cohort.used:
        sources: list[tuple[str, Path | None]] = [("ct", None)] if patient.ct else []
        sources += [(f"slide:{slide.stem}", slide) for slide in patient.slides]
        for item, slide in sources:
            attempts = status.attempts(patient.patient_id, item)
            repeats = config.ct.stability_draws if slide is None and patient.patient_id in repeated else 0
            settings = (config.ct, config.slides, workspace.cytology)
            looking = config.mscalect.image_model if slide is None else ""
            yield _Job(workspace.layout, patient, item, slide, *settings, attempts, repeats, image_model=looking)


def _repeated(workspace: Workspace) -> set[str]:
    """Development patients whose contours are perturbed: evenly spread over the table."""
    with_ct = [patient.patient_id for patient in workspace.cohort.development if patient.ct is not None]
    count = min(workspace.config.ct.stability_patients, len(with_ct))
    return {with_ct[index] for index in np.linspace(0, len(with_ct) - 1, count).round().astype(int)}


def _run(job: _Job) -> ItemStatus | None:
    """Prepare one item in a worker process; None when it was done before."""
    patient_id = job.patient.patient_id
    start = time.monotonic()
    state: ItemState = "done"
    error = codes = ""
    try:
        key = job.key()
        if is_done(job.layout, patient_id, job.item, key):
            codes = codes_of(recorded_notes(job.layout, patient_id, job.item))
            return None if job.attempts else ItemStatus(patient_id, job.item, "done", 1, 0.0, codes=codes)
        notes = _prepare_ct(job, key) if job.slide is None else _prepare_slide(job, job.slide, key)
        codes = codes_of(notes)
    except (EsparkError, OSError, MemoryError) as problem:
        job.layout.record(patient_id, job.item).unlink(missing_ok=True)
        state, error = "failed", " ".join(str(problem).split()) or type(problem).__name__
        codes = problem.code if isinstance(problem, EsparkError) else ""
    seconds = time.monotonic() - start
    return ItemStatus(patient_id, job.item, state, job.attempts + 1, seconds, error, codes)


def radiomics_settings(ct: CtSettings) -> RadiomicsSettings:
    """The settings of PyRadiomics that study.toml asks for."""
    spacing = None if ct.spacing_mm == "native" else ct.spacing_mm
    return RadiomicsSettings(image_types=ct.image_types, spacing_mm=spacing, bin_width_hu=ct.bin_width_hu)


def _prepare_ct(job: _Job, key: str) -> tuple[Note, ...]:
    patient, layout = job.patient, job.layout
    if patient.ct is None:
        raise InputError("there is no CT", where=patient.patient_id)
    segmenter = None if has_regions(patient) else study_segmenter(job.ct, layout.root)
    proposing = job.ct.segmenter != "masks"
    read = read_ct_and_regions(patient.ct, patient, segmenter, propose_tumor=proposing, ring_mm=job.ct.ring_mm)
    ct, regions = read.ct, read.regions
    regions_path, radiomics_path = layout.regions(patient.patient_id), layout.patient_radiomics(patient.patient_id)
    write_regions(regions_path, regions)
    content: dict[str, Any] = {}
    facts: dict[str, Any] = {
        "simulated": ct.simulated,
        "notes": [note.to_json() for note in ct.notes],
        "segmenter": read.segmenter,
        "region_notes": [note.to_json() for note in read.region_notes],
        "regions": {},
    }
    masks = [regions.mask(scale) for scale in regions.scales]
    results = measure_regions(ct, masks, radiomics_settings(job.ct), workers=job.workers)
    for scale, mask, result in zip(regions.scales, masks, results, strict=True):
        content[scale] = {"values": _known(result.values), "failures": result.failures}
        description = describe_region(ct, mask)
        facts["regions"][scale] = {"volume_ml": description.volume_ml, "length_mm": description.length_mm}
    if job.image_model:
        seen = look_at_image(job.image_model, ct, regions)
        content["image"] = {"values": _known(seen.values), "failures": seen.failures}
    files = [regions_path, radiomics_path]
    if job.ct.ring_mm:
        files += _write_ring(job, read, content)
    write_json(radiomics_path, content)
    if job.repeats:
        files.append(layout.patient_repeats(patient.patient_id))
        write_json(files[-1], _on_perturbed_contours(job, ct, regions))
    write_record(layout, patient.patient_id, job.item, key, files, **facts)
    return (*ct.notes, *read.region_notes)


def _write_ring(job: _Job, read: PatientCt, content: dict[str, Any]) -> list[Path]:
    """Write the ring's mask; without a ring, note the reason as that of all its features."""
    path = job.layout.ring(job.patient.patient_id)
    if "peritumoral" in read.regions.scales:
        write_mask(path, read.regions.mask("peritumoral"))
        return [path]
    path.unlink(missing_ok=True)
    missing = without_values(radiomics_settings(job.ct), read.region_notes[-1].text)
    content["peritumoral"] = {"values": _known(missing.values), "failures": missing.failures}
    return []


def _on_perturbed_contours(job: _Job, ct: CtVolume, regions: Regions) -> dict[str, list[dict[str, float | None]]]:
    """By scale, the features of each perturbed contour; the same patient always gets the same contours."""
    settings = radiomics_settings(job.ct)
    found: dict[str, list[dict[str, float | None]]] = {}
    contours: dict[Scale, list[sitk.Image]] = {}
    for scale in regions.scales:
        generator = np.random.default_rng(int(digest([job.patient.patient_id, scale])[:16], 16))
        ring = scale == "peritumoral"  # it moves with the contour of the tumor
        mask = regions.mask("tumor" if ring else scale)
        drawn = [perturb_contour(mask, generator=generator, sd_mm=job.ct.stability_mm) for _ in range(job.repeats)]
        contours[scale] = drawn = [peritumoral_ring(ct, mask, job.ct.ring_mm) for mask in drawn] if ring else drawn
        results = measure_regions(ct, drawn, settings, workers=job.workers)
        found[scale] = [_known(result.values) for result in results]
    if job.image_model:
        found["image"] = [_known(values) for values in look_at_contours(job.image_model, ct, regions, contours)]
    return found


def _known(values: dict[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN."""
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _prepare_slide(job: _Job, path: Path, key: str) -> tuple[Note, ...]:
    patient = job.patient
    with open_slide(path, mpp=patient.slide_mpp) as slide:
        features = study_tools(job.layout.root, job.slides, job.cytology).encode(slide)
        notes = (*slide.notes, *features.notes)
        facts: dict[str, Any] = {"simulated": slide.simulated, "n_tiles": len(features.coords)}
        picture = figure_png(quality_figure(slide, features))
    target = job.layout.slide_features(patient.patient_id, path.stem)
    shown = job.layout.slide_quality(patient.patient_id, path.stem)
    write_slide_features(target, features)
    write_bytes(shown, picture)
    facts |= {"notes": [note.to_json() for note in notes], "left_out": left_out(features)}
    write_record(job.layout, patient.patient_id, job.item, key, [target, shown], **facts)
    return notes


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
        if patient.ct is None or not workspace.layout.record(patient.patient_id, "ct").exists():
            continue
        content = read_json(path)
        rows[patient.patient_id] = {
            f"{scale}__{name}": value for scale, part in content.items() for name, value in part["values"].items()
        }
    scales = [scale for scale in SCALES if any(f"{scale}__{names[0]}" in row for row in rows.values())]
    columns = [f"{scale}__{name}" for scale in scales if scale != "image" for name in names]
    columns += image_columns(workspace.config.mscalect.image_model)
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
