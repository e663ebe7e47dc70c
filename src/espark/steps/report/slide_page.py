"""Fills in the part of a patient's report that shows a slide."""

from __future__ import annotations

import numpy as np

from espark.explain.focus import is_even
from espark.outcome import Outcome
from espark.pathology.slide import Slide, open_slide
from espark.plots.style import figure_png
from espark.report.patient_content import SlidePage
from espark.report.picture import Picture
from espark.steps.explain.slide_pictures import attribution_figure, regions_figure, regions_of
from espark.steps.prepare.slide_quality import quality_figure
from espark.steps.report.case import Case
from espark.steps.report.pictures import gallery_picture, heatmap_figure, photograph
from espark.types import FloatArray

_UNEVEN = (
    "The slide as it is, and under the attention of the model; bright tiles weigh most. Tiles without color did "
    "not enter the model."
)
_EVEN = (
    "The slide as it is, and the tiles that entered the model. Each of them counts alike, so the color says no more "
    "than that a tile entered."
)


_OVERVIEW = (
    "The slide as it is, and what is used of it. Tiles in color were left out, for the reason that the legend gives."
)


def slide_page(case: Case, index: int, outcome: Outcome) -> SlidePage:
    """One of the patient's slides; where the answer is withheld, without anything that depends on the model."""
    return _of_image_alone(case, index) if case.withheld else _with_model(case, index, outcome)


def _of_image_alone(case: Case, index: int) -> SlidePage:
    features, name = case.features[index], case.slide_name(index)
    with open_slide(case.slides[index], mpp=case.slide_mpp) as slide:
        png = figure_png(quality_figure(slide, features))
        notes = tuple(map(str, slide.notes))
    return SlidePage(
        name=name,
        heatmap=None,
        gallery=None,
        mpp=features.slide_mpp,
        n_tiles=len(features),
        n_chosen=None,
        notes=notes,
        overview=photograph(png, alt=f"Overview of slide {name}, and what is used of it", caption=_OVERVIEW),
    )


def _with_model(case: Case, index: int, outcome: Outcome) -> SlidePage:
    features, path, name = case.features[index], case.slides[index], case.slide_name(index)
    shown = case.explanation.attention
    attention: FloatArray = shown[index] if shown else np.zeros(len(features), np.float32)
    with open_slide(path, mpp=case.slide_mpp) as slide:
        drawn = case.heatmaps[index] if case.heatmaps else None
        png = drawn.read_bytes() if drawn else figure_png(heatmap_figure(slide, features, attention))
        even = is_even(attention)
        # Of tiles that count alike, the first few are no choice of the model.
        gallery = None if even else gallery_picture(slide, features, attention)
        attributed, regions = slide_evidence_pictures(case, index, slide, outcome)
        notes = tuple(map(str, slide.notes))
    return SlidePage(
        name=name,
        heatmap=photograph(
            png,
            alt=f"Overview of slide {name}, as it is and under the attention heatmap",
            caption=_EVEN if even else _UNEVEN,
        ),
        gallery=gallery,
        mpp=features.slide_mpp,
        n_tiles=len(features),
        n_chosen=int((attention > 0).sum()),
        notes=notes,
        attribution=attributed,
        regions=regions,
    )


def slide_evidence_pictures(
    case: Case, index: int, slide: Slide, outcome: Outcome
) -> tuple[Picture | None, Picture | None]:
    """The attributions of a slide, and its high-focus regions; read where `explain` drew them."""
    if case.evidence is None or not case.evidence.attributed:
        return None, None
    part, features, titles = case.evidence.split(case.features)[index], case.features[index], case.reference.titles
    drawn = case.maps[index] if case.maps else None
    chosen = regions_of(features, part)
    png = (
        drawn.read_bytes() if drawn else figure_png(attribution_figure(slide, features, part, titles, chosen, outcome))
    )
    attributed = photograph(
        png,
        alt=f"Slide {case.slide_name(index)} under the attributions of its tiles",
        caption=f"Blue tiles speak for {outcome.name}, red ones against it, compared with the mean tile of the "
        "training patients; tiles without color did not enter the model. Squares: the regions below.",
    )
    if not chosen:
        return attributed, None
    drawn = case.region_pictures[index] if case.region_pictures else None
    png = drawn.read_bytes() if drawn else figure_png(regions_figure(slide, features, part, titles, chosen))
    regions = photograph(
        png,
        alt=f"The {len(chosen)} regions of slide {case.slide_name(index)} that moved the answer most",
        caption=f"Squares of 3 × 3 tiles with the largest sum of attributions, for or against {outcome.name}, as the "
        "model saw them.",
    )
    return attributed, regions
