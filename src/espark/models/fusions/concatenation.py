"""The published fusion: the vectors side by side."""

from __future__ import annotations

from torch import Tensor, nn

from espark.models.fusions.fusion import Fusion


class Concatenation(Fusion, nn.Sequential):
    """As published: the vectors side by side, a hidden layer with sigmoid, two classes."""

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        # A sequence itself, not a holder of one, so that its weights keep the names they have in published bundles.
        self.extend([nn.Linear(modalities * width, width), nn.Sigmoid(), nn.Linear(width, 2)])

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The hidden layer over all vectors; arguments as in the contract."""
        del known  # an unknown vector is zeros
        answer: Tensor = self(vectors.flatten(1))
        return answer
