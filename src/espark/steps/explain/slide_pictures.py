"""Pictures of one slide: attention heatmap, attributions, high-focus regions, and the tiles as GeoJSON shapes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from espark._version import __version__
from espark.errors import EsparkError, what_went_wrong
from espark.explain.focus import FocusRegion, focus_regions
from espark.files import digest, fingerprint, write_bytes, write_text
from espark.outcome import Outcome
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import Slide, open_slide
from espark.plots.scale_bar import burnt_scale_bar
from espark.plots.slides.geojson import attention_geojson
from espark.plots.slides.slide_attribution import focus_regions_figure, slide_attribution_figure
from espark.plots.style import figure_png
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.steps.report.pictures import heatmap_figure, in_bag
from espark.types import ByteArray
from espark.wording import percent, signed
from espark.workspace.cohort import Patient
from espark.workspace.layout import StudyLayout
from espark.workspace.records import is_done, write_record

_OVERVIEW_PX = 1400
_QUALITY = 90


@dataclass(frozen=True)
class PictureJob:
    """One slide, with all that a worker process needs to draw it.

    Attributes:
        layout: the study folder.
        patient: the patient of the slide.
        slide: its file.
        features: its tiles.
        evidence: the effect of the tiles on the answer.
        titles: titles of the clusters.
        outcome: what was predicted.
    """

    layout: StudyLayout
    patient: Patient
    slide: Path
    features: SlideFeatures
    evidence: SlideEvidence
    titles: tuple[str, ...]
    outcome: Outcome


def draw_slide(job: PictureJob) -> str:
    """Draw all pictures of one slide, unless the files are up to date.

    Returns:
        Why it failed; empty when it did not fail.
    """
    patient_id, name = job.patient.patient_id, job.features.source
    evidence = job.evidence
    arrays = (evidence.attention, evidence.attribution, evidence.clusters, job.features.coords)
    shown = [np.ascontiguousarray(part).tobytes().hex() for part in arrays]
    heatmap = job.layout.heatmap(patient_id, name)
    try:
        key = digest([__version__, fingerprint(job.slide), shown, job.titles, job.outcome.name])
        if is_done(job.layout, patient_id, f"pictures:{name}", key):
            return ""
        with open_slide(job.slide, mpp=job.patient.files.slide_mpp) as slide:
            shapes = attention_geojson(
                job.features,
                evidence.attention,
                slide.bounds_origin,
                attribution=evidence.attribution if evidence.attributed else None,
                clusters=[job.titles[cluster] for cluster in evidence.clusters],
            )
            written = [job.layout.heatmap_shapes(patient_id, name), heatmap]
            write_text(written[0], shapes)
            if evidence.attributed:
                written += _write_attribution(job, slide)
            write_bytes(heatmap, figure_png(heatmap_figure(slide, job.features, evidence.attention)))
        write_record(job.layout, patient_id, f"pictures:{name}", key, written)
    except (EsparkError, OSError) as error:
        return what_went_wrong(error)
    return ""


def _write_attribution(job: PictureJob, slide: Slide) -> list[Path]:
    """Write what shows the attributions of a slide; which files these are."""
    patient_id, name, layout = job.patient.patient_id, job.features.source, job.layout
    regions = regions_of(job.features, job.evidence)
    figure = attribution_figure(slide, job.features, job.evidence, job.titles, regions, job.outcome)
    written = [layout.attribution_map(patient_id, name)]
    write_bytes(written[0], figure_png(figure))
    for number, region in enumerate(regions, start=1):
        crop, mpp = region_crop(slide, region, round(region.side))
        content = io.BytesIO()
        Image.fromarray(burnt_scale_bar(crop, mpp)).save(content, "JPEG", quality=_QUALITY)
        written.append(layout.focus_region(patient_id, name, number))
        write_bytes(written[-1], content.getvalue())
    if regions:
        figure = regions_figure(slide, job.features, job.evidence, job.titles, regions)
        written.append(layout.focus_regions(patient_id, name))
        write_bytes(written[-1], figure_png(figure))
    return written


def regions_of(features: SlideFeatures, evidence: SlideEvidence) -> tuple[FocusRegion, ...]:
    """The high-focus regions of one slide."""
    return focus_regions(features.coords, features.tile_px_level0, evidence.attribution, evidence.attention)


def attribution_figure(
    slide: Slide,
    features: SlideFeatures,
    evidence: SlideEvidence,
    titles: Sequence[str],
    regions: Sequence[FocusRegion],
    outcome: Outcome,
) -> Figure:
    """Overview of a slide under its attributions, beside the same overview under its clusters."""
    thumbnail, um_per_px = slide.thumbnail(_OVERVIEW_PX)
    factor = slide.mpp / um_per_px
    side = np.full((len(features), 2), features.tile_px_level0)
    rectangles = np.concatenate([features.coords, side], axis=1) * factor
    return slide_attribution_figure(
        thumbnail,
        rectangles,
        np.where(np.isfinite(in_bag(evidence.attention)), evidence.attribution, np.nan),
        outcome=outcome,
        um_per_px=um_per_px,
        clusters=evidence.clusters if len(evidence.clusters) else None,
        names=titles,
        regions=[(region.x * factor, region.y * factor, region.side * factor) for region in regions],
    )


def region_crop(slide: Slide, region: FocusRegion, side_px: int) -> tuple[ByteArray, float]:
    """A region at ``side_px`` × ``side_px`` pixels, and its micrometers per pixel."""
    return slide.read_tile(region.x, region.y, region.side, side_px), slide.mpp * region.side / side_px


def regions_figure(
    slide: Slide,
    features: SlideFeatures,
    evidence: SlideEvidence,
    titles: Sequence[str],
    regions: Sequence[FocusRegion],
) -> Figure:
    """The high-focus regions at the resolution at which the model saw them."""
    side_px = round(features.tile_px * regions[0].side / features.tile_px_level0)
    crops = [region_crop(slide, region, side_px) for region in regions]
    words = [
        f"{number}. {signed(region.attribution, 3)} log-odds, {percent(region.attention)} of the attention"
        f"{_mostly(region, evidence, titles)}"
        for number, region in enumerate(regions, start=1)
    ]
    return focus_regions_figure([crop for crop, _ in crops], words, um_per_px=crops[0][1])


def _mostly(region: FocusRegion, evidence: SlideEvidence, titles: Sequence[str]) -> str:
    if not len(evidence.clusters):
        return ""
    own = np.bincount(evidence.clusters[list(region.tiles)], minlength=len(titles))
    return f"\nmost tiles of cluster {titles[int(own.argmax())]} ({own.max()} of {own.sum()})"
