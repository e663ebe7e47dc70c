"""The published fusion: the vectors side by side."""

from __future__ import annotations

from torch import Tensor, nn

from espark.models.fusions.fusion import Fusion


class Concatenation(Fusion, nn.Sequential):
    """As published: the vectors side by side, a hidden layer with sigmoid, two classes."""

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        # A subclass of Sequential, so that the weights keep the names that they have in published bundles.
        self.extend([nn.Linear(modalities * width, width), nn.Sigmoid(), nn.Linear(width, 2)])

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """The hidden layer over all vectors; arguments as in the contract."""
        del known  # an unknown vector contains only zeros
        answer: Tensor = self(vectors.flatten(1))
        return answer
