"""Every sentence of the paragraph on the slides stands and falls with its condition."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from another_outcome import MPR
from espark.report.slide_words import Group, SlideFacts, answer_findings, slide_findings

FACTS = SlideFacts(
    n_tiles=80,
    n_models=10,
    top_tenth=0.42,
    top_tenth_percentile=95.0,
    n=100,
    agreement=0.8,
    cell_types=(Group("lymphocyte", 0.4, 0.6, 4.0),),
    clusters=(Group("3 Stromal", 0.2, 0.5, 5.0, 96.0, 100, 0.7), Group("1 Tumor", 0.5, 0.3, -4.0, 50.0, 100, 0.1)),
    totals=(0.8,) * 10,
)


def changed(**changes: Any) -> SlideFacts:
    return dataclasses.replace(FACTS, **changes)


def first(**changes: Any) -> tuple[Group, Group]:
    return dataclasses.replace(FACTS.clusters[0], **changes), FACTS.clusters[1]


@pytest.mark.parametrize(
    ("sentence", "without"),
    [
        ("unusually concentrated", changed(top_tenth_percentile=89.0)),
        ("unusually concentrated", changed(n=19)),
        ("unusually concentrated", changed(top_tenth_percentile=None)),
        ("more at tiles that resemble lymphocyte", changed(cell_types=(Group("lymphocyte", 0.4, 0.6, 2.9),))),
        ("more at tiles that resemble lymphocyte", changed(cell_types=(Group("lymphocyte", 0.401, 0.404, 4.0),))),
        ("of the attention lies on tiles of cluster 3 Stromal", changed(clusters=first(placement=2.9))),
        ("of the attention lies on tiles of cluster 3 Stromal", changed(clusters=first(attended=0.29))),
        ("make up more of the slides", changed(clusters=first(percentile=89.0))),
        ("make up more of the slides", changed(clusters=first(n=19))),
        ("look at the same tiles", changed(agreement=0.69)),
        ("look at the same tiles", changed(n_models=1)),
    ],
)
def test_where_the_model_looked(sentence: str, without: SlideFacts) -> None:
    assert any(sentence in said for said in slide_findings(FACTS))
    assert not any(sentence in said for said in slide_findings(without))


@pytest.mark.parametrize(
    ("sentence", "without"),
    [
        ("raise the log-odds of MPR by 0.80, in 10 of 10 models", changed(totals=(0.8,) * 8 + (-0.1,) * 2)),
        ("raise the log-odds", changed(totals=(0.09,) * 10)),
        ("largest part comes from tiles of cluster 3 Stromal (+0.70)", changed(clusters=first(attribution=0.3))),
    ],
)
def test_what_the_tiles_did(sentence: str, without: SlideFacts) -> None:
    assert any(sentence in said for said in answer_findings(FACTS, MPR))
    assert not any(sentence in said for said in answer_findings(without, MPR))


def test_few_tiles_nothing_found_and_disagreement_are_said() -> None:
    assert slide_findings(changed(n_tiles=19)) == (
        "Only 19 tiles entered the model, too few to describe where it looked.",
    )
    assert answer_findings(changed(n_tiles=19), MPR) == ()
    (said,) = slide_findings(SlideFacts(n_tiles=50, n_models=1, top_tenth=0.1))
    assert said.startswith("No cell type")
    assert any("different tiles" in said for said in slide_findings(changed(agreement=0.1)))
    assert any("less at tiles" in said for said in slide_findings(changed(cell_types=(Group("a", 0.6, 0.4, -4.0),))))
    assert any("evenly spread" in said for said in slide_findings(changed(top_tenth_percentile=5.0)))


def test_of_even_attention_nothing_is_read() -> None:
    said = slide_findings(changed(even=True, top_tenth_percentile=0.0))
    assert said[0] == "All 80 tiles count alike: this model does not look at any place more than at another."
    assert all("attention" not in line and "model looked" not in line for line in said)
    assert "Tiles of cluster 3 Stromal make up more" in said[1]


def test_where_the_model_looked_never_says_what_it_answered() -> None:
    for said in slide_findings(FACTS):
        assert "log-odds" not in said and "response" not in said
