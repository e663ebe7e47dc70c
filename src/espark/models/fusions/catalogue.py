"""The fusions: name, text and code of each. A package may add its own (``docs/plugins.md``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from espark.catalogue import Catalogue

if TYPE_CHECKING:
    from espark.models.fusions.fusion import Fusion

BuildFusion = Callable[[int, int], "Fusion"]
"""From the length of each vector and the number of vectors to a fusion."""


@dataclass(frozen=True)
class FusionEntry:
    """A way from the vectors of CT, slides and clinical values to one answer.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        build: makes the fusion, with fresh weights, from the length of each vector and the number of vectors. It
            imports torch itself, so that reading ``study.toml`` stays fast.
        description: one line for reports and docs.
        source: where it was published.
    """

    name: str
    title: str
    build: BuildFusion
    description: str = ""
    source: str = ""


def _concatenation(width: int, modalities: int) -> Fusion:
    from espark.models.fusions.concatenation import Concatenation

    return Concatenation(width, modalities)


def _late(width: int, modalities: int) -> Fusion:
    from espark.models.fusions.late import Late

    return Late(width, modalities)


def _gated(width: int, modalities: int) -> Fusion:
    from espark.models.fusions.gated import Gated

    return Gated(width, modalities)


def _cross_attention(width: int, modalities: int) -> Fusion:
    from espark.models.fusions.cross_attention import CrossAttention

    return CrossAttention(width, modalities)


def _tensor(width: int, modalities: int) -> Fusion:
    from espark.models.fusions.tensor_product import TensorProduct

    return TensorProduct(width, modalities)


FUSIONS = Catalogue(
    "fusion",
    "espark.fusions",
    (
        FusionEntry(
            "concatenation", "Concatenation", _concatenation,
            "the vectors side by side, then a hidden layer", "Zhao et al., Cell Rep Med 2025",
        ),
        FusionEntry("late", "Late", _late, "the mean of the logits of the separate modalities", "baseline"),
        FusionEntry(
            "gated", "Gated multimodal unit", _gated,
            "a learned gate weights the modalities in each unit", "Arevalo et al., ICLR workshop 2017",
        ),
        FusionEntry(
            "cross-attention", "Cross-attention", _cross_attention,
            "the tokens of each modality attend to the tokens of the others", "Vaswani et al., NeurIPS 2017",
        ),
        FusionEntry(
            "tensor", "Tensor product", _tensor,
            "every modality alone and every product of modalities", "Zadeh et al., EMNLP 2017",
        ),
    ),
)  # fmt: skip
