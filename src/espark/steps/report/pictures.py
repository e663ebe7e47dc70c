"""Pictures of one patient, ready for a page."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from espark.bundle.reference import Reference
from espark.cells import CELL_GROUPS, CELL_TYPES
from espark.ct.hounsfield import CtVolume
from espark.ct.preview import three_planes
from espark.ct.regions.regions import Regions
from espark.outcome import Outcome
from espark.pathology.features import SlideFeatures
from espark.pathology.slide import Slide
from espark.plots.ct.feature_bars import attribution_figure
from espark.plots.ct.planes import ct_planes_figure
from espark.plots.results.distributions import patient_position_figure
from espark.plots.slides.cell_types import cell_type_figure
from espark.plots.slides.thumbnail import attention_percentile, slide_heatmap_figure, tile_gallery_figure
from espark.plots.style import SINGLE_COLUMN, figure_png, figure_svg
from espark.report.picture import Picture
from espark.types import AnyArray, DoubleArray, FloatArray, Scale

_OVERVIEW_PX = 1400
_QUALITY = 82
_GALLERY_TILES = 8
_NAMES = {cell_type.key: cell_type.name for cell_type in CELL_TYPES}


def photograph(png: bytes, *, alt: str, caption: str) -> Picture:
    """A figure that is mostly photograph, as JPEG: a page of PNGs is too large to be sent by mail.

    Color keeps its full resolution, so that fine contours and letters stay sharp.
    """
    content = io.BytesIO()
    with Image.open(io.BytesIO(png)) as drawn:
        whole = Image.new("RGB", drawn.size, "white")
        whole.paste(drawn, mask=drawn.getchannel("A") if "A" in drawn.getbands() else None)
    whole.save(content, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return Picture(png=None, svg=None, jpeg=content.getvalue(), alt=alt, caption=caption)


def ct_picture(ct: CtVolume, regions: Regions) -> Picture:
    """Three planes with the contours, through the tumor or, without a tumor, through the esophagus."""
    *others, last = regions.scales
    outlined = f"{', '.join(others)} and {last}" if others else last
    what = "the contours" if others else "the contour"
    return photograph(
        figure_png(ct_planes_figure(three_planes(ct, regions))),
        alt=f"CT in axial, coronal and sagittal planes with {what} of {outlined}",
        caption=f"CT in soft-tissue window with {what} of {outlined}. Radiological orientation: R is the "
        "patient's right.",
    )


def heatmap_figure(slide: Slide, features: SlideFeatures, attention: FloatArray) -> Figure:
    """Overview of a slide, beside the same overview under its attention.

    Args:
        slide: the open slide.
        features: its tiles.
        attention: (tiles,); zero for tiles that were not in the bag.
    """
    thumbnail, um_per_px = slide.thumbnail(_OVERVIEW_PX)
    factor = slide.mpp / um_per_px
    side = np.full((len(features), 2), features.tile_px_level0)
    rectangles = np.concatenate([features.coords, side], axis=1) * factor
    return slide_heatmap_figure(thumbnail, rectangles, in_bag(attention), um_per_px=um_per_px)


def in_bag(attention: AnyArray) -> DoubleArray:
    """(tiles,) attention with NaN for tiles that were not in the bag."""
    return np.where(attention > 0, attention, np.nan).astype(np.float64)


def gallery_picture(slide: Slide, features: SlideFeatures, attention: FloatArray) -> Picture | None:
    """The tiles with the highest attention at full resolution; None when no tile was chosen."""
    percentiles = attention_percentile(in_bag(attention))
    order = [index for index in np.argsort(-attention, kind="stable")[:_GALLERY_TILES] if attention[index] > 0]
    if not order:
        return None
    corners = features.coords[order].tolist()
    tiles = [slide.read_tile(x, y, features.tile_px_level0, features.tile_px) for x, y in corners]
    mpp = features.mpp or slide.mpp * features.tile_px_level0 / features.tile_px
    names = [_resembles(features, index) for index in order]
    titles = [
        f"{rank}. resembles\n{name}" if name else f"{rank}. {percentiles[index]:.0f}th percentile"
        for rank, (index, name) in enumerate(zip(order, names, strict=True), start=1)
    ]
    named = ", each with the major cell type that it resembles most, compared with the other tiles of this slide"
    return photograph(
        figure_png(tile_gallery_figure(tiles, titles, um_per_px=mpp)),
        alt=f"The {len(tiles)} tiles of the slide with the highest attention",
        caption=f"The tiles with the highest attention, highest first{named if all(names) else ''}.",
    )


def _resembles(features: SlideFeatures, index: int) -> str:
    """The major cell type whose similarity stands out most in this tile, compared with the slide's other tiles.

    Empty where there are no cell types, or where they are not reliable.
    """
    if features.similarity is None or not features.cell_types or not features.cells_reliable:
        return ""
    columns = [features.cell_types.index(key) for key in CELL_GROUPS["major"]]
    values = features.similarity[:, columns].astype(np.float64)
    spread = values.std(axis=0)
    scores = (values[index] - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return _NAMES[CELL_GROUPS["major"][int(scores.argmax())]]


def position_picture(
    reference: Reference, outcome: Outcome, probability: float, interval: tuple[float, float] | None, threshold: float
) -> Picture:
    """The patient's place among the development patients."""
    figure = patient_position_figure(
        np.array(reference.probability),
        np.array(reference.labels),
        probability,
        interval,
        outcome=outcome,
        threshold=threshold,
        width=SINGLE_COLUMN,
    )
    return Picture(
        png=None,
        svg=figure_svg(figure),
        alt=f"Probability {probability:.2f} among those of {len(reference.labels)} development patients",
        caption="Points: development patients, each predicted by a model that did not see that patient. Grey: range of "
        "the models.",
    )


def cell_type_picture(contributions: dict[str, float], reference: Reference) -> Picture:
    """The patient's cell-type contributions beside those of the development patients."""
    rows = [(key, value) for key, values in reference.contribution.items() for value in values]
    cohort = pd.DataFrame(rows, columns=["cell_type", "contribution"]).astype({"contribution": float})
    return Picture(
        png=None,
        svg=figure_svg(cell_type_figure(contributions, cohort)),
        alt="Contribution of each cell type, beside the development patients",
        caption="Attention-weighted share of each cell type within its group. Grey: development patients.",
    )


def attribution_picture(
    scales: Sequence[Scale], feature_names: Sequence[Sequence[str]], values: DoubleArray, outcome: Outcome
) -> Picture:
    """The radiomic features that move the answer most, by scale; an unknown scale is left out."""
    rows = [(scale, name) for scale, names in zip(scales, feature_names, strict=True) for name in names]
    table = pd.DataFrame(rows, columns=["scale", "feature"]).assign(attribution=values)
    moved = table.groupby("scale")["attribution"].transform(lambda part: (part != 0).any())
    table = table[moved]
    return Picture(
        png=None,
        svg=figure_svg(attribution_figure({"": table}, outcome=outcome, top=8)),
        alt="CT features with the largest influence on the answer, for each scale",
        caption="Integrated gradients, compared with the mean development patient: change of the log-odds of "
        f"{outcome.name}.",
    )
