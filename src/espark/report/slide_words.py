"""The paragraph on a patient's slides: each sentence appears only when the numbers support it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from espark.outcome import Outcome
from espark.report.formatting import counted, rank
from espark.wording import number, percent, signed

FEWEST_TILES = 20
FEWEST_PATIENTS = 20
CLEAR = 3.0
"""From this many standard deviations of chance on, attention is called more or less than even attention."""

_EXTREME = 90.0
_MORE = 1.5
_SAME, _DIFFERENT = 0.7, 0.3
_LEAST_LOG_ODDS = 0.1
_MOST_OF_IT = 0.4
_MODELS_THAT_AGREE = 0.9
_SENTENCES = 3


@dataclass(frozen=True)
class Group:
    """A cell type or a cluster of tiles in one patient.

    Attributes:
        name: as written in a sentence.
        plain: mean share over the tiles in the bag, 0–1.
        attended: mean share weighted by attention, 0–1.
        placement: difference of the two, in SD of chance.
        percentile: share of development patients with a lower share of such tiles, 0–100; None when not known.
        n: development patients in that comparison.
        attribution: log-odds that its tiles add; None for a cell type.
    """

    name: str
    plain: float
    attended: float
    placement: float
    percentile: float | None = None
    n: int = 0
    attribution: float | None = None


@dataclass(frozen=True)
class SlideFacts:
    """What was measured on the slides of one patient.

    Attributes:
        n_tiles: tiles in the bag.
        n_models: models that answered.
        top_tenth: share of the attention on the most attended tenth of the tiles, 0–1.
        top_tenth_percentile: share of development patients with a lower value, 0–100; None when not known.
        n: development patients in that comparison.
        agreement: rank correlation of attention between the models; NaN for a single model.
        cell_types: each cell type that has a share.
        clusters: each cluster of tiles.
        totals: for each model, the log-odds that all tiles add.
        even: whether every tile counts alike, as for an aggregator without attention.
    """

    n_tiles: int
    n_models: int
    top_tenth: float
    top_tenth_percentile: float | None = None
    n: int = 0
    agreement: float = math.nan
    cell_types: tuple[Group, ...] = ()
    clusters: tuple[Group, ...] = ()
    totals: tuple[float, ...] = ()
    even: bool = False

    @property
    def tiles(self) -> str:
        """The number of tiles in words."""
        return counted(self.n_tiles, "tile")


def slide_findings(facts: SlideFacts) -> tuple[str, ...]:
    """Where the model looked; no sentence gives its answer."""
    if facts.n_tiles < FEWEST_TILES:
        return (f"Only {facts.tiles} entered the model, too few to describe where it looked.",)
    if facts.even:
        said = f"All {facts.tiles} count alike: this model does not look at any place more than at another."
        return (said, *_made_of(facts))
    found = [*_concentration(facts), *_looked_at(facts), *_made_of(facts)]
    if not found:
        found = ["No cell type and no group of tiles stands out where the model looked."]
    return (*found, *_models(facts))


def answer_findings(facts: SlideFacts, outcome: Outcome) -> tuple[str, ...]:
    """How the tiles changed the answer; not to be printed when the answer is withheld."""
    return tuple(_answer(facts, outcome)) if facts.n_tiles >= FEWEST_TILES and facts.totals else ()


def _concentration(facts: SlideFacts) -> Iterator[str]:
    percentile = facts.top_tenth_percentile
    if percentile is None or facts.n < FEWEST_PATIENTS:
        return
    if percentile >= _EXTREME or percentile <= 100 - _EXTREME:
        kind = "concentrated" if percentile >= _EXTREME else "evenly spread"
        yield (
            f"The attention is unusually {kind}: a tenth of the {facts.tiles} holds {percent(facts.top_tenth)} "
            f"of it, which is more than in {rank(percentile, facts.n)} of {facts.n} development patients."
        )


def _looked_at(facts: SlideFacts) -> Iterator[str]:
    clear = [
        group
        for group in facts.cell_types
        if abs(group.placement) >= CLEAR and percent(group.attended) != percent(group.plain)
    ]
    for group in sorted(clear, key=lambda group: -abs(group.placement))[:_SENTENCES]:
        more = "more" if group.placement > 0 else "less"
        yield (
            f"The model looked {more} at tiles that resemble {group.name} than even attention would: their share of "
            f"the group is {percent(group.attended)} where it looked and {percent(group.plain)} over its "
            f"{facts.tiles}."
        )
    for group in facts.clusters:
        if group.placement >= CLEAR and group.attended >= _MORE * group.plain:
            yield (
                f"{percent(group.attended)} of the attention lies on tiles of cluster {group.name}, which is "
                f"{percent(group.plain)} of the tiles."
            )


def _made_of(facts: SlideFacts) -> Iterator[str]:
    for group in facts.clusters:
        known = group.percentile is not None and group.n >= FEWEST_PATIENTS
        if known and group.percentile is not None and group.percentile >= _EXTREME:
            yield (
                f"Tiles of cluster {group.name} make up more of the slides than in {rank(group.percentile, group.n)} "
                f"of {group.n} development patients."
            )


def _models(facts: SlideFacts) -> Iterator[str]:
    if facts.n_models < 2 or not math.isfinite(facts.agreement):
        return
    value = f"mean rank correlation {number(facts.agreement)} between every two of {facts.n_models}"
    if facts.agreement >= _SAME:
        yield f"The models look at the same tiles ({value})."
    elif facts.agreement < _DIFFERENT:
        yield (
            f"The models look at different tiles ({value}): the heatmap shows their mean, not the attention of one "
            "model."
        )


def _answer(facts: SlideFacts, outcome: Outcome) -> Iterator[str]:
    mean = sum(facts.totals) / len(facts.totals)
    same = sum(total * mean > 0 for total in facts.totals)
    if abs(mean) < _LEAST_LOG_ODDS or same < _MODELS_THAT_AGREE * len(facts.totals):
        return
    verb = "raise" if mean > 0 else "lower"
    models = f", in {same} of {len(facts.totals)} models in this direction" if len(facts.totals) > 1 else ""
    yield (
        f"Compared with the same number of mean tiles of the training patients, this patient's {facts.tiles} {verb} "
        f"the log-odds of {outcome.name} by {abs(mean):.2f}{models}."
    )
    known = [group for group in facts.clusters if group.attribution is not None]
    best = max(known, key=lambda group: (group.attribution or 0.0) * mean, default=None)
    if best is not None and best.attribution is not None and best.attribution / mean >= _MOST_OF_IT:
        yield f"The largest part comes from tiles of cluster {best.name} ({signed(best.attribution)})."
