"""The facts of the paragraph on a patient's slides, from numbers made by hand."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from espark.bundle.card import EncoderCard
from espark.cells import CELL_TYPES
from espark.explain.focus import placement
from espark.steps.explain.slide_evidence import SlideEvidence
from espark.steps.report.slide_notes import SlideReference, slide_facts
from espark.training.inputs import Bag

CELL_TYPE_KEYS = tuple(cell_type.key for cell_type in CELL_TYPES)
ENCODER = EncoderCard(
    name="espark-mini", dim=2, tile_px=256, mpp=0.5, min_tissue=0.3, stain="none", cell_types=CELL_TYPE_KEYS,
    evidence_mean=(0.5,) * len(CELL_TYPE_KEYS), evidence_sd=(0.1,) * len(CELL_TYPE_KEYS),
)  # fmt: skip
ATTENTION = np.array([0.6, 0.3, 0.1, 0.0, 0.0], np.float32)


def bag(**similarity: list[float]) -> Bag:
    """Five tiles with a similarity of 0.5, which is no evidence, to all types but the named ones."""
    values = np.full((5, len(CELL_TYPE_KEYS)), 0.5, np.float32)
    for key, column in similarity.items():
        values[:, CELL_TYPE_KEYS.index(key)] = column
    return Bag(np.zeros((5, 2), np.float32), values)


def evidence_of(**changes: object) -> SlideEvidence:
    values = {"attention": ATTENTION, "attribution": np.array([0.4, -0.1, 0.2, 0.0, 0.0]), "totals": (0.5, 0.7)}
    return SlideEvidence(**{**values, **changes})  # type: ignore[arg-type]


def test_only_tiles_that_entered_the_model_are_counted() -> None:
    facts = slide_facts(evidence_of(), bag(), ENCODER, SlideReference())
    assert (facts.n_tiles, facts.n_models, facts.totals, facts.even) == (3, 2, (0.5, 0.7), False)
    assert facts.clusters == ()


def test_a_share_over_the_tiles_is_plain_or_weighted_by_attention() -> None:
    """Evidence of two for neutrophils in the first tile alone; tiles without attention may show anything."""
    shown = bag(neutrophil=[0.7, 0.5, 0.5, 9.0, 9.0])
    [group] = [part for part in slide_facts(evidence_of(), shown, ENCODER, SlideReference()).cell_types
               if part.name == "neutrophils"]  # fmt: skip
    first = 1 / (1 + math.exp(-2))
    assert group.plain == pytest.approx((first + 0.5 + 0.5) / 3, abs=1e-6)
    assert group.attended == pytest.approx(0.6 * first + 0.4 * 0.5, abs=1e-6)
    assert group.placement == pytest.approx(placement([0.6, 0.3, 0.1], [first, 0.5, 0.5]), rel=1e-4)
    assert group.placement > 0


def test_of_a_pair_of_types_one_is_told_and_of_five_all() -> None:
    names = [part.name for part in slide_facts(evidence_of(), bag(), ENCODER, SlideReference()).cell_types]
    assert names == [
        "stromal cells", "immune cells", "squamous cells", "tumor cells", "endothelial cells", "neutrophils",
        "well-differentiated tumor cells",
    ]  # fmt: skip


@pytest.mark.parametrize("encoder", [None, ENCODER.model_copy(update={"evidence_mean": (), "evidence_sd": ()})])
def test_without_statistics_nothing_is_told_of_cell_types(encoder: EncoderCard | None) -> None:
    assert slide_facts(evidence_of(), bag(), encoder, SlideReference()).cell_types == ()
    assert slide_facts(evidence_of(), Bag(bag().features, None), ENCODER, SlideReference()).cell_types == ()


def test_clusters_are_counted_over_the_tiles_in_the_model_and_compared_over_all() -> None:
    reference = SlideReference(titles=("1 Tumor", "2 Stroma"), shares={0: (0.1, 0.2, 0.3, 0.9), 1: (0.5,)})
    part = evidence_of(clusters=np.array([0, 1, 1, 0, 0]))
    tumor, stroma = slide_facts(part, bag(), ENCODER, reference).clusters
    assert (tumor.name, stroma.name) == ("1 Tumor", "2 Stroma")
    assert (tumor.plain, stroma.plain) == pytest.approx((1 / 3, 2 / 3))
    assert (tumor.attended, stroma.attended) == pytest.approx((0.6, 0.4))
    assert (tumor.attribution, stroma.attribution) == pytest.approx((0.4, 0.1))
    # Three of the patient's five tiles; three of four development patients have a lower share.
    assert (tumor.percentile, tumor.n) == (75.0, 4)
    assert (stroma.percentile, stroma.n) == (0.0, 1)


def test_attributions_that_are_not_known_are_not_summed() -> None:
    part = evidence_of(clusters=np.zeros(5, np.int64), attribution=np.full(5, np.nan))
    [group] = slide_facts(part, bag(), ENCODER, SlideReference(titles=("1 Tumor",))).clusters
    assert group.attribution is None
    assert (group.percentile, group.n) == (None, 0)


def test_the_concentration_is_compared_with_that_of_the_development_patients() -> None:
    """The most attended tenth of three tiles is a part of the first: 0.3 of its 0.6."""
    facts = slide_facts(evidence_of(), bag(), ENCODER, SlideReference(top_tenth=(0.1, 0.15, 0.17, 0.5)))
    assert facts.top_tenth == pytest.approx(0.3 * 0.6, abs=1e-6)
    assert (facts.top_tenth_percentile, facts.n) == (75.0, 4)
    assert slide_facts(evidence_of(), bag(), ENCODER, SlideReference()).top_tenth_percentile is None


def test_where_cells_are_not_reliable_no_cell_type_is_named() -> None:
    doubted = dataclasses.replace(bag(tumor_cell=[0.9] * 5), cells_reliable=False)
    part = evidence_of(clusters=np.array([0, 1, 1, 0, 0]))
    facts = slide_facts(part, doubted, ENCODER, SlideReference(titles=("1 Tumor cell", "2 Stromal cell")))
    assert facts.cell_types == ()
    assert [group.name for group in facts.clusters] == ["1", "2"]
