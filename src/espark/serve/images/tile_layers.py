"""Layers over a slide: one value or class for each tile, with the words of its legend and the colors of the reports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from espark.bundle.bundle import Bundle
from espark.explain.cell_types import evidence
from espark.outcome import Outcome
from espark.pathology.features import SlideFeatures
from espark.plots.slides.cell_types import cell_name
from espark.plots.slides.slide_attribution import CLUSTER_COLORS, attribution_limit
from espark.plots.slides.slide_quality import REASONS
from espark.plots.slides.thumbnail import attention_percentile
from espark.steps.explain.slide_clusters import titles_on
from espark.steps.report.slide_notes import read_reference
from espark.types import AnyArray
from espark.workspace.layout import StudyLayout

_STEPS = 33
_EVIDENCE_LIMIT = 3.0


def tile_layers(
    layout: StudyLayout, patient_id: str, features: SlideFeatures, bundle: Bundle | None, *, withheld: bool
) -> dict[str, Any]:
    """The tiles of a slide with their layers.

    Args:
        layout: the folder in which `explain` wrote what it found.
        patient_id: whose slide.
        features: the tiles.
        bundle: the model; None where there is none.
        withheld: whether the answer is withheld; then no layer depends on the model.

    Returns:
        ``tile``, the side in level-0 pixels; ``x`` and ``y`` of each tile; ``layers``, each with ``kind`` (``range`` or
        ``classes``), one value for each tile (``null`` where the tile has none) and the legend; ``left_out``, the tiles
        that were left out, with the reason.
    """
    layers = [] if withheld else [*_explained(layout, patient_id, features, bundle), *_cell_types(features, bundle)]
    if features.tissue_fraction is not None:
        layers.append(_range(
            "tissue", "Tissue", features.tissue_fraction, (0.0, 1.0), "cividis",
            "Share of the tile that is usable tissue, from 0 (dark) to 1 (bright).",
        ))  # fmt: skip
    return {
        "tile": features.tile_px_level0,
        "x": features.coords[:, 0].tolist(),
        "y": features.coords[:, 1].tolist(),
        "layers": layers,
        "left_out": _left_out(features),
    }


def _explained(
    layout: StudyLayout, patient_id: str, features: SlideFeatures, bundle: Bundle | None
) -> Iterator[dict[str, Any]]:
    """Attention, attribution and clusters, where `explain` wrote them for these very tiles."""
    path = layout.explanation("slide_attribution.parquet")
    if not path.exists() or bundle is None:
        return
    table = pd.read_parquet(path, filters=[("patient_id", "==", patient_id), ("slide", "==", features.source)])
    if len(table) != len(features) or not (table[["x", "y"]].to_numpy() == features.coords).all():
        return
    attention = table["attention"].to_numpy(np.float64)
    ranks = attention_percentile(np.where(attention > 0, attention, np.nan))
    yield _range(
        "attention", "Attention", ranks, (0.0, 100.0), "viridis",
        "Rank of the tile among the tiles of this slide that entered the model, in percent. Bright tiles have the "
        "largest weight. Attention shows where the model looked, not what is there.",
    )  # fmt: skip
    attribution = table["attribution"].to_numpy(np.float64)
    if np.isfinite(attribution).all():
        yield _attribution(np.where(attention > 0, attribution, np.nan), bundle.card.outcome)
    titles = titles_on(read_reference(layout).titles, cells_reliable=features.cells_reliable)
    clusters = table["cluster"].to_numpy(np.int64)
    if titles and (clusters > 0).any():
        yield {
            "key": "clusters",
            "title": "Clusters of tiles",
            "kind": "classes",
            "values": [int(cluster) - 1 if cluster > 0 else None for cluster in clusters],
            "classes": [{"name": title, "color": CLUSTER_COLORS[number % len(CLUSTER_COLORS)]}
                        for number, title in enumerate(titles)],
            "legend": "Tiles that look alike to the encoder. A cluster is named after the cell type that it resembles "
                      "most. This is a resemblance, not a diagnosis.",
        }  # fmt: skip


def _attribution(values: AnyArray, outcome: Outcome) -> dict[str, Any]:
    limit = attribution_limit(values[np.isfinite(values)])
    return _range(
        "attribution", "Attribution", values, (-limit, limit), "RdBu",
        f"What the tile adds to the log-odds of {outcome.name}, compared with the mean tile. Blue: in favor of "
        f"{outcome.name}; red: against it. The colors end at the 98th percentile of this slide (±{limit:.2g}).",
    )  # fmt: skip


def _cell_types(features: SlideFeatures, bundle: Bundle | None) -> Iterator[dict[str, Any]]:
    encoder = bundle.card.encoder if bundle is not None else None
    if encoder is None or features.similarity is None or not encoder.evidence_mean or not features.cells_reliable:
        return
    found = evidence(features.similarity, encoder.evidence_mean, encoder.evidence_sd)
    for column, key in enumerate(encoder.cell_types):
        name = cell_name(key)
        yield _range(
            f"cell-{key}", name, found[:, column], (-_EVIDENCE_LIMIT, _EVIDENCE_LIMIT), "PuOr_r",
            f"Resemblance to “{name.lower()}”, in SD above (orange) or below (violet) the mean of all development "
            "tiles. It is not a cell count and not a diagnosis.",
        ) | {"group": "Cell types"}  # fmt: skip


def _range(
    key: str, title: str, values: AnyArray, limits: tuple[float, float], colors: str, legend: str
) -> dict[str, Any]:
    shades = mpl.colormaps[colors](np.linspace(0, 1, _STEPS))
    return {
        "key": key,
        "title": title,
        "kind": "range",
        "values": [round(float(value), 4) if np.isfinite(value) else None for value in values],
        "limits": limits,
        "palette": [to_hex(shade) for shade in shades],
        "legend": legend,
    }


def _left_out(features: SlideFeatures) -> dict[str, Any]:
    names = list(REASONS)
    return {
        "x": features.rejected_coords[:, 0].tolist(),
        "y": features.rejected_coords[:, 1].tolist(),
        "reasons": [names.index(reason) for reason in features.rejected_reasons],
        "classes": [{"name": name, "color": to_hex(color)} for name, color in REASONS.values()],
    }
