"""Gated multimodal unit: a learned gate weights the modalities."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import without_padding
from espark.models.fusions.fusion import Fusion


class Gated(Fusion):
    """Gated multimodal unit (Arevalo et al., Gated multimodal units for information fusion, ICLR workshop 2017, eq. 1).

    For each unit, a gate that sees all vectors gives a weight to each known modality. For two modalities it is the
    sigmoid gate of the paper; for more it is a softmax. A single modality has the weight 1.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.content = nn.ModuleList(nn.Linear(width, width) for _ in range(modalities))
        self.gate = nn.Linear(modalities * width, modalities * width)
        self.head = nn.Linear(width, 2)

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Logits from the weighted sum of the modalities; arguments as in the contract."""
        parts = zip(self.content, vectors.unbind(1), strict=True)
        content = torch.stack([torch.tanh(layer(part)) for layer, part in parts], dim=1)
        answer: Tensor = self.head((self.shares(vectors, known) * content).sum(dim=1))
        return answer

    def shares(self, vectors: Tensor, known: Tensor) -> Tensor:
        """Weights (patients, modalities, width), not negative, with sum 1 over the modalities, 0 where unknown."""
        scores = self.gate(vectors.flatten(1)).unflatten(1, (self.modalities, self.width))
        return torch.softmax(without_padding(scores, known[..., None] > 0), dim=1)
