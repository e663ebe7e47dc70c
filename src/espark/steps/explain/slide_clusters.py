"""Tile clusters of a study: fitted on development tiles, named, counted in every patient, drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from espark.bundle.card import EncoderCard
from espark.errors import EsparkError
from espark.explain.cell_types import evidence
from espark.explain.tile_clusters import TileClusters, cluster_profile, resembling
from espark.files import write_csv
from espark.outcome import Outcome
from espark.pathology.slide import open_slide
from espark.plots.slides.cell_types import cell_name
from espark.plots.slides.tile_clusters import cluster_examples_figure, cluster_maps_figure, cluster_profile_figure
from espark.plots.style import save_figure
from espark.statistics.screening import group_difference
from espark.steps.evaluate.evaluation_tables import cohort_title
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.steps.prepare.prepared_inputs import load_slides
from espark.training.inputs import Bag, Inputs
from espark.types import ByteArray, DoubleArray, FloatArray, IntArray
from espark.workspace.cohort import Patient
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace

_DIFFERENCE_COLUMNS = [
    "center", "cluster", "name", "n", "n_positive", "mean_positive", "mean_negative", "effect", "ci_low", "ci_high",
]  # fmt: skip
_EXAMPLES = 4
_SHOWN_TILES = 2500
_SEED = 0


@dataclass(frozen=True)
class NamedClusters:
    """The clusters of a study.

    Attributes:
        fit: centers and map.
        names: key of the cell type that each cluster resembles; empty when it resembles none.
        profile: (clusters, cell types) mean evidence over the development tiles whose cell types are reliable; no
            columns where there are none.
        cell_types: keys of the columns of the profile.
        tiles: development tiles of each cluster.
    """

    fit: TileClusters
    names: tuple[str, ...]
    profile: DoubleArray
    cell_types: tuple[str, ...]
    tiles: tuple[int, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        """Number and name of each cluster, e.g. ``3 Lymphocyte``."""
        return tuple(cluster_title(number, name) for number, name in enumerate(self.names, start=1))


def cluster_title(number: int, name: str) -> str:
    """Number, from 1, and name of a cluster; only the number when it resembles no cell type."""
    return f"{number} {cell_name(name)}" if name else f"{number}"


def titles_on(titles: tuple[str, ...], *, cells_reliable: bool) -> tuple[str, ...]:
    """Titles of the clusters on a slide: without the names of cell types where these are not reliable."""
    return titles if cells_reliable else tuple(cluster_title(number, "") for number in range(1, len(titles) + 1))


def fit_clusters(workspace: Workspace, inputs: Inputs, encoder: EncoderCard | None) -> NamedClusters | None:
    """Fit and name clusters on the development patients; None when there are too few."""
    development = {patient.patient_id for patient in workspace.cohort.development}
    bags = [
        bag
        for patient_id, bag in zip(inputs.patient_ids, inputs.bags, strict=True)
        if bag is not None and len(bag) > 0 and patient_id in development
    ]
    fit = TileClusters.fit([bag.features for bag in bags], seed=_SEED)
    if fit is None:
        return None
    clusters = np.concatenate([fit.assign(bag.features) for bag in bags])
    tiles = tuple(np.bincount(clusters, minlength=len(fit)).tolist())
    profile = _profile(fit, bags, encoder)
    if encoder is None or profile is None:
        return NamedClusters(fit, ("",) * len(fit), np.zeros((len(fit), 0)), (), tiles)
    return NamedClusters(fit, resembling(profile, encoder.cell_types), profile, encoder.cell_types, tiles)


def _profile(fit: TileClusters, bags: Sequence[Bag], encoder: EncoderCard | None) -> DoubleArray | None:
    """Mean evidence of each cell type in each cluster, over the slides whose cells are reliable; None without any."""
    sure = [bag for bag in bags if bag.cells_reliable]
    similarities = [bag.similarity for bag in sure if bag.similarity is not None]
    if encoder is None or not encoder.evidence_mean or not sure or len(similarities) < len(sure):
        return None
    found = evidence(np.concatenate(similarities), encoder.evidence_mean, encoder.evidence_sd)
    return cluster_profile(np.concatenate([fit.assign(bag.features) for bag in sure]), found, len(fit))


def write_cluster_tables(layout: StudyLayout, clusters: NamedClusters, shares: pd.DataFrame, outcome: Outcome) -> None:
    """Write ``clusters.csv``, ``cluster_shares.csv`` and ``cluster_differences.csv``.

    Args:
        layout: the study folder.
        clusters: the clusters.
        shares: rows of :func:`share_rows`.
        outcome: what the labels are.
    """
    described = pd.DataFrame(
        {
            "cluster": range(1, len(clusters.names) + 1),
            "name": clusters.names,
            "development_tiles": clusters.tiles,
            **{f"evidence_{key}": clusters.profile[:, index] for index, key in enumerate(clusters.cell_types)},
        }
    )
    write_csv(layout.explanation("clusters.csv"), described)
    write_csv(layout.explanation("cluster_shares.csv"), outcome.named(shares))
    rows = list(_difference_rows(clusters, shares))
    differences = outcome.named(pd.DataFrame(rows, columns=_DIFFERENCE_COLUMNS))
    write_csv(layout.explanation("cluster_differences.csv"), differences)


def share_rows(patient: Patient, evidence_of: SlideEvidence, count: int) -> Iterator[dict[str, object]]:
    """For every cluster in one patient: share of the tiles, share of the attention, and sum of the attributions."""
    for cluster in range(count if len(evidence_of.clusters) else 0):
        own = evidence_of.clusters == cluster
        yield {
            "patient_id": patient.patient_id,
            "center": patient.center,
            "label": patient.label,
            "cluster": cluster + 1,
            "share": float(own.mean()),
            "attention_share": float(evidence_of.attention[own].sum(dtype=np.float64)),
            "attribution": float(evidence_of.attribution[own].sum()),
        }


def _difference_rows(clusters: NamedClusters, shares: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Compare patients with and without the outcome, without a test: Cliff's delta of the share of the tiles."""
    labelled = shares.dropna(subset=["label"])
    for center in [*sorted(labelled["center"].unique()), "all"]:
        chosen = labelled if center == "all" else labelled[labelled["center"] == center]
        for cluster, part in chosen.groupby("cluster"):
            labels = part["label"].to_numpy(np.int64)
            delta = group_difference(labels, part["share"].to_numpy(float)).delta
            means = [part["share"][labels == label].mean() for label in (1, 0)]
            name = clusters.names[int(cluster) - 1]
            yield (
                center,
                cluster,
                name,
                len(part),
                int(labels.sum()),
                *means,
                delta.value,
                delta.ci_low,
                delta.ci_high,
            )


