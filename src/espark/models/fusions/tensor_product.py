"""Tensor fusion: the outer product of the vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espark.models.fusions.fusion import Fusion

_TENSOR_SIDE = 16


class TensorProduct(Fusion):
    """Tensor fusion (Zadeh et al., Tensor fusion network, EMNLP 2017, eq. 6): the outer product of the vectors.

    A 1 is appended to each vector, so the product holds every modality alone and every combination. For an unknown
    modality, only the 1 remains. Each vector is made short first, because the product grows with the lengths.
    """

    def __init__(self, width: int, modalities: int):
        super().__init__(width, modalities)
        self.shorten = nn.ModuleList(nn.Linear(width, _TENSOR_SIDE) for _ in range(modalities))
        self.layers = nn.Sequential(
            nn.Linear((_TENSOR_SIDE + 1) ** modalities, width), nn.Sigmoid(), nn.Linear(width, 2)
        )  # fmt: skip

    def logits(self, vectors: Tensor, known: Tensor) -> Tensor:
        """A hidden layer over the product; arguments as in the contract."""
        answer: Tensor = self.layers(self.product(vectors, known))
        return answer

    def product(self, vectors: Tensor, known: Tensor) -> Tensor:
        """(patients, 17 ** modalities), the parts of single modalities and of their combinations."""
        product = torch.ones_like(known[:, :1])  # (patients, 1)
        for layer, part, there in zip(self.shorten, vectors.unbind(1), known.unbind(1), strict=True):
            short = torch.tanh(layer(part)) * there[:, None]
            extended = torch.cat([short, torch.ones_like(short[:, :1])], dim=1)
            product = torch.einsum("pi,pj->pij", product, extended).flatten(1)
        return product
