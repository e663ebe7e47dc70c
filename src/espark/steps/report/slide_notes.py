"""From a patient's slide evidence to the facts of the written paragraph."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.special import softmax

from espark.bundle.card import EncoderCard
from espark.cells import CELL_GROUPS, CELL_TYPES
from espark.explain.cell_types import evidence
from espark.explain.focus import is_even, placement, top_share
from espark.report.slide_words import Group, SlideFacts
from espark.steps.explain.slide_clusters import cluster_title, titles_on
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.training.inputs import Bag
from espark.workspace.layout import StudyLayout
from espark.workspace.stored import stored_table

_NAMES = {cell_type.key: cell_type.name for cell_type in CELL_TYPES}


@dataclass(frozen=True)
class SlideReference:
    """The development patients with whom a patient's slides are compared.

    Attributes:
        titles: titles of the clusters.
        top_tenth: for each patient, the share of the attention on the most attended tenth of the tiles.
        shares: by cluster (numbered from 0), the share of the tiles in each patient.
    """

    titles: tuple[str, ...] = ()
    top_tenth: tuple[float, ...] = ()
    shares: dict[int, tuple[float, ...]] = field(default_factory=dict)


def read_reference(layout: StudyLayout) -> SlideReference:
    """What `explain` stored about the development patients."""
    patients, clusters = layout.explanation("slide_patients.csv"), layout.explanation("clusters.csv")
    if not patients.exists():
        return SlideReference()
    table = stored_table(layout, patients, dtype={"patient_id": str})
    development = table[table["role"] == "development"]
    top_tenth = tuple(development["attention_top_tenth"].dropna().tolist())
    if not clusters.exists():
        return SlideReference(top_tenth=top_tenth)
    named = stored_table(layout, clusters, dtype={"name": str}, keep_default_na=False)
    titles = tuple(cluster_title(int(row["cluster"]), str(row["name"])) for _, row in named.iterrows())
    shares = stored_table(layout, layout.explanation("cluster_shares.csv"), dtype={"patient_id": str})
    shares = shares[shares["patient_id"].isin(development["patient_id"])]
    by_cluster = {int(cluster) - 1: tuple(part["share"].tolist()) for cluster, part in shares.groupby("cluster")}
    return SlideReference(titles, top_tenth, by_cluster)


def slide_facts(part: SlideEvidence, bag: Bag, encoder: EncoderCard | None, reference: SlideReference) -> SlideFacts:
    """The facts that the paragraph may use.

    Args:
        part: the patient's evidence.
        bag: the patient's tiles.
        encoder: the encoder of the tiles; without cell types, the facts leave them out.
        reference: the development patients.
    """
    there = part.attention > 0
    concentration = top_share(part.attention)
    return SlideFacts(
        n_tiles=int(there.sum()),
        n_models=max(1, len(part.totals)),
        top_tenth=concentration,
        top_tenth_percentile=_percentile(reference.top_tenth, concentration),
        n=len(reference.top_tenth),
        agreement=part.attention_agreement,
        cell_types=_cell_types(part, bag, encoder),
        clusters=_clusters(part, reference, titles_on(reference.titles, cells_reliable=bag.cells_reliable)),
        totals=part.totals,
        even=is_even(part.attention),
    )


def _cell_types(part: SlideEvidence, bag: Bag, encoder: EncoderCard | None) -> tuple[Group, ...]:
    there = part.attention > 0
    if encoder is None or not encoder.evidence_mean or bag.similarity is None or not there.any():
        return ()
    if not bag.cells_reliable:
        return ()
    found = evidence(bag.similarity, encoder.evidence_mean, encoder.evidence_sd)[there]
    weights = part.attention[there].astype(np.float64)
    groups = []
    for keys in CELL_GROUPS.values():
        shares = softmax(found[:, [encoder.cell_types.index(key) for key in keys]], axis=1)
        # In a group of two types, the second share is 1 minus the first.
        for key, share in zip(keys if len(keys) > 2 else keys[:1], shares.T, strict=False):
            attended = float(weights @ share / weights.sum())
            groups.append(Group(f"{_NAMES[key]}s", float(share.mean()), attended, placement(weights, share)))
    return tuple(groups)


def _clusters(part: SlideEvidence, reference: SlideReference, titles: tuple[str, ...]) -> tuple[Group, ...]:
    there = part.attention > 0
    if not len(part.clusters) or not titles or not there.any():
        return ()
    groups = []
    for number, title in enumerate(titles):
        own = part.clusters == number
        known = reference.shares.get(number, ())
        groups.append(
            Group(
                title,
                float(own[there].mean()),
                float(part.attention[own].sum(dtype=np.float64)),
                placement(part.attention[there], own[there].astype(np.float64)),
                _percentile(known, float(own.mean())),
                len(known),
                float(part.attribution[own].sum()) if part.attributed else None,
            )
        )
    return tuple(groups)


def _percentile(reference: tuple[float, ...], value: float) -> float | None:
    return 100 * float(np.mean(np.array(reference) < value)) if reference and np.isfinite(value) else None