def draw_clusters(workspace: Workspace, inputs: Inputs, clusters: NamedClusters) -> None:
    """Draw the maps of every cohort, the profile and the examples."""
    layout = workspace.layout
    maps = _cohort_maps(workspace, inputs, clusters.fit)
    save_figure(cluster_maps_figure(maps, clusters.titles), layout.figure("tile-clusters"), dpi=200)
    if clusters.cell_types:
        figure = cluster_profile_figure(clusters.profile, clusters.titles, clusters.cell_types, clusters.tiles)
        save_figure(figure, layout.figure("tile-cluster-profile"), dpi=200)
    examples = cluster_examples(workspace, inputs, clusters)
    if any(examples):
        parts = (part for patient in workspace.cohort.used for part in load_slides(workspace, patient))
        mpp = next(part.mpp for part in parts if part.mpp is not None)
        figure = cluster_examples_figure(examples, clusters.titles, um_per_px=mpp)
        save_figure(figure, layout.figure("tile-cluster-examples"), dpi=200)


def _cohort_maps(
    workspace: Workspace, inputs: Inputs, fit: TileClusters
) -> Mapping[str, tuple[DoubleArray, IntArray, int]]:
    """By cohort: places (tiles, 2) and clusters (tiles,) of evenly spaced tiles, and the number of patients."""
    found: dict[str, tuple[DoubleArray, IntArray, int]] = {}
    names = [workspace.cohort[patient_id].cohort_name for patient_id in inputs.patient_ids]
    for cohort in workspace.cohort.cohort_names:
        bags = [
            bag.features
            for bag, name in zip(inputs.bags, names, strict=True)
            if name == cohort and bag is not None and len(bag) > 0
        ]
        if bags:
            tiles: FloatArray = np.concatenate(bags)
            tiles = tiles[:: max(1, -(-len(tiles) // _SHOWN_TILES))]
            found[cohort_title(cohort)] = fit.place(tiles), fit.assign(tiles), len(bags)
    return found


def cluster_examples(workspace: Workspace, inputs: Inputs, clusters: NamedClusters) -> list[list[ByteArray]]:
    """By cluster, the development tiles nearest to its center, at most one per patient, read from the slide."""
    development = {patient.patient_id for patient in workspace.cohort.development}
    nearest: list[list[tuple[float, str, int]]] = [[] for _ in clusters.names]
    for patient_id, bag in zip(inputs.patient_ids, inputs.bags, strict=True):
        if bag is None or len(bag) == 0 or patient_id not in development:
            continue
        distances = clusters.fit.distances(bag.features)
        own = distances.argmin(axis=1)
        for cluster in np.unique(own).tolist():
            tile = int(np.where(own == cluster, distances[:, cluster], np.inf).argmin())
            nearest[cluster].append((float(distances[tile, cluster]), patient_id, tile))
    return [_read_examples(workspace, sorted(found)) for found in nearest]


def _read_examples(workspace: Workspace, candidates: Sequence[tuple[float, str, int]]) -> list[ByteArray]:
    pictures: list[ByteArray] = []
    for _, patient_id, tile in candidates:
        if len(pictures) == _EXAMPLES:
            break
        patient = workspace.cohort[patient_id]
        by_name = patient.files.named_slides
        for part in load_slides(workspace, patient):
            if tile >= len(part):
                tile -= len(part)
                continue
            try:
                with open_slide(by_name[part.source], mpp=patient.files.slide_mpp) as slide:
                    x, y = part.coords[tile].tolist()
                    pictures.append(slide.read_tile(x, y, part.tile_px_level0, part.tile_px))
            except (EsparkError, KeyError, OSError):
                pass  # features without their slide: the next nearest tile is used instead
            break
    return pictures
