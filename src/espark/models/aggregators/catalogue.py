"""The aggregators that espark knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AggregatorEntry:
    """A way from the tiles of a patient to one answer.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        ordered: whether the order of the tiles matters.
        attention: what its attention is.
        source: where it was published.
    """

    name: str
    title: str
    ordered: bool
    attention: str
    source: str


AGGREGATORS: dict[str, AggregatorEntry] = {
    entry.name: entry
    for entry in (
        AggregatorEntry("gated-attention", "Gated attention", False, "learned weights", "Ilse et al., ICML 2018"),
        AggregatorEntry("mean", "Mean", False, "the same for all tiles", "baseline"),
        AggregatorEntry("max", "Max", False, "all on the tile with the highest log-odds of the outcome", "baseline"),
        AggregatorEntry("clam-sb", "CLAM-SB", False, "learned weights", "Lu et al., Nat Biomed Eng 2021"),
        AggregatorEntry("dsmil", "DSMIL", False, "likeness to the most telling tile", "Li et al., CVPR 2021"),
        AggregatorEntry("transmil", "TransMIL", True, "class token in the last layer", "Shao et al., NeurIPS 2021"),
        AggregatorEntry("transformer", "Set transformer", False, "class token", "Lee et al., ICML 2019"),
    )
}
