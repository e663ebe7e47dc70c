"""A fusion: from the vectors of CT, slides and clinical values to one answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.plugins import Fusion


class MeanOfKnown(Fusion):
    """A layer over the mean of the known vectors.

    Args:
        width: length of each vector.
        modalities: number of vectors.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.layer = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Logits (patients, 2); unknown vectors come in as zeros, so their sum is that of the known ones."""
        mean = vectors.sum(dim=1) / known.sum(dim=1, keepdim=True)
        answer: Tensor = self.head(torch.tanh(self.layer(mean)))
        return answer
