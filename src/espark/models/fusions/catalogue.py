"""The fusions that espark knows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FusionEntry:
    """A way from the vectors of CT, slides and clinical values to one answer.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        description: one line for reports and docs.
        source: where it was published.
    """

    name: str
    title: str
    description: str
    source: str


FUSIONS: dict[str, FusionEntry] = {
    entry.name: entry
    for entry in (
        FusionEntry(
            "concatenation", "Concatenation", "the vectors side by side, then a hidden layer",
            "Zhao et al., Cell Rep Med 2025",
        ),
        FusionEntry("late", "Late", "each modality answers by itself; the mean of their logits", "baseline"),
        FusionEntry(
            "gated", "Gated multimodal unit", "a learned gate shares the answer out, unit by unit",
            "Arevalo et al., ICLR workshop 2017",
        ),
        FusionEntry(
            "cross-attention", "Cross-attention", "the tokens of each modality look at those of the others",
            "Vaswani et al., NeurIPS 2017",
        ),
        FusionEntry(
            "tensor", "Tensor product", "every modality by itself and every product of them",
            "Zadeh et al., EMNLP 2017",
        ),
    )
}  # fmt: skip
